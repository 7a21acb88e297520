/* SPDX-License-Identifier: MIT */
/*
 * Opens the store; transactions and savepoints. A commit also writes the counts by state, collects
 * the events for the feed and updates the note in the lock file. The manager thread calls this
 * through store.h.
 */
#include "storage/store.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/migrate.h"
#include "storage/store_resource.h"
#include "storage/store_restore.h"
#include "storage/write/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

/* ---- opening ---- */

static bool make_room(void *userdata, int64_t *ret_claim)
{
	struct store *st = userdata;

	if (reserve_give_up(&st->reserve))
		return true;
	*ret_claim = st->last_reserve.bytes;
	return __atomic_load_n(&st->may_use_last, __ATOMIC_SEQ_CST) &&
	       reserve_give_up(&st->last_reserve);
}

static void store_closep(struct store **st)
{
	store_close(*st);
}

static int write_generation(struct store *st, bool restored, struct err *reterr)
{
	unsigned char bytes[STORE_GENERATION_BYTES];
	int r;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return err_errno(reterr, errno, "make random bytes");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(st->generation + 2 * i, 3, "%02x", bytes[i]);
	r = store_begin(st, reterr);
	if (r < 0)
		return r;
	r = db_run(st->db, "INSERT OR REPLACE INTO meta (key, value) VALUES ('generation', ?)",
		   DB_ARGS(DB_TEXT(st->generation)), reterr);
	if (r >= 0 && restored)
		r = restore_mark(st, reterr);
	if (r < 0) {
		store_rollback(st);
		return r;
	}
	return store_commit(st, reterr);
}

/* The seq numbers of a restored database will be assigned again, so it gets a new generation. */
static int load_generation(struct store *st, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	bool restored = false;
	int r = db_first(st->db, "SELECT value FROM meta WHERE key = 'generation'", NULL, 0, &q,
			 reterr);

	if (r < 0)
		return r;
	if (r) {
		COL_COPY(st->generation, q, 0);
		if (db_check_whole(q, reterr) < 0)
			return -ERR_CORRUPT;
	}
	db_release(TAKE(q));
	if (!r)
		return write_generation(st, false, reterr);
	r = restore_found(st, &restored, reterr);
	return r < 0 || !restored ? r : write_generation(st, true, reterr);
}

static int load_install(struct store *st, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, "SELECT value FROM meta WHERE key = 'install'", NULL, 0, &q,
			 reterr);

	if (r == 0)
		return err_set(reterr, ERR_CORRUPT, "database: the installation id is missing");
	if (r < 0)
		return r;
	COL_COPY(st->install, q, 0);
	return db_check_whole(q, reterr);
}

static int load(struct store *st, struct err *reterr)
{
	int r = db_get_int(st->db, "SELECT seq FROM sqlite_sequence WHERE name = 'events'", NULL, 0,
			   0, &st->last_seq, reterr);

	if (r < 0)
		return r;
	st->tx_seq = st->last_seq;
	r = load_generation(st, reterr);
	if (r >= 0)
		r = load_install(st, reterr);
	if (r >= 0)
		r = restore_load(st, reterr);
	if (r >= 0)
		lockfile_note(&st->lock, st->generation, st->last_seq);
	return r;
}

/* Specs are private. SQLite gives its other files the mode of this file. */
static int make_private(const char *path, struct err *reterr)
{
	OWN(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? err_errno(reterr, errno, "open %s", path) : 0;
}

/* An empty database was lost if executions exist: refuse it. */
static int check_new(struct store *st, const char *dir, const char *path, struct err *reterr)
{
	int64_t tables = 0;
	struct stat file;
	int r;

	if (!st->db)
		return stat(path, &file) == 0 && file.st_size > 0
			       ? 0
			       : location_may_be_new(dir, false, reterr);
	r = db_get_int(st->db, "SELECT count(*) FROM sqlite_schema", NULL, 0, 0, &tables, reterr);
	return r < 0 || tables ? r : location_may_be_new(dir, true, reterr);
}

/* The disk failed under the last daemon: nothing may start on a damaged database. */
static int check_after_failure(struct store *st, struct err *reterr)
{
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), db_dir(st->db), STORE_CHECK_FILE) ||
	    !path_exists(AT_FDCWD, path))
		return 0;
	r = db_quick_check(st->db, "restore a backup (trainyardd --restore)", reterr);
	if (r >= 0 && unlink(path) < 0)
		return err_errno(reterr, errno, "remove %s", path);
	return r;
}

