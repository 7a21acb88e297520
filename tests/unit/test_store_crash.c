/* SPDX-License-Identifier: MIT */
/*
 * storage/write/store: kill -9 around commits. A child writes and reports each commit; what it
 * reported is there afterwards, what it had not committed is not, and no commit is there by half.
 */
#include "tests/unit/store_fixture.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/db.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define BATCH  3 /* runs in one transaction */
#define JOBS   2 /* jobs in one run */
#define ROUNDS 12

/* One transaction of BATCH runs, their names "batchN". */
static void write_batch(struct fixture *f, int batch, bool commit)
{
	char name[32];

	snprintf(name, sizeof(name), "batch%d", batch);
	BEGIN(f);
	for (int i = 0; i < BATCH; i++) {
		struct run_spec *rs = make_run(name, JOBS, true);
		char run[ID_LEN];

		id_new('r', run);
		OK(f, store_savepoint(f->st, &f->e));
		OK(f, store_run_insert(f->st, rs, run, T0, NULL, &f->e));
		OK(f, store_release(f->st, &f->e));
		free_run(rs);
	}
	if (commit)
		COMMIT(f);
}

static void say(int fd, int batch)
{
	if (write(fd, &batch, sizeof(batch)) != sizeof(batch))
		_exit(1);
}

/* Write batches for ever, saying each after its commit. */
static void child_commits(struct fixture *f, int fd)
{
	for (int batch = 0;; batch++) {
		write_batch(f, batch, true);
		say(fd, batch);
	}
}

/* Write one batch, say so, and wait for the end inside the open transaction. */
static void child_waits_before_commit(struct fixture *f, int fd)
{
	write_batch(f, 0, false);
	say(fd, 0);
	for (;;)
		pause();
}

/* Run `child` in a process of its own until it has said `until`; kill it; returns the last batch
 * that it said. */
static int kill_after(struct fixture *f, void (*child)(struct fixture *f, int fd), int until)
{
	int fds[2], said = -1, batch;
	pid_t pid;

	store_close(f->st); /* the child opens its own: SQLite does not cross a fork */
	f->st = NULL;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(fds[0]);
		if (store_open(f->dir, &f->st, &f->e) < 0)
			_exit(1);
		child(f, fds[1]);
	}
	close(fds[1]);
	while (said < until && read(fds[0], &batch, sizeof(batch)) == sizeof(batch))
		said = batch;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (read(fds[0], &batch, sizeof(batch)) == sizeof(batch))
		said = batch;
	close(fds[0]);
	return said;
}

static int64_t ask(struct fixture *f, struct db *db, const char *sql)
{
	OWN(db_releasep) struct db_stmt *q = NULL;

	OK(f, db_query_text(db, sql, NULL, 0, &q, &f->e));
	assert_int_equal(db_step(q, &f->e), 1);
	return db_col_int(q, 0);
}

/* Whole batches only, everything that belongs to a run, counts and seq as they must be. */
static int64_t check_whole(struct fixture *f)
{
	OWN(db_closep) struct db *db = NULL;
	char path[256];
	int64_t runs;

	snprintf(path, sizeof(path), "%s/%s", f->dir, STORE_FILE);
	OK(f, db_open(path, DB_READER, &db, &f->e));
	runs = ask(f, db, "SELECT count(*) FROM runs");
	assert_int_equal(runs % BATCH, 0);
	assert_int_equal(ask(f, db, "SELECT count(*) FROM jobs"), runs * JOBS);
	assert_int_equal(ask(f, db, "SELECT count(*) FROM job_specs"), runs * JOBS);
	assert_int_equal(ask(f, db, "SELECT count(*) FROM needs"), runs * (JOBS - 1));
	assert_int_equal(ask(f, db, "SELECT count(*) FROM events"), runs * (1 + JOBS));
	assert_int_equal(ask(f, db, "SELECT coalesce(max(seq), 0) FROM events"), runs * (1 + JOBS));
	assert_int_equal(ask(f, db, "SELECT coalesce(sum(n), 0) FROM counts WHERE what = 'jobs'"),
			 runs * JOBS);
	assert_int_equal(ask(f, db,
			     "SELECT count(*) FROM (SELECT kind, state, count(*) FROM jobs "
			     "GROUP BY kind, state EXCEPT SELECT kind, state, n FROM counts)"),
			 0);
	assert_int_equal(ask(f, db,
			     "SELECT count(*) FROM pragma_integrity_check "
			     "WHERE integrity_check != 'ok'"),
			 0);
	assert_int_equal(ask(f, db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	return runs;
}

static void test_nothing_before_commit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kill_after(f, child_waits_before_commit, 0), 0);
	OK(f, store_open(f->dir, &f->st, &f->e));
	assert_int_equal(check_whole(f), 0);
	assert_int_equal(store_last_seq(f->st), 0);
}

static void test_all_that_was_said(void **state)
{
	struct fixture *f = *state;
	int64_t before = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t said = kill_after(f, child_commits, round * 3), runs;

		OK(f, store_open(f->dir, &f->st, &f->e));
		runs = check_whole(f) - before;
		assert_true(said >= round * 3);
		/* A commit may have been done and not said yet: one batch more at most. */
		assert_true(runs == (said + 1) * BATCH || runs == (said + 2) * BATCH);
		before += runs;
		assert_int_equal(store_last_seq(f->st), before * (1 + JOBS));
	}
}

#ifdef TRAINYARD_FAULTS
static void child_with_fault(struct fixture *f, int fd)
{
	for (int batch = 0;; batch++) {
		if (batch == 2)
			setenv("TRAINYARD_FAULT", getenv("TEST_FAULT"), 1);
		write_batch(f, batch, true);
		say(fd, batch);
	}
}

static void test_named_points(void **state)
{
	struct fixture *f = *state;

	setenv("TEST_FAULT", "store.commit.before", 1);
	assert_int_equal(kill_after(f, child_with_fault, 1000), 1);
	OK(f, store_open(f->dir, &f->st, &f->e));
	assert_int_equal(check_whole(f), 2 * BATCH);
	setenv("TEST_FAULT", "store.commit.after", 1);
	assert_int_equal(kill_after(f, child_with_fault, 1000), 1);
	OK(f, store_open(f->dir, &f->st, &f->e));
	assert_int_equal(check_whole(f), 5 * BATCH);
	unsetenv("TEST_FAULT");
}
#endif

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_nothing_before_commit),
		CASE(test_all_that_was_said),
#ifdef TRAINYARD_FAULTS
		CASE(test_named_points),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
