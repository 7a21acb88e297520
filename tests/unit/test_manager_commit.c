/* SPDX-License-Identifier: MIT */
/*
 * A commit that fails: every command of its batch is answered with an error, no event goes out, and
 * the manager's memory is as before. The commits here are real ones, refused by SQLite itself: a
 * deferred foreign key that is broken in the transaction, or no page left for it.
 */
#include "tests/unit/manager_commit.h"

#include "daemon/feed.h"
#include "storage/store_read.h"
#include "tests/unit/query_count.h"
#include "tests/unit/sync_trace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMMANDS 3
#define JOBS	 100 /* of a run: more than one page */

static int64_t count(struct rig *rig, const char *of)
{
	struct store_reader *sr = NULL;
	json_t *counts = NULL;
	const char *state;
	int64_t n = 0;
	json_t *value;
	struct err e;

	assert_int_equal(store_reader_open(rig->data, &sr, &e), 0);
	assert_int_equal(store_read_counts(sr, &counts, &e), 0);
	json_object_foreach(json_object_get(counts, of), state, value)
		n += json_integer_value(value);
	json_decref(counts);
	store_reader_close(sr);
	return n;
}

static void nothing_in_memory(struct manager *mgr, void *userdata)
{
	*(bool *)userdata = TAILQ_EMPTY(&mgr->actions) && !mgr->executions;
}

/* One batch: a priority of `job`, which is right, and two submits. All of its results. */
static void run_batch(struct rig *rig, const char *job, struct command c[COMMANDS])
{
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	struct err e = {0};
	sem_t done;

	for (int i = 0; i < JOBS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "new%d", i);
		buf_printf(&jobs, "%s%s", i ? "," : "", rig_script(rig, name, "ok", ""));
	}
	sem_init(&done, 0, 0);
	c[0] = (struct command){.kind = COMMAND_JOB_PRIORITY, .number = 5};
	str_must_copy(c[0].id, sizeof(c[0].id), job);
	for (size_t i = 1; i < COMMANDS; i++) {
		c[i] = (struct command){.kind = COMMAND_SUBMIT};
		assert_int_equal(rig_prepare(rig, buf_str(&jobs), &c[i].run, &e), 0);
	}
	for (size_t i = 0; i < COMMANDS; i++)
		rig_queue(rig, &c[i], &done);
	rig_run(rig);
	for (size_t i = 0; i < COMMANDS; i++)
		rig_wait_done(&done);
	for (size_t i = 0; i < COMMANDS; i++)
		rig_submit_done(&c[i]);
	sem_destroy(&done);
}

static void expect_nothing(struct rig *rig, const char *job, int64_t seq, int result,
			   const char *words)
{
	struct command c[COMMANDS];
	int64_t runs = count(rig, "runs"), jobs = count(rig, "jobs");
	bool nothing = false;

	run_batch(rig, job, c);
	for (size_t i = 0; i < COMMANDS; i++) {
		assert_int_equal(c[i].result, result);
		if (!strstr(c[i].err.msg, words))
			fail_msg("'%s' does not have '%s'", c[i].err.msg, words);
	}
	assert_int_equal(feed_last_seq(manager_feed(rig->manager)), seq);
	assert_int_equal(count(rig, "runs"), runs);
	assert_int_equal(count(rig, "jobs"), jobs);
	rig_look(rig, nothing_in_memory, &nothing);
	assert_true(nothing);
}

/* The next commit that succeeds brings its own event and none of those that were lost. */
static void expect_only_priority(struct rig *rig, const char *job, int64_t seq)
{
	struct command c = {.kind = COMMAND_JOB_PRIORITY, .number = 9};
	struct feed_filter filter = {0};
	OWN(json_decrefp) json_t *events = NULL;
	int64_t next;
	struct err e;

	str_must_copy(c.id, sizeof(c.id), job);
	assert_int_equal(rig_do(rig, &c), 0);
	assert_int_equal(
		feed_read(manager_feed(rig->manager), &filter, seq, SIZE_MAX, &events, &next, &e),
		0);
	assert_int_equal(json_array_size(events), 1);
	assert_string_equal(json_get_str(json_array_get(events, 0), "kind", ""), "job_changed");
	assert_int_equal(json_get_int(json_array_get(events, 0), "seq", 0), seq + 1);
}