int store_open(const char *dir, struct store **ret, struct err *reterr)
{
	OWN(store_closep) struct store *st = calloc(1, sizeof(*st));
	char path[PATH_MAX];
	int r;

	if (!st || !(st->pending = json_array()) || !(st->committed = json_array()))
		return err_errno(reterr, ENOMEM, "open the store");
	st->lock.fd = st->reserve.fd = st->last_reserve.fd = -1;
	if (snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE) >= (int)sizeof(path))
		return err_errno(reterr, ENAMETOOLONG, "use the data directory %s", dir);
	r = lockfile_open(dir, &st->lock, reterr);
	if (r >= 0)
		r = check_new(st, dir, path, reterr);
	if (r >= 0)
		r = reserve_open(dir, STORE_LAST_RESERVE_FILE, STORE_LAST_RESERVE_BYTES,
				 &st->last_reserve, reterr);
	if (r >= 0)
		r = reserve_open(dir, STORE_RESERVE_FILE, STORE_RESERVE_BYTES, &st->reserve,
				 reterr);
	if (r >= 0)
		r = make_private(path, reterr);
	if (r < 0)
		return r;
	db_on_full(make_room, st);
	r = db_open(path, DB_WRITER, &st->db, reterr);
	if (r >= 0)
		r = check_new(st, dir, path, reterr);
	if (r >= 0)
		r = check_after_failure(st, reterr);
	if (r >= 0)
		r = migrate(st->db, path, migrations, migrations_n, reterr);
	if (r >= 0)
		r = load(st, reterr);
	if (r >= 0)
		r = location_note(dir, &st->location, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(st);
	return 0;
}

int store_check_location(const struct store *st, struct err *reterr)
{
	return location_check(&st->location, reterr);
}

void store_close(struct store *st)
{
	if (!st)
		return;
	if (st->db && db_in_tx(st->db))
		db_rollback(st->db);
	metrics_forget(st);
	db_close(st->db);
	if (st->lock.fd > 0) /* else the other daemon owns it */
		db_on_full(NULL, NULL);
	reserve_close(&st->reserve);
	reserve_close(&st->last_reserve);
	lockfile_close(&st->lock);
	json_decref(st->pending);
	json_decref(st->committed);
	free(st);
}

/* ---- transactions ---- */

/* Restore the invariants of "no open transaction" (write/internal.h). */
static void forget_tx(struct store *st)
{
	json_array_clear(st->pending);
	st->tx_seq = st->last_seq;
	st->count_delta = (struct count_delta){0};
	st->in_savepoint = false;
	__atomic_store_n(&st->may_use_last, false, __ATOMIC_SEQ_CST);
}

int store_begin(struct store *st, struct err *reterr)
{
	bool held = reserve_renew(&st->last_reserve);

	if (!reserve_renew(&st->reserve) || !held)
		db_checkpoint(st->db); /* so that the WAL's own blocks are used again */
	return db_begin(st->db, reterr);
}

void store_use_last_reserve(struct store *st)
{
	assert(db_in_tx(st->db));
	__atomic_store_n(&st->may_use_last, true, __ATOMIC_SEQ_CST);
}

static int flush_count(struct store *st, const char *what, const char *kind, const char *state,
		       int64_t n, struct err *reterr)
{
	if (!n)
		return 0;
	return db_run(st->db,
		      "INSERT INTO counts (what, kind, state, n) VALUES (?, ?, ?, ?) "
		      "ON CONFLICT (what, kind, state) DO UPDATE SET n = n + excluded.n",
		      DB_ARGS(DB_TEXT(what), DB_TEXT(kind), DB_TEXT(state), DB_INT(n)), reterr);
}

static int flush_jobs(struct store *st, enum job_kind kind, struct err *reterr)
{
	const int64_t *delta = st->count_delta.jobs[kind];
	int r = 0;

	for (int i = 0; i < JOB_STATES_ && r >= 0; i++)
		r = flush_count(st, "jobs", job_kind_str(kind), job_state_str((enum job_state)i),
				delta[i], reterr);
	return r;
}

