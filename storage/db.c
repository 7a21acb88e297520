/* SPDX-License-Identifier: MIT */
#include "storage/db.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/paths.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#define DB_CACHE_MAX	128 /* statements in the cache; any others are prepared at each call */
#define DB_BUSY_MS	5000
#define DB_BACKUP_PAGES 256 /* pages copied in one step */
/* a commit checkpoints only if there was no idle moment for so many pages */
#define DB_WAL_PAGES	4000

struct db_stmt {
	struct db *db;
	sqlite3_stmt *s;
	const char *sql; /* the key; NULL: a free slot */
	bool cached, busy;
};

struct db {
	sqlite3 *h;
	char *dir; /* the data directory, which holds the file */
	/* True between db_begin and db_commit, even if SQLite has already rolled back */
	bool in_tx;
	int tx_code; /* the error that ended the transaction early; 0: none */
	struct db_stmt cache[DB_CACHE_MAX];
};

/* ---- errors ---- */

static int code_of_constraint(int rc)
{
	if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
		return ERR_EXISTS;
	if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
		return ERR_NOT_FOUND;
	return ERR_INVALID;
}

static int code_of(sqlite3 *h, int rc)
{
	int sys = h ? sqlite3_system_errno(h) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (sys == EMFILE || sys == ENFILE)
			return ERR_UNAVAILABLE;
		return sys == ENOSPC || sys == EDQUOT ? ENOSPC : EIO;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_UNAVAILABLE;
	case SQLITE_INTERRUPT:
		return ERR_CANCELLED;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return EACCES;
	case SQLITE_CONSTRAINT:
		return code_of_constraint(rc);
	default:
		return EINVAL;
	}
}

static int fail(struct db *db, int rc, struct err *reterr)
{
	int code = code_of(db->h, rc);

	if (code == ENOSPC)
		return err_set(reterr, code, "the disk with the database is full: free some space");
	return err_set(reterr, code, "database: %s (SQLite code %d)", sqlite3_errmsg(db->h), rc);
}

/* ---- the disk is full: make room and write again ---- */

static pthread_mutex_t full_lock = PTHREAD_MUTEX_INITIALIZER;
static bool (*full_fn)(void *userdata);
static void *full_userdata;

void db_on_full(bool (*make_room)(void *userdata), void *userdata)
{
	pthread_mutex_lock(&full_lock);
	full_fn = make_room;
	full_userdata = userdata;
	pthread_mutex_unlock(&full_lock);
}

static ssize_t pwrite_or_make_room(int fd, const void *data, size_t len, off_t at)
{
	ssize_t n = pwrite(fd, data, len, at);
	bool room = false;

	if (n >= 0 || (errno != ENOSPC && errno != EDQUOT))
		return n;
	pthread_mutex_lock(&full_lock);
	if (full_fn)
		room = full_fn(full_userdata);
	pthread_mutex_unlock(&full_lock);
	if (room)
		return pwrite(fd, data, len, at);
	errno = ENOSPC; /* SQLite reports a full disk in no other way */
	return -1;
}

/* If a COMMIT meets a full disk, SQLite rolls back and the commit cannot be tried again. So the
 * second try happens one level below, at the write itself. */
static void hook_writes(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	if (!vfs || vfs->iVersion < 3 || !vfs->xSetSystemCall)
		return;
	vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)pwrite_or_make_room);
	vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)pwrite_or_make_room);
}

/* ---- opening ---- */

static const char writer_settings[] = "PRAGMA journal_mode=WAL;"
				      "PRAGMA synchronous=FULL;"
				      "PRAGMA foreign_keys=ON;"
				      "PRAGMA cell_size_check=ON;"
				      "PRAGMA trusted_schema=OFF;"
				      "PRAGMA mmap_size=0;"
				      "PRAGMA cache_size=-512;"
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
		return fail(db, rc, reterr);
	q->db = db;
	return 0;
}

/* Some file systems have no shared memory for the WAL. SQLite then keeps the old mode without an
 * error. */
