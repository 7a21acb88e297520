/* SPDX-License-Identifier: MIT */
/*
 * Opens connections with their settings, caches statements, runs queries and transactions, and maps
 * SQLite's errors. A rollback by SQLite ends the transaction here, too.
 */
#include "storage/db_parts.h"

#include "base/own.h"
#include "base/str.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#define DB_BUSY_MS 5000

/* ---- opening ---- */

static const char writer_settings[] = "PRAGMA journal_mode=WAL;"
				      "PRAGMA synchronous=FULL;"
				      "PRAGMA foreign_keys=ON;"
				      "PRAGMA cell_size_check=ON;"
				      "PRAGMA trusted_schema=OFF;"
				      "PRAGMA mmap_size=0;"
				      "PRAGMA temp_store=MEMORY;"
				      "PRAGMA cache_size=-8192;"
				      "PRAGMA journal_size_limit=16777216;";
static const char reader_settings[] = "PRAGMA query_only=ON;"
				      "PRAGMA cell_size_check=ON;"
				      "PRAGMA trusted_schema=OFF;"
				      "PRAGMA mmap_size=0;"
				      "PRAGMA cache_size=-256;";

static int prepare(struct db *db, struct db_stmt *q, const char *sql, unsigned flags,
		   struct err *reterr)
{
	int rc = sqlite3_prepare_v3(db->h, sql, -1, flags, &q->s, NULL);

	if (rc != SQLITE_OK)
		return db_fail(db, rc, reterr);
	q->db = db;
	return 0;
}

/* Some file systems have no shared memory for the WAL. SQLite then keeps the old mode without an
 * error. */
static int check_wal(struct db *db, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = calloc(1, sizeof(*q));
	int r = q ? prepare(db, q, "PRAGMA journal_mode", 0, reterr)
		  : err_errno(reterr, ENOMEM, "use the database");

	if (r >= 0)
		r = db_step(q, reterr);
	if (r < 0)
		return r;
	if (!str_eq(db_col_text(q, 0), "wal"))
		return err_set(reterr, ERR_UNSUPPORTED,
			       "the file system does not support SQLite's write-ahead log; keep "
			       "the data directory on a local disk");
	return 0;
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

int db_open(const char *path, enum db_mode mode, struct db **ret, struct err *reterr)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int flags = mode == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
				      : SQLITE_OPEN_READONLY;
	OWN(db_closep) struct db *db = calloc(1, sizeof(*db));
	int rc, r;

	if (!db || !(db->dir = directory_of(path)))
		return err_errno(reterr, ENOMEM, "open %s", path);
	db->is_writer = mode == DB_WRITER;
	pthread_once(&once, db_hook_writes);
	rc = sqlite3_open_v2(path, &db->h, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (!db->h)
		return err_errno(reterr, ENOMEM, "open %s", path);
	if (rc != SQLITE_OK)
		return err_ctx(reterr, db_fail(db, rc, reterr), "cannot open %s", path);
	sqlite3_extended_result_codes(db->h, 1);
	sqlite3_busy_timeout(db->h, DB_BUSY_MS);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (mode == DB_READER)
		sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	r = db_script(db, mode == DB_WRITER ? writer_settings : reader_settings, reterr);
	if (r >= 0 && mode == DB_WRITER)
		r = check_wal(db, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "cannot open %s", path);
	if (mode == DB_WRITER)
		db_hook_commits(db);
	*ret = TAKE(db);
	return 0;
}

const char *db_dir(const struct db *db)
{
	return db->dir;
}

static void forget_text(struct db_stmt *q)
{
	sqlite3_finalize(q->s);
	free((char *)q->sql);
	*q = (struct db_stmt){0};
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < DB_CACHE_MAX; i++)
		sqlite3_finalize(db->cache[i].s);
	for (size_t i = 0; i < DB_TEXTS_MAX; i++)
		forget_text(&db->texts[i]);
	if (db->broken)
		sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(db->h);
	free(db->dir);
	free(db);
}

void db_closep(struct db **db)
{
	db_close(*db);
}

void db_interrupt(struct db *db)
{
	db->interrupted = true;
	sqlite3_interrupt(db->h);
}

int db_script(struct db *db, const char *sql, struct err *reterr)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, reterr);
}

/* ---- statements ---- */

/* Find or prepare the cache slot of `sql`. *ret is NULL if no slot is available (all taken, or the
 * statement is in use). */
static int cached(struct db *db, const char *sql, struct db_stmt **ret, struct err *reterr)
{
	size_t start = ((uintptr_t)sql >> 3) % DB_CACHE_MAX;

	*ret = NULL;
	for (size_t i = 0; i < DB_CACHE_MAX; i++) {
		struct db_stmt *q = &db->cache[(start + i) % DB_CACHE_MAX];
		int r;

		if (q->sql == sql) {
			*ret = q->busy ? NULL : q;
			return 0;
		}
		if (q->sql)
			continue;
		r = prepare(db, q, sql, SQLITE_PREPARE_PERSISTENT, reterr);
		if (r < 0)
			return r;
		q->sql = sql;
		q->cached = true;
		*ret = q;
		return 0;
	}
	return 0;
}

