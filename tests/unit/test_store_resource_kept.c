/* SPDX-License-Identifier: MIT */
/* storage/write/resource: what is on disk after a kill around the commit of an intent, and after
 * the upgrade from schema 1. */
#include "tests/unit/resource_fixture.h"

#include "base/fileio.h"
#include "storage/migrate.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A daemon that is killed between the intent and its commit leaves nothing; after it, everything.
 */
static void test_kill_around_the_intent(void **state)
{
	struct fixture *f = *state;

	for (int commits = 0; commits < 2; commits++) {
		OWN(resource_row_done)
		struct resource_row row = new_resource(RESOURCE_MODEL, "", "");
		OWN(resource_rows_done) struct resource_rows live = {0};
		pid_t pid;
		int status;

		store_close(f->st);
		f->st = NULL;
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			if (store_open(f->dir, &f->st, &f->e) < 0 ||
			    store_begin(f->st, &f->e) < 0 ||
			    store_resource_insert(f->st, &row, &f->e) < 0 ||
			    (commits && store_commit(f->st, &f->e) < 0))
				_exit(1);
			raise(SIGKILL);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		OK(f, store_open(f->dir, &f->st, &f->e));
		OK(f, store_resource_live(f->st, &live, &f->e));
		assert_int_equal(live.n, commits);
		if (commits)
			assert_string_equal(live.rows[0].nonce, row.nonce);
	}
}

/* What version 1 wrote is kept and copied before; its jobs can own resources. */
static void test_upgrade_from_version_1(void **state)
{
	struct fixture *f = *state;
	OWN(buf_done) struct buf sql = BUF_INIT(1 << 20);
	OWN(job_rows_done) struct job_rows jobs = {0};
	OWN(db_closep) struct db *db = raw_open(f), *copy = NULL;
	char path[256];

	db_close(TAKE(db));
	snprintf(path, sizeof(path), "%s/%s", f->dir, STORE_FILE);
	assert_int_equal(unlink(path), 0);
	OK(f, file_read(AT_FDCWD, STORE_FIXTURES "/store_v1.sql", &sql, &f->e));
	OK(f, db_open(path, DB_WRITER, &db, &f->e));
	OK(f, db_script(db, buf_str(&sql), &f->e));
	db_close(TAKE(db));
	OK(f, store_open(f->dir, &f->st, &f->e));
	assert_int_equal(strlen(store_install_id(f->st)), 16);
	OK(f, store_jobs_in_state(f->st, STATE_QUEUED, &jobs, &f->e));
	assert_int_equal(jobs.n, 1);
	OWN(resource_row_done)
	struct resource_row row = new_resource(RESOURCE_TRAINING_JOB, jobs.rows[0].id, "");
	insert_resource(f, &row);
	snprintf(path, sizeof(path), "%s/%s.before-v%zu", f->dir, STORE_FILE, migrations_n);
	OK(f, db_open(path, DB_READER, &copy, &f->e));
	assert_int_equal(raw_int(f, copy, "PRAGMA user_version"), 1);
	assert_int_equal(raw_int(f, copy, "SELECT count(*) FROM jobs"), 2);
	assert_int_equal(raw_int(f, copy, "SELECT count(*) FROM meta WHERE key = 'install'"), 0);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_kill_around_the_intent),
		CASE(test_upgrade_from_version_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