static int count_delta_flush(struct store *st, struct err *reterr)
{
	const struct count_delta *t = &st->count_delta;
	int r = 0;

	for (int i = 0; i < JOB_KINDS_ && r >= 0; i++)
		r = flush_jobs(st, (enum job_kind)i, reterr);
	for (int i = 0; i < RUN_STATES_ && r >= 0; i++)
		r = flush_count(st, "runs", "", run_state_str((enum run_state)i), t->runs[i],
				reterr);
	for (int i = 0; i < ENDPOINT_STATES_ && r >= 0; i++)
		r = flush_count(st, "endpoints", "", endpoint_state_str((enum endpoint_state)i),
				t->endpoints[i], reterr);
	if (r >= 0 && t->changes)
		r = db_run(st->db,
			   "INSERT INTO meta (key, value) VALUES ('state_changes', ?) "
			   "ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
			   DB_ARGS(DB_INT(t->changes)), reterr);
	return r;
}

int store_commit(struct store *st, struct err *reterr)
{
	int r;

	assert(!st->in_savepoint);
	r = metrics_flush(st, reterr);
	if (r >= 0)
		r = count_delta_flush(st, reterr);
	FAULT("store.commit.before");
	if (r >= 0)
		r = db_commit(st->db, reterr);
	if (r < 0) {
		store_rollback(st);
		return r;
	}
	FAULT("store.commit.after");
	if (st->last_seq != st->tx_seq)
		lockfile_note(&st->lock, st->generation, st->tx_seq);
	st->last_seq = st->tx_seq;
	json_array_extend(st->committed, st->pending);
	forget_tx(st);
	return 0;
}

void store_rollback(struct store *st)
{
	db_rollback(st->db);
	metrics_forget(st);
	forget_tx(st);
}

void store_mark(struct store *st)
{
	st->mark_seq = st->tx_seq;
	st->mark_pending = json_array_size(st->pending);
	st->mark_count_delta = st->count_delta;
	st->mark_changes = db_changes(st->db);
}

bool store_must_undo(const struct store *st)
{
	if (db_tx_is_lost(st->db))
		return false;
	return st->tx_seq != st->mark_seq || json_array_size(st->pending) != st->mark_pending ||
	       db_changes(st->db) != st->mark_changes ||
	       memcmp(&st->count_delta, &st->mark_count_delta, sizeof(st->count_delta)) != 0;
}

int store_savepoint(struct store *st, struct err *reterr)
{
	int r;

	assert(db_in_tx(st->db) && !st->in_savepoint);
	r = db_run(st->db, "SAVEPOINT command", NULL, 0, reterr);
	if (r < 0)
		return r;
	st->in_savepoint = true;
	store_mark(st);
	return 0;
}

int store_release(struct store *st, struct err *reterr)
{
	int r;

	assert(st->in_savepoint);
	r = db_run(st->db, "RELEASE command", NULL, 0, reterr);
	if (r < 0)
		return r;
	st->in_savepoint = false;
	return 0;
}

void store_rollback_to(struct store *st)
{
	assert(st->in_savepoint);
	/* If these fail, SQLite has rolled back the whole transaction, and store_commit() reports
	 * that. */
	if (db_run(st->db, "ROLLBACK TO command", NULL, 0, NULL) >= 0)
		(void)!db_run(st->db, "RELEASE command", NULL, 0, NULL);
	st->in_savepoint = false;
	st->tx_seq = st->mark_seq;
	st->count_delta = st->mark_count_delta;
	while (json_array_size(st->pending) > st->mark_pending)
		json_array_remove(st->pending, json_array_size(st->pending) - 1);
}

json_t *store_take_events(struct store *st)
{
	json_t *events = st->committed, *fresh = json_array();

	if (!fresh) /* keep the events for the next call */
		return NULL;
	st->committed = fresh;
	return events;
}

int64_t store_last_seq(struct store *st)
{
	return st->last_seq;
}

bool store_is_broken(const struct store *st)
{
	return db_is_broken(st->db);
}

void store_want_check(const struct store *st)
{
	OWN(closep) int fd = -1;
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), db_dir(st->db), STORE_CHECK_FILE))
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

void store_checkpoint(struct store *st)
{
	db_checkpoint(st->db);
}

const char *store_install_id(struct store *st)
{
	return st->install;
}