static int check_wal(struct db *db, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = calloc(1, sizeof(*q));
	int r = q ? prepare(db, q, "PRAGMA journal_mode", 0, reterr)
		  : err_errno(reterr, ENOMEM, "database");

	if (r >= 0)
		r = db_step(q, reterr);
	if (r < 0)
		return r;
	if (!str_eq(db_col_text(q, 0), "wal"))
		return err_set(reterr, ERR_UNSUPPORTED,
			       "the file system does not support SQLite's write-ahead log: keep "
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
	pthread_once(&once, hook_writes);
	rc = sqlite3_open_v2(path, &db->h, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (!db->h)
		return err_errno(reterr, ENOMEM, "open %s", path);
	if (rc != SQLITE_OK)
		return err_ctx(reterr, fail(db, rc, reterr), "open %s", path);
	sqlite3_extended_result_codes(db->h, 1);
	sqlite3_busy_timeout(db->h, DB_BUSY_MS);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	r = db_script(db, mode == DB_WRITER ? writer_settings : reader_settings, reterr);
	if (r >= 0 && mode == DB_WRITER)
		r = check_wal(db, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "open %s", path);
	if (mode == DB_WRITER)
		sqlite3_wal_autocheckpoint(db->h, DB_WAL_PAGES);
	*ret = TAKE(db);
	return 0;
}

const char *db_dir(const struct db *db)
{
	return db->dir;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < DB_CACHE_MAX; i++)
		sqlite3_finalize(db->cache[i].s);
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
	sqlite3_interrupt(db->h);
}

int db_script(struct db *db, const char *sql, struct err *reterr)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(db, rc, reterr);
}

/* ---- statements ---- */

struct db_val db_id(const char *id)
{
	return DB_TEXT(id && id[0] ? id : NULL);
}

static int bind_path(const struct db *db, sqlite3_stmt *s, int at, const char *path)
{
	OWN(buf_done) struct buf packed = BUF_INIT(SIZE_MAX);

	if (!path || !path_pack(db->dir, path, &packed))
		return sqlite3_bind_text(s, at, path, -1, SQLITE_STATIC);
	return sqlite3_bind_text(s, at, buf_str(&packed), -1, SQLITE_TRANSIENT);
}

static int bind_plain(sqlite3_stmt *s, int at, const json_t *j)
{
	char *text = json_text(j);

	return text ? sqlite3_bind_text(s, at, text, -1, free) : SQLITE_NOMEM;
}

static int bind_json(const struct db *db, sqlite3_stmt *s, int at, const json_t *j)
{
	OWN(json_decrefp) json_t *packed = paths_pack(db->dir, j);

	return packed ? bind_plain(s, at, packed) : SQLITE_NOMEM;
}

static int bind_one(const struct db *db, sqlite3_stmt *s, int at, const struct db_val *v)
{
	switch (v->type) {
	case DB_VAL_NULL:
		return sqlite3_bind_null(s, at);
	case DB_VAL_INT:
		return sqlite3_bind_int64(s, at, v->i);
	case DB_VAL_REAL:
		return isnan(v->d) ? sqlite3_bind_null(s, at) : sqlite3_bind_double(s, at, v->d);
	case DB_VAL_TEXT:
		return sqlite3_bind_text(s, at, v->s, -1, SQLITE_STATIC);
	case DB_VAL_PATH:
		return bind_path(db, s, at, v->s);
	case DB_VAL_JSON:
		return v->j ? bind_json(db, s, at, v->j) : sqlite3_bind_null(s, at);
	case DB_VAL_PLAIN:
		return v->j ? bind_plain(s, at, v->j) : sqlite3_bind_null(s, at);
	}
	return SQLITE_MISUSE;
}

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