static void test_failed_commit_answers_each_with_an_error(void **state)
{
	struct rig *rig = *state;
	char job[ID_LEN], run[ID_LEN];
	int64_t seq;

	set_up(rig, job);
	seq = feed_last_seq(manager_feed(rig->manager));
	script(rig, break_commits);
	expect_nothing(rig, job, seq, -ERR_UNAVAILABLE, "nothing was stored: ");
	expect_only_priority(rig, job, seq);
	rig_stop(rig);
	rig_open(rig);
	script(rig, mend_commits);
	rig_run(rig);
	rig_submit(rig, rig_script(rig, "next", "ok", ""), run);
	rig_expect_end(rig, run, "next", "succeeded", "", "");
}

static void test_full_disk_at_commit_is_disk_full(void **state)
{
	struct rig *rig = *state;
	char job[ID_LEN];
	int64_t seq;

	set_up(rig, job);
	seq = feed_last_seq(manager_feed(rig->manager));
	script(rig, "PRAGMA max_page_count=1"); /* as many as there are */
	expect_nothing(rig, job, seq, -ENOSPC, "the disk with the database is full");
}

/* The second job of each run named "refused" cannot be inserted; the run and its first job are. */
static const char refuse_jobs[] =
	"CREATE TRIGGER refuses BEFORE INSERT ON jobs WHEN NEW.idx = 1 AND (SELECT name FROM runs "
	"WHERE id = NEW.run) = 'refused' BEGIN SELECT RAISE(ABORT, 'refused here'); END;";

static void expect_events_once(struct rig *rig, int64_t seq, int n)
{
	struct feed_filter filter = {0};
	OWN(json_decrefp) json_t *events = NULL;
	int64_t next;
	struct err e;

	assert_int_equal(
		feed_read(manager_feed(rig->manager), &filter, seq, SIZE_MAX, &events, &next, &e),
		0);
	assert_int_equal(json_array_size(events), n);
	for (int i = 0; i < n; i++)
		assert_int_equal(json_get_int(json_array_get(events, (size_t)i), "seq", 0),
				 seq + 1 + i);
}

/* One batch of a priority, an explain, a submit that is refused and one that is not. */
static void run_mixed_batch(struct rig *rig, const char *job, struct command c[4])
{
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	struct err e = {0};
	sem_t done;

	buf_printf(&jobs, "%s,", rig_script(rig, "a", "ok", ",\"held\":true"));
	buf_printf(&jobs, "%s", rig_script(rig, "b", "ok", ",\"held\":true"));
	sem_init(&done, 0, 0);
	c[0] = (struct command){.kind = COMMAND_JOB_PRIORITY, .number = 5};
	c[1] = (struct command){.kind = COMMAND_EXPLAIN};
	c[2] = (struct command){.kind = COMMAND_SUBMIT};
	c[3] = (struct command){.kind = COMMAND_SUBMIT};
	for (size_t i = 0; i < 2; i++)
		str_must_copy(c[i].id, sizeof(c[i].id), job);
	for (size_t i = 2; i < 4; i++)
		assert_int_equal(rig_prepare(rig, buf_str(&jobs), &c[i].run, &e), 0);
	str_must_copy(c[2].run->name, sizeof(c[2].run->name), "refused");
	for (size_t i = 0; i < 4; i++)
		rig_queue(rig, &c[i], &done);
	rig_run(rig);
	for (size_t i = 0; i < 4; i++)
		rig_wait_done(&done);
	for (size_t i = 0; i < 4; i++)
		rig_submit_done(&c[i]);
	sem_destroy(&done);
}

/* The batch is rolled back and runs again with savepoints: only the refused submit is undone. No
 * event, count or answer of the first run stays. */
static void test_failed_command_is_undone_alone(void **state)
{
	struct rig *rig = *state;
	struct command c[4];
	int64_t seq, runs, jobs;
	char job[ID_LEN];

	set_up(rig, job);
	seq = feed_last_seq(manager_feed(rig->manager));
	runs = count(rig, "runs");
	jobs = count(rig, "jobs");
	script(rig, refuse_jobs);
	query_count_begin("SAVEPOINT");
	run_mixed_batch(rig, job, c);
	assert_int_equal(query_count_read().asked, 4);
	assert_int_equal(c[0].result, 0);
	assert_int_equal(c[1].result, 0);
	assert_true(json_is_object(c[1].answer));
	assert_true(c[2].result < 0);
	assert_non_null(strstr(c[2].err.msg, "refused here"));
	assert_string_equal(c[2].result_id, "");
	assert_int_equal(c[3].result, 0);
	assert_int_equal(count(rig, "runs"), runs + 1);
	assert_int_equal(count(rig, "jobs"), jobs + 2);
	expect_events_once(rig, seq, 4); /* the priority, the run and its two jobs */
	json_decref(c[1].answer);
}

