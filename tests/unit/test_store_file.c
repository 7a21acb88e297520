/* SPDX-License-Identifier: MIT */
/* storage/: the files: lock, schema versions and upgrades, restored backups, a full disk. */
#include "tests/unit/store_fixture.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/db.h"
#include "storage/lockfile.h"
#include "storage/migrate.h"
#include "storage/reserve.h"
#include "storage/store_read.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char *in_dir(struct fixture *f, const char *name)
{
	static char path[256];

	assert_true(path_join(path, sizeof(path), f->dir, name));
	return path;
}

/* A connection of its own, for what the store would not do. The store must be closed. */
static struct db *raw(struct fixture *f)
{
	struct db *db = NULL;

	OK(f, db_open(in_dir(f, STORE_FILE), DB_WRITER, &db, &f->e));
	return db;
}

static int64_t raw_int(struct fixture *f, struct db *db, const char *pragma)
{
	OWN(db_releasep) struct db_stmt *q = NULL;

	OK(f, db_query_text(db, pragma, NULL, 0, &q, &f->e));
	assert_int_equal(db_step(q, &f->e), 1);
	return db_col_int(q, 0);
}

static void close_store(struct fixture *f)
{
	store_close(f->st);
	f->st = NULL;
}

static void test_second_daemon_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;
	char pid[32];

	assert_int_equal(store_open(f->dir, &second, &f->e), -ERR_EXISTS);
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	assert_non_null(strstr(f->e.msg, pid));
	assert_non_null(strstr(f->e.msg, f->dir));
	insert_run(f, "one", 1, false, T0, NULL, NULL); /* the first one is unharmed */
	fixture_reopen(f);
}

static void test_missing_directory(void **state)
{
	struct fixture *f = *state;
	struct store *st = NULL;
	struct store_reader *sr = NULL;

	assert_int_equal(store_open("/nonexistent/dir", &st, &f->e), -ENOENT);
	assert_true(store_reader_open("/nonexistent/dir", &sr, &f->e) < 0);
	assert_null(st);
}