static int uncached(struct db *db, const char *sql, struct db_stmt **ret, struct err *reterr)
{
	OWN(freep) struct db_stmt *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return err_errno(reterr, ENOMEM, "database");
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

static int check_tx(struct db *db, struct err *reterr)
{
	if (!db->in_tx || (!db->tx_code && !sqlite3_get_autocommit(db->h)))
		return 0;
	if (db->tx_code == ENOSPC)
		return err_set(reterr, ENOSPC,
			       "the disk with the database is full: free some space");
	return err_set(reterr, db->tx_code ? db->tx_code : EIO,
		       "database: the transaction was undone after an earlier error");
}

static int start(struct db *db, struct db_stmt *q, const struct db_val *args, size_t args_n,
		 struct db_stmt **ret, struct err *reterr)
{
	assert(db->in_tx || sqlite3_stmt_readonly(q->s));
	assert(args_n == (size_t)sqlite3_bind_parameter_count(q->s));
	q->busy = true;
	for (size_t i = 0; i < args_n; i++) {
		int rc = bind_one(db, q->s, (int)i + 1, &args[i]);

		if (rc != SQLITE_OK) {
			int r = fail(db, rc, reterr);

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
		r = uncached(db, sql, &q, reterr);
	return r < 0 ? r : start(db, q, args, args_n, ret, reterr);
}

int db_step(struct db_stmt *q, struct err *reterr)
{
	int rc = sqlite3_step(q->s);
	int r;

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	r = fail(q->db, rc, reterr);
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

bool db_col_is_null(struct db_stmt *q, int col)
{
	return sqlite3_column_type(q->s, col) == SQLITE_NULL;
}

int64_t db_col_int(struct db_stmt *q, int col)
{
	return sqlite3_column_int64(q->s, col);
}

double db_col_real(struct db_stmt *q, int col)
{
	return sqlite3_column_double(q->s, col);
}

const char *db_col_text(struct db_stmt *q, int col)
{
	const char *s = (const char *)sqlite3_column_text(q->s, col);

	return s ? s : "";
}

int db_col_path(struct db_stmt *q, int col, char *buf, size_t size, struct err *reterr)
{
	OWN(buf_done) struct buf path = BUF_INIT(SIZE_MAX);
	const char *text = db_col_text(q, col);

	if (path_unpack(q->db->dir, text, &path))
		text = buf_str(&path);
	if (str_copy(buf, size, text))
		return 0;
	return err_set(reterr, ERR_LIMIT,
		       "database: column %s holds a path of %zu bytes, and at most %zu can be used "
		       "(a data directory with a shorter path helps): %.128s...",
		       sqlite3_column_name(q->s, col), strlen(text), size - 1, text);
}

int db_col_plain(struct db_stmt *q, int col, json_t **ret, struct err *reterr)
{
	const char *s = (const char *)sqlite3_column_text(q->s, col);

	*ret = NULL;
	if (!s)
		return 0;
	if (json_parse_nul(s, (size_t)sqlite3_column_bytes(q->s, col), ret, reterr) < 0)
		return err_set(reterr, ERR_CORRUPT, "database: column %s holds no JSON",
			       sqlite3_column_name(q->s, col));
	return 0;
}

int db_col_json(struct db_stmt *q, int col, json_t **ret, struct err *reterr)
{
	int r = db_col_plain(q, col, ret, reterr);

	if (r < 0 || !*ret)
		return r;
	*ret = paths_unpack(q->db->dir, *ret);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "database");
}

/* ---- transactions ---- */

int db_begin(struct db *db, struct err *reterr)
{
	int r;

	assert(!db->in_tx);
	r = db_script(db, "BEGIN IMMEDIATE", reterr);
	if (r < 0)
		return r;
	db->in_tx = true;
	db->tx_code = 0;
	return 0;
}

int db_commit(struct db *db, struct err *reterr)
{
	int r;

	assert(db->in_tx);
	r = check_tx(db, reterr);
	if (r >= 0)
		r = db_run(db, "COMMIT", NULL, 0, reterr);
	if (r < 0)
		db_rollback(db);
	db->in_tx = false;
	return r < 0 ? r : 0;
}

void db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->h))
		sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
	db->in_tx = false;
}

bool db_in_tx(const struct db *db)
{
	return db->in_tx;
}

int db_begin_read(struct db *db, struct err *reterr)
{
	return db_run(db, "BEGIN", NULL, 0, reterr);
}

void db_end_read(struct db *db)
{
	if (!sqlite3_get_autocommit(db->h))
		sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
}

void db_checkpoint(struct db *db)
{
	sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static int copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc;

	if (!b)
		return sqlite3_errcode(to);
	do
		rc = sqlite3_backup_step(b, DB_BACKUP_PAGES);
	while (rc == SQLITE_OK);
	sqlite3_backup_finish(b);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int db_backup(struct db *db, const char *path, struct err *reterr)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE;
	struct db copy = {0};
	int rc = sqlite3_open_v2(path, &copy.h, flags, NULL);
	int r = 0;

	if (rc == SQLITE_OK)
		rc = copy_pages(db->h, copy.h);
	if (rc != SQLITE_OK)
		r = copy.h ? fail(&copy, rc, reterr) : err_set(reterr, ENOMEM, "out of memory");
	sqlite3_close(copy.h);
	return r < 0 ? err_ctx(reterr, r, "copy the database to %s", path) : 0;
}