static void log_in_transactions(struct manager *mgr, void *userdata)
{
	bool *ok = userdata;
	struct err e;

	*ok = txn_begin(mgr, &e) == 0;
	txn_log(mgr, LOG_LEVEL_INFO, "job_state", "job=%s", "failed");
	txn_fail(mgr, -ERR_INVALID, &(struct err){.code = ERR_INVALID});
	*ok &= txn_end(mgr, &e) < 0 && txn_begin(mgr, &e) == 0;
	txn_log(mgr, LOG_LEVEL_INFO, "job_state", "job=%s", "again");
	*ok &= txn_restart(mgr, &e) == 0;
	txn_log(mgr, LOG_LEVEL_INFO, "job_state", "job=%s", "again");
	*ok &= txn_end(mgr, &e) == 0;
}

/* The state that a failed transaction gave a job was logged, and twice if its batch ran again. */
static void test_a_state_is_logged_after_its_commit(void **state)
{
	struct rig *rig = *state;
	int log = memfd_create("log", MFD_CLOEXEC), was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	char text[4096] = {0};
	const char *line;
	bool ok = false;

	assert_true(dup2(log, STDERR_FILENO) >= 0);
	rig_look(rig, log_in_transactions, &ok);
	dup2(was, STDERR_FILENO);
	close(was);
	assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
	close(log);
	assert_true(ok);
	assert_null(strstr(text, "job=failed"));
	line = strstr(text, "event=job_state job=again");
	assert_non_null(line);
	assert_null(strstr(line + 1, "event=job_state"));
}

/* A savepoint made SQLite copy every page that a submit touches. */
static void test_batch_without_failure_has_no_savepoint(void **state)
{
	struct rig *rig = *state;
	struct command c[COMMANDS];
	char job[ID_LEN];

	set_up(rig, job);
	query_count_begin("SAVEPOINT");
	run_batch(rig, job, c);
	for (size_t i = 0; i < COMMANDS; i++)
		assert_int_equal(c[i].result, 0);
	assert_int_equal(query_count_read().asked, 0);
}

/* A refusal before the first write needs no rollback. */
static void test_refusal_without_a_write_has_no_savepoint(void **state)
{
	struct rig *rig = *state;
	struct err e;

	query_count_begin("SAVEPOINT");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, "j0", &e), -ERR_NOT_FOUND);
	assert_int_equal(query_count_read().asked, 0);
}

/* How often the WAL was synced since trace_clear(). */
static int wal_syncs(void)
{
	static const char line[] = "sync " STORE_FILE "-wal\n";
	int n = 0;

	for (const char *at = trace_text(); (at = strstr(at, line)); at += strlen(line))
		n++;
	return n;
}

/* One sync for the header of a new WAL, one for all submits that wait, one when the database is
 * closed. */
static void test_a_batch_is_synced_once(void **state)
{
	enum {
		SUBMITS = 16
	};
	struct rig *rig = *state;
	struct command c[SUBMITS];
	char job[ID_LEN];
	struct err e = {0};
	sem_t done;

	set_up(rig, job);
	sem_init(&done, 0, 0);
	for (size_t i = 0; i < SUBMITS; i++) {
		c[i] = (struct command){.kind = COMMAND_SUBMIT};
		assert_int_equal(rig_prepare(rig, rig_script(rig, "a", "ok", ",\"held\":true"),
					     &c[i].run, &e),
				 0);
		rig_queue(rig, &c[i], &done);
	}
	trace_clear();
	rig_run(rig);
	for (size_t i = 0; i < SUBMITS; i++)
		rig_wait_done(&done);
	rig_stop(rig);
	assert_in_range(wal_syncs(), 1, 3);
	for (size_t i = 0; i < SUBMITS; i++) {
		assert_int_equal(c[i].result, 0);
		rig_submit_done(&c[i]);
	}
	sem_destroy(&done);
	rig_start(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_batch_is_synced_once, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_failed_commit_answers_each_with_an_error,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_failed_command_is_undone_alone, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_state_is_logged_after_its_commit, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_batch_without_failure_has_no_savepoint,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_refusal_without_a_write_has_no_savepoint,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_full_disk_at_commit_is_disk_full, rig_setup,
						rig_teardown),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