/* Find the kept statement of a text, or prepare it in place of the oldest one. *ret is NULL if that
 * one is in use. */
static int kept(struct db *db, const char *sql, struct db_stmt **ret, struct err *reterr)
{
	struct db_stmt *q;
	int r;

	*ret = NULL;
	for (size_t i = 0; i < DB_TEXTS_MAX; i++) {
		q = &db->texts[i];
		if (!q->sql || !str_eq(q->sql, sql))
			continue;
		*ret = q->busy ? NULL : q;
		return 0;
	}
	q = &db->texts[db->texts_next];
	if (q->busy)
		return 0;
	forget_text(q);
	r = prepare(db, q, sql, SQLITE_PREPARE_PERSISTENT, reterr);
	if (r < 0)
		return r;
	q->cached = true;
	q->sql = strdup(sql);
	if (!q->sql) {
		forget_text(q);
		return err_errno(reterr, ENOMEM, "use the database");
	}
	db->texts_next = (db->texts_next + 1) % DB_TEXTS_MAX;
	*ret = q;
	return 0;
}

static int uncached(struct db *db, const char *sql, struct db_stmt **ret, struct err *reterr)
{
	OWN(freep) struct db_stmt *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return err_errno(reterr, ENOMEM, "use the database");
	r = prepare(db, q, sql, 0, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(q);
	return 0;
}

/* After some of these errors SQLite rolls back by itself, and a later write would commit half of
 * the work. To have one rule, each of these errors ends the transaction here, too. */
static bool ends_tx(int code)
{
	return code == ENOSPC || code == EIO || code == ENOMEM || code == ERR_CORRUPT;
}

bool db_tx_is_lost(const struct db *db)
{
	return db->in_tx && (db->tx_code || sqlite3_get_autocommit(db->h));
}

static int check_tx(struct db *db, struct err *reterr)
{
	if (!db_tx_is_lost(db))
		return 0;
	if (db->tx_code == ENOSPC)
		return err_set(reterr, ENOSPC,
			       "the disk with the database is full; free some space");
	return err_set(reterr, db->tx_code ? db->tx_code : EIO,
		       "database: the transaction was undone after an earlier error");
}

static int start(struct db *db, struct db_stmt *q, const struct db_val *args, size_t args_n,
		 struct db_stmt **ret, struct err *reterr)
{
	assert(db->in_tx || sqlite3_stmt_readonly(q->s));
	assert(args_n == (size_t)sqlite3_bind_parameter_count(q->s));
	q->busy = true;
	q->cut = NULL;
	for (size_t i = 0; i < args_n; i++) {
		int rc = db_bind(db, q->s, (int)i + 1, &args[i]);

		if (rc != SQLITE_OK) {
			int r = db_fail(db, rc, reterr);

			db_release(q);
			return r;
		}
	}
	*ret = q;
	return 0;
}

int db_query(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	     struct db_stmt **ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = check_tx(db, reterr);

	if (r >= 0)
		r = cached(db, sql, &q, reterr);
	if (r >= 0 && !q)
		r = uncached(db, sql, &q, reterr);
	return r < 0 ? r : start(db, q, args, args_n, ret, reterr);
}

int db_query_text(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
		  struct db_stmt **ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = check_tx(db, reterr);

	if (r >= 0)
		r = kept(db, sql, &q, reterr);
	if (r >= 0 && !q)
		r = uncached(db, sql, &q, reterr);
	return r < 0 ? r : start(db, q, args, args_n, ret, reterr);
}

int db_step(struct db_stmt *q, struct err *reterr)
{
	int rc, r = db_check_whole(q, reterr);

	if (r < 0)
		return r;
	rc = sqlite3_step(q->s);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	r = db_fail(q->db, rc, reterr);
	if (q->db->in_tx && !q->db->tx_code && ends_tx(-r))
		q->db->tx_code = -r;
	return r;
}

int db_first(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	     struct db_stmt **ret, struct err *reterr)
{
	int r = db_query(db, sql, args, args_n, ret, reterr);

	return r < 0 ? r : db_step(*ret, reterr);
}

void db_release(struct db_stmt *q)
{
	if (!q)
		return;
	if (!q->cached) {
		sqlite3_finalize(q->s);
		free(q);
		return;
	}
	sqlite3_reset(q->s);
	sqlite3_clear_bindings(q->s);
	q->busy = false;
}

void db_releasep(struct db_stmt **q)
{
	db_release(*q);
}

int db_run(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	   struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(db, sql, args, args_n, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		;
	return r < 0 ? r : sqlite3_changes(db->h);
}

int db_get_int(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	       int64_t fallback, int64_t *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(db, sql, args, args_n, &q, reterr);

	if (r < 0)
		return r;
	*ret = r && !db_col_is_null(q, 0) ? db_col_int(q, 0) : fallback;
	return 0;
}

int64_t db_last_rowid(struct db *db)
{
	return sqlite3_last_insert_rowid(db->h);
}

int64_t db_changes(const struct db *db)
{
	return sqlite3_total_changes64(db->h);
}
