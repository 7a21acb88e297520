/* SPDX-License-Identifier: MIT */
/* storage/: the files: lock, schema versions and upgrades, restored backups, a full disk. */
#include "tests/unit/store_reader.h"

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

/* A connection of its own, for what the store would not do. The store must be closed. */
static struct db *raw(struct fixture *f)
{
	struct db *db = NULL;

	OK(f, db_open(fixture_path(f, STORE_FILE), DB_WRITER, &db, &f->e));
	return db;
}

static int64_t raw_int(struct fixture *f, struct db *db, const char *pragma)
{
	OWN(db_releasep) struct db_stmt *q = NULL;

	OK(f, db_query_text(db, pragma, NULL, 0, &q, &f->e));
	assert_int_equal(db_step(q, &f->e), 1);
	return db_col_int(q, 0);
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

		assert_int_equal(stat(fixture_path(f, names[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void test_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *db = NULL;

	fixture_close(f);
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

	fixture_close(f);
	assert_int_equal(unlink(fixture_path(f, STORE_FILE)), 0);
	db = raw(f);
	OK(f, db_script(db, "CREATE TABLE bookmarks (url TEXT)", &f->e));
	assert_int_equal(store_open(f->dir, &f->st, &f->e), -ERR_UNSUPPORTED);
	assert_non_null(strstr(f->e.msg, "of another program"));
}

static void test_garbage_is_corrupt(void **state)
{
	struct fixture *f = *state;
	static char junk[8192];

	fixture_close(f);
	memset(junk, 'x', sizeof(junk));
	OK(f, file_write_atomic(AT_FDCWD, fixture_path(f, STORE_FILE), junk, sizeof(junk), 0600,
				&f->e));
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

	fixture_close(f);
	assert_int_equal(unlink(fixture_path(f, STORE_FILE)), 0);
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

	fixture_close(f);
	fresh = schema_of(f);
	restore_v1(f);
	OK(f, store_open(f->dir, &f->st, &f->e));
	fixture_close(f);
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
	str_must_copy(path, sizeof(path), fixture_path(f, STORE_FILE));
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
	str_must_copy(path, sizeof(path), fixture_path(f, STORE_FILE));
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
	str_must_copy(text, sizeof(text), store_reader_generation(sr));
	store_reader_close(sr);
	return text;
}

static void test_generation_stays(void **state)
{
	struct fixture *f = *state;
	char was[64];

	insert_run(f, "one", 1, false, T0, NULL, NULL);
	str_must_copy(was, sizeof(was), generation(f));
	assert_int_equal(strlen(was), 16);
	fixture_reopen(f);
	assert_string_equal(generation(f), was);
}

static void test_restored_backup_gets_another_generation(void **state)
{
	struct fixture *f = *state;
	char was[64], backup[256];

	insert_run(f, "one", 1, false, T0, NULL, NULL);
	str_must_copy(was, sizeof(was), generation(f));
	fixture_close(f);
	str_must_copy(backup, sizeof(backup), fixture_path(f, "backup"));
	OK(f, file_copy(AT_FDCWD, fixture_path(f, STORE_FILE), AT_FDCWD, backup, &f->e));
	fixture_reopen(f);
	insert_run(f, "two", 1, false, T0, NULL, NULL);
	fixture_close(f);
	assert_int_equal(rename(backup, fixture_path(f, STORE_FILE)), 0);
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
	OK(f, store_run_insert(f->st, rs, "r0000000000000000000", T0, NULL, &f->e));
	OK(f, list_read(store_read_runs, sr, &(struct list_filter){0}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 1);
	json_decref(j);
	COMMIT(f);
	OK(f, list_read(store_read_runs, sr, &(struct list_filter){0}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 2);
	json_decref(j);
	store_checkpoint(f->st);
	store_reader_close(sr);
	free_run(rs);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