static void test_files_are_private(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {STORE_FILE, STORE_FILE "-wal", STORE_LOCK_FILE,
					    STORE_RESERVE_FILE};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct stat st;

		assert_int_equal(stat(in_dir(f, names[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void test_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *db = NULL;

	close_store(f);
	db = raw(f);
	OK(f, db_script(db, "PRAGMA user_version = 99", &f->e));
	assert_int_equal(store_open(f->dir, &f->st, &f->e), -ERR_UNSUPPORTED);
	assert_non_null(strstr(f->e.msg, "has schema version 99, and this trainyardd knows "
					 "versions up to"));
	assert_int_equal(raw_int(f, db, "PRAGMA user_version"), 99);
}

static void test_foreign_database_is_refused(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *db = NULL;

	close_store(f);
	assert_int_equal(unlink(in_dir(f, STORE_FILE)), 0);
	db = raw(f);
	OK(f, db_script(db, "CREATE TABLE bookmarks (url TEXT)", &f->e));
	assert_int_equal(store_open(f->dir, &f->st, &f->e), -ERR_UNSUPPORTED);
	assert_non_null(strstr(f->e.msg, "of another program"));
}

static void test_garbage_is_corrupt(void **state)
{
	struct fixture *f = *state;
	static char junk[8192];

	close_store(f);
	memset(junk, 'x', sizeof(junk));
	OK(f, file_write_atomic(AT_FDCWD, in_dir(f, STORE_FILE), junk, sizeof(junk), 0600, &f->e));
	assert_int_equal(store_open(f->dir, &f->st, &f->e), -ERR_CORRUPT);
}

/* ---- upgrades ---- */

static const struct migration second = {2, "0002_test",
					"ALTER TABLE jobs ADD COLUMN colour TEXT;"
					"UPDATE jobs SET colour = 'red';"};
static const struct migration broken = {3, "0003_broken",
					"ALTER TABLE jobs ADD COLUMN size INTEGER;"
					"UPDATE nothing SET x = 1;"};

/* The database that version 1 wrote, from its dump; jobs "prep" (succeeded) and "train" (queued).
 */
static void restore_v1(struct fixture *f)
{
	OWN(buf_done) struct buf sql = BUF_INIT(1 << 20);
	OWN(db_closep) struct db *db = NULL;

	close_store(f);
	assert_int_equal(unlink(in_dir(f, STORE_FILE)), 0);
	OK(f, file_read(AT_FDCWD, STORE_FIXTURES "/store_v1.sql", &sql, &f->e));
	db = raw(f);
	OK(f, db_script(db, buf_str(&sql), &f->e));
}

static void test_first_version_opens(void **state)
{
	struct fixture *f = *state;
	OWN(job_rows_done) struct job_rows jobs = {0};
	struct store_reader *sr = NULL;
	json_t *j = NULL;

	restore_v1(f);
	OK(f, store_open(f->dir, &f->st, &f->e));
	OK(f, store_jobs_in_state(f->st, STATE_QUEUED, &jobs, &f->e));
	assert_int_equal(jobs.n, 1);
	assert_string_equal(jobs.rows[0].name, "train");
	assert_string_equal(json_get_str(jobs.rows[0].spec, "kind", ""), "train");
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_run(sr, jobs.rows[0].run, &j, &f->e));
	assert_string_equal(json_get_str(j, "state", ""), "running");
	json_decref(j);
	store_reader_close(sr);
	move(f, jobs.rows[0].id, STATE_QUEUED, STATE_STARTING, T0);
}

/* All that CREATE statements said, in one text. */
static char *schema_of(struct fixture *f)
{
	OWN(db_closep) struct db *db = raw(f);
	OWN(db_releasep) struct db_stmt *q = NULL;

	OK(f, db_query_text(db,
			    "SELECT group_concat(sql, ';\n') FROM (SELECT sql FROM sqlite_schema "
			    "WHERE sql IS NOT NULL ORDER BY type, name)",
			    NULL, 0, &q, &f->e));
	assert_int_equal(db_step(q, &f->e), 1);
	return strdup(db_col_text(q, 0));
}

/* Upgrading what version 1 wrote gives what a new database has: migrations that were released are
 * never edited. */
static void test_upgraded_schema_is_the_new_one(void **state)
{
	struct fixture *f = *state;
	OWN(freep) char *fresh = NULL;
	OWN(freep) char *upgraded = NULL;

	close_store(f);
	fresh = schema_of(f);
	restore_v1(f);
	OK(f, store_open(f->dir, &f->st, &f->e));
	close_store(f);
	upgraded = schema_of(f);
	assert_string_equal(fresh, upgraded);
}

static void test_upgrade(void **state)
{
	struct fixture *f = *state;
	struct migration list[64];
	size_t n = migrations_n;
	OWN(db_closep) struct db *db = NULL, *copy = NULL;
	char path[256], name[300];

	restore_v1(f);
	db = raw(f);
	str_copy(path, sizeof(path), in_dir(f, STORE_FILE));
	memcpy(list, migrations, n * sizeof(*list));
	list[n++] = second;
	OK(f, migrate(db, path, list, n, &f->e));
	assert_int_equal(raw_int(f, db, "PRAGMA user_version"), (int64_t)n);
	assert_int_equal(raw_int(f, db, "SELECT count(*) FROM jobs WHERE colour = 'red'"), 2);
	snprintf(name, sizeof(name), "%s.before-v%zu", path, n);
	OK(f, db_open(name, DB_READER, &copy, &f->e));
	assert_int_equal(raw_int(f, copy, "PRAGMA user_version"), 1);
	assert_int_equal(raw_int(f, copy, "SELECT count(*) FROM jobs"), 2);
	OK(f, migrate(db, path, list, n, &f->e)); /* nothing to do: no second copy */
	snprintf(name, sizeof(name), "%s.before-v%zu-2", path, n);
	assert_false(path_exists(AT_FDCWD, name));
}

static void test_failed_upgrade_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct migration list[64];
	size_t n = migrations_n;
	OWN(db_closep) struct db *db = NULL;
	char path[256], name[300];

	restore_v1(f);
	db = raw(f);
	str_copy(path, sizeof(path), in_dir(f, STORE_FILE));
	memcpy(list, migrations, n * sizeof(*list));
	list[n++] = second;
	list[n++] = broken;
	for (int i = 1; i <= 2; i++) {
		assert_true(migrate(db, path, list, n, &f->e) < 0);
		assert_non_null(strstr(f->e.msg, "migration 0003_broken: "));
		assert_int_equal(raw_int(f, db, "PRAGMA user_version"), 1);
		assert_int_equal(raw_int(f, db, "SELECT count(*) FROM jobs"), 2);
		assert_true(db_query_text(db, "SELECT colour FROM jobs", NULL, 0, NULL, &f->e) < 0);
	}
	/* Each try kept its own copy. */
	snprintf(name, sizeof(name), "%s.before-v%zu", path, n);
	assert_true(path_exists(AT_FDCWD, name));
	snprintf(name, sizeof(name), "%s.before-v%zu-2", path, n);
	assert_true(path_exists(AT_FDCWD, name));
}

/* ---- generations ---- */

static const char *generation(struct fixture *f)
{
	static char text[64];
	struct store_reader *sr = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	str_copy(text, sizeof(text), store_reader_generation(sr));
	store_reader_close(sr);
	return text;
}

static void test_generation_stays(void **state)
{
	struct fixture *f = *state;
	char was[64];

	insert_run(f, "one", 1, false, T0, NULL, NULL);
	str_copy(was, sizeof(was), generation(f));
	assert_int_equal(strlen(was), 16);
	fixture_reopen(f);
	assert_string_equal(generation(f), was);
}

static void test_restored_backup_gets_another_generation(void **state)
{
	struct fixture *f = *state;
	char was[64], backup[256];

	insert_run(f, "one", 1, false, T0, NULL, NULL);
	str_copy(was, sizeof(was), generation(f));
	close_store(f);
	str_copy(backup, sizeof(backup), in_dir(f, "backup"));
	OK(f, file_copy(AT_FDCWD, in_dir(f, STORE_FILE), AT_FDCWD, backup, &f->e));
	fixture_reopen(f);
	insert_run(f, "two", 1, false, T0, NULL, NULL);
	close_store(f);
	assert_int_equal(rename(backup, in_dir(f, STORE_FILE)), 0);
	fixture_reopen(f);
	assert_int_equal(store_last_seq(f->st), 2);
	assert_string_not_equal(generation(f), was);
}

/* ---- readers beside the writer ---- */

static void test_reader_during_transaction(void **state)
{
	struct fixture *f = *state;
	struct store_reader *sr = NULL;
	struct run_spec *rs = make_run("two", 1, false);
	json_t *j = NULL;

	insert_run(f, "one", 1, false, T0, NULL, NULL);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	BEGIN(f);
	OK(f, store_run_insert(f->st, rs, "r00000000000000000000", T0, &f->e));
	OK(f, store_read_runs(sr, &(struct list_filter){0}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 1);
	json_decref(j);
	COMMIT(f);
	OK(f, store_read_runs(sr, &(struct list_filter){0}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 2);
	json_decref(j);
	store_checkpoint(f->st);
	store_reader_close(sr);
	free_run(rs);
}

/* ---- a full disk ---- */

static bool write_text(const char *path, const char *text)
{
	OWN(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* As a plain user: in a user namespace in which nobody changes; a file system there takes no files
 * of a user that it does not know. */
static bool unshare_mounts(void)
{
	char uid[64], gid[64];

	snprintf(uid, sizeof(uid), "%u %u 1\n", geteuid(), geteuid());
	snprintf(gid, sizeof(gid), "%u %u 1\n", getegid(), getegid());
	if (unshare(CLONE_NEWNS) == 0)
		return true;
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", uid) && write_text("/proc/self/gid_map", gid);
}

/* A disk of `bytes` at f->dir, with a new store on it; false when we may not mount. */
static bool small_disk(struct fixture *f, int bytes)
{
	char options[64];

	close_store(f);
	snprintf(options, sizeof(options), "size=%d,mode=700", bytes);
	if (!unshare_mounts())
		return false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", f->dir, "tmpfs", 0, options) < 0)
		return false;
	OK(f, store_open(f->dir, &f->st, &f->e));
	return true;
}

static int64_t reserve_size(struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(in_dir(f, STORE_RESERVE_FILE), &st), 0);
	return st.st_blocks * 512;
}

static int try_run(struct fixture *f, size_t jobs, size_t spec_bytes)
{
	struct run_spec *rs = make_run("big", jobs, false);
	char run[ID_LEN];
	int r;

	id_new('r', run);
	for (size_t i = 0; i < jobs; i++) {
		OWN(freep) char *text = calloc(1, spec_bytes + 1);

		memset(text, 'x', spec_bytes);
		json_object_set_new(rs->jobs[i].spec, "text", json_string(text));
	}
	BEGIN(f);
	r = store_run_insert(f->st, rs, run, T0, &f->e);
	if (r < 0)
		store_rollback(f->st);
	else
		r = store_commit(f->st, &f->e);
	free_run(rs);
	return r;
}

static int64_t count_runs(struct fixture *f)
{
	struct store_reader *sr = NULL;
	json_t *counts = NULL;
	int64_t n;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_counts(sr, &counts, &f->e));
	n = json_get_int(json_object_get(counts, "runs"), "queued", -1);
	json_decref(counts);
	store_reader_close(sr);
	return n;
}

static void test_disk_full(void **state)
{
	struct fixture *f = *state;
	int done = 0, with_reserve = 0, r = 0;
	OWN(closep) int ballast = -1;
	int64_t seq;

	if (!small_disk(f, 12 << 20)) {
		print_message("skipped: mounting a small disk is not permitted here\n");
		OK(f, store_open(f->dir, &f->st, &f->e));
		skip();
	}
	assert_int_equal(reserve_size(f), STORE_RESERVE_BYTES);
	ballast = open(in_dir(f, "ballast"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(ballast, 0, 4 << 20), 0);
	while (done < 10000 && (r = try_run(f, 1, 4000)) >= 0) {
		done++;
		with_reserve += reserve_size(f) > 0;
	}
	assert_int_equal(r, -ENOSPC);
	assert_string_equal(f->e.msg, "the disk with the database is full; free some space");
	assert_int_equal(reserve_size(f), 0);
	assert_true(with_reserve > 0);
	assert_true(done - with_reserve > 200); /* written after the disk was full */
	assert_int_equal(count_runs(f), done);
	seq = store_last_seq(f->st);
	assert_int_equal(seq, 2 * done);
	/* The failing transaction left nothing behind, also when it fails half-way. */
	assert_int_equal(try_run(f, 200, 16000), -ENOSPC);
	assert_int_equal(store_last_seq(f->st), seq);
	assert_int_equal(ftruncate(ballast, 0), 0);
	OK(f, try_run(f, 1, 4000));
	assert_int_equal(count_runs(f), done + 1);
	fixture_reopen(f);
	assert_int_equal(count_runs(f), done + 1);
	close_store(f);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
}

static void test_lost_transaction(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];

	if (!small_disk(f, 9 << 20)) {
		print_message("skipped: mounting a small disk is not permitted here\n");
		OK(f, store_open(f->dir, &f->st, &f->e));
		skip();
	}
	insert_run(f, "one", 1, false, T0, NULL, ids);
	struct run_spec *rs = make_run("big", 256, false);
	static char text[120001]; /* 30 MB: more than the page cache and the disk hold */
	memset(text, 'x', sizeof(text) - 1);
	for (size_t i = 0; i < 256; i++)
		json_object_set_new(rs->jobs[i].spec, "text", json_string(text));
	BEGIN(f);
	OK(f, store_savepoint(f->st, &f->e));
	assert_int_equal(store_run_insert(f->st, rs, "r0", T0, &f->e), -ENOSPC);
	store_rollback_to(f->st);
	/* Whatever SQLite kept of it, nothing more can be written in this transaction. */
	assert_int_equal(store_job_set_held(f->st, ids[0], true, T0, &f->e), -ENOSPC);
	assert_int_equal(store_savepoint(f->st, &f->e), -ENOSPC);
	assert_int_equal(store_commit(f->st, &f->e), -ENOSPC);
	BEGIN(f);
	OK(f, store_job_set_held(f->st, ids[0], true, T0, &f->e));
	COMMIT(f);
	assert_int_equal(count_runs(f), 1);
	free_run(rs);
	close_store(f);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
}

static void test_reserve_comes_back(void **state)
{
	struct fixture *f = *state;
	struct reserve rv;

	close_store(f);
	OK(f, reserve_open(f->dir, &rv, &f->e));
	assert_int_equal(reserve_size(f), STORE_RESERVE_BYTES);
	assert_true(reserve_give_up(&rv));
	assert_false(reserve_give_up(&rv));
	assert_int_equal(reserve_size(f), 0);
	assert_false(reserve_renew(&rv)); /* too soon */
	assert_int_equal(reserve_size(f), 0);
	rv.next_try_us = 0;
	assert_true(reserve_renew(&rv));
	assert_int_equal(reserve_size(f), STORE_RESERVE_BYTES);
	assert_true(reserve_give_up(&rv));
	reserve_close(&rv);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_second_daemon_is_refused),
		CASE(test_missing_directory),
		CASE(test_files_are_private),
		CASE(test_newer_schema_is_refused),
		CASE(test_foreign_database_is_refused),
		CASE(test_garbage_is_corrupt),
		CASE(test_first_version_opens),
		CASE(test_upgrade),
		CASE(test_upgraded_schema_is_the_new_one),
		CASE(test_failed_upgrade_changes_nothing),
		CASE(test_generation_stays),
		CASE(test_restored_backup_gets_another_generation),
		CASE(test_reader_during_transaction),
		CASE(test_reserve_comes_back),
		CASE(test_disk_full),
		CASE(test_lost_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
