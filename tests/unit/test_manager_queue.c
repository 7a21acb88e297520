/* SPDX-License-Identifier: MIT */
/* The order of the queue: by the run's submit, then by the job; who waits is not overtaken; small
 * jobs share a CPU slot. */
#include "tests/unit/manager_rig.h"
#include "tests/unit/query_count.h"
#include "tests/unit/sync_trace.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "daemon/feed.h"
#include "tests/unit/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define HOUR_US (3600 * USEC_PER_SEC)

static const char one_cpu[] = ",\"local\":{\"cpus\":1}";
static const char two_cpus[] = ",\"local\":{\"cpus\":2}";

/* `first` was started before `second`. Both run to their end. */
static void expect_order(struct rig *rig, const char *run, const char *first, const char *other,
			 const char *second)
{
	int64_t at = rig_wait(rig, run, first, "running").seq;

	assert_true(at < rig_wait(rig, other, second, "running").seq);
	rig_wait(rig, run, first, "succeeded");
	rig_wait(rig, other, second, "succeeded");
}

static void test_two_jobs_of_one_cpu_share_a_slot(void **state)
{
	struct rig *rig = *state;
	char run[3][ID_LEN], id[ID_LEN];

	assert_int_equal(rig->set.cpu_slots, 1);
	assert_int_equal(rig->set.cpus_per_slot, 2);
	rig_submit(rig, rig_script(rig, "a", "hang", one_cpu), run[0]);
	rig_wait(rig, run[0], "a", "running");
	rig_submit(rig, rig_script(rig, "b", "hang", one_cpu), run[1]);
	rig_wait(rig, run[1], "b", "running");
	rig_submit(rig, rig_script(rig, "c", "hang", one_cpu), run[2]);
	rig_job_id(rig, run[2], "c", id);
	rig_expect_why(rig, id, "waiting_for_slot", "2 of the 2 in the 1 CPU slot");
}

/* The third would fit beside the first. */
static void test_waiting_job_is_not_overtaken(void **state)
{
	struct rig *rig = *state;
	char run[3][ID_LEN], id[ID_LEN];
	struct rig_end first;

	rig_submit(rig, rig_script(rig, "a", "hang", one_cpu), run[0]);
	first = rig_wait(rig, run[0], "a", "running");
	rig_submit(rig, rig_script(rig, "b", "ok", two_cpus), run[1]);
	rig_submit(rig, rig_script(rig, "c", "ok", one_cpu), run[2]);
	rig_job_id(rig, run[2], "c", id);
	rig_expect_why(rig, id, "waiting_for_slot", "1 job for the same kind of slot start");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, first.id, NULL), 0);
	expect_order(rig, run[1], "b", run[2], "c");
}

static void test_order_is_by_submit_not_by_readiness(void **state)
{
	struct rig *rig = *state;
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	char early[ID_LEN], late[ID_LEN];

	buf_printf(&jobs, "%s,", rig_script(rig, "a", "until_file", ""));
	buf_printf(&jobs, "%s", rig_script(rig, "then", "ok", ",\"needs\":[\"a\"]"));
	rig_submit(rig, buf_str(&jobs), early);
	rig_wait(rig, early, "a", "running");
	rig_submit(rig, rig_script(rig, "b", "ok", ""), late); /* ready before "then" is */
	rig_touch(rig, "go");
	expect_order(rig, early, "then", late, "b");
}

static void test_clock_set_back_overtakes_nobody(void **state)
{
	struct rig *rig = *state;
	char run[3][ID_LEN];
	struct rig_end first;

	rig_submit(rig, rig_script(rig, "a", "hang", ""), run[0]);
	first = rig_wait(rig, run[0], "a", "running");
	rig_submit(rig, rig_script(rig, "b", "ok", ""), run[1]);
	clock_fake_us(clock_now_us() - HOUR_US);
	rig_submit(rig, rig_script(rig, "c", "ok", ""), run[2]);
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, first.id, NULL), 0);
	expect_order(rig, run[1], "b", run[2], "c");
	clock_fake_us(0);
}

#define MANY  100
#define READY "ORDER BY j.priority DESC" /* what store_jobs_ready() asks */

/* `n` jobs that wait in the line of CPU slots, behind one that holds the only slot. */
static void submit_many(struct rig *rig, int n, char run[ID_LEN])
{
	OWN(buf_done) struct buf jobs = BUF_INIT(1 << 20);
	char name[16];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "j%d", i);
		buf_printf(&jobs, "%s%s", i ? "," : "", rig_script(rig, name, "ok", two_cpus));
	}
	rig_submit(rig, buf_str(&jobs), run);
}

/* It was once for each job: 5,050 rows and as many looks at the disk. */
static void test_explain_of_a_run_walks_its_line_once(void **state)
{
	struct rig *rig = *state;
	struct command c = {.kind = COMMAND_RUN_EXPLAIN};
	struct query_count count;
	char run[2][ID_LEN];
	const json_t *items;

	rig_submit(rig, rig_script(rig, "a", "hang", ""), run[0]);
	rig_wait(rig, run[0], "a", "running");
	submit_many(rig, MANY, run[1]);
	str_must_copy(c.id, sizeof(c.id), run[1]);
	query_count_begin(READY);
	assert_int_equal(rig_do(rig, &c), 0);
	count = query_count_read();
	/* A pass of the scheduler may come between: one page, one look. */
	assert_in_range(count.rows, MANY, MANY + MANAGER_READY_MAX);
	assert_in_range(count.room, 1, 2);
	items = json_object_get(c.answer, "items");
	assert_int_equal(json_array_size(items), MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(json_get_int(json_array_get(items, i), "ahead", -1), i);
	json_decref(c.answer);
}

/* One look goes no further than MANAGER_LINE_MAX jobs, and ends there. */
static void test_explain_of_a_long_line_ends(void **state)
{
	struct rig *rig = *state;
	struct command c = {.kind = COMMAND_EXPLAIN};
	char run[ID_LEN];
	int per_run = 128, runs = MANAGER_LINE_MAX / per_run;

	assert_int_equal(MANAGER_LINE_MAX % per_run, 0);
	rig_submit(rig, rig_script(rig, "a", "hang", ""), run);
	rig_wait(rig, run, "a", "running");
	for (int i = 0; i < runs; i++)
		submit_many(rig, per_run, run);
	rig->since = feed_last_seq(manager_feed(rig->manager)); /* the older events are gone */
	rig_submit(rig, rig_script(rig, "z", "ok", two_cpus), run);
	rig_job_id(rig, run, "z", c.id);
	assert_int_equal(rig_do(rig, &c), 0);
	assert_int_equal(json_get_int(c.answer, "ahead", -1), MANAGER_LINE_MAX);
	json_decref(c.answer);
}

/* The slots have become smaller while it waited: it starts with what a slot has. */
static void test_a_job_of_more_cpus_than_a_slot_has_starts(void **state)
{
	struct rig *rig = *state;
	char run[2][ID_LEN];
	struct rig_end first;

	rig_submit(rig, rig_script(rig, "a", "hang", ""), run[0]);
	first = rig_wait(rig, run[0], "a", "running");
	rig_submit(rig, rig_script(rig, "b", "ok", two_cpus), run[1]);
	rig_stop(rig);
	rig->set.cpus_per_slot = 1;
	rig_start(rig);
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, first.id, NULL), 0);
	rig_expect_end(rig, run[1], "b", "succeeded", "", "");
}

/* No job has room, so each of them is looked at in each pass. */
static void test_a_pass_looks_at_the_room_once(void **state)
{
	struct rig *rig = *state;
	struct query_count count;
	char run[ID_LEN];

	submit_many(rig, MANY, run);
	rig_stop(rig);
	rig->set.disk_free_min_bytes = INT64_MAX; /* no disk has that much */
	query_count_begin(READY);
	rig_start(rig);
	wait_until((count = query_count_read()).rows >= 3 * MANY);
	assert_true(count.room >= 1);
	assert_true(count.room <= count.rows / MANY + 1);
}

static void look_for_work(struct manager *mgr, void *userdata)
{
	*(bool *)userdata = mgr->want_schedule || mgr->executions;
}

/* True if an execution lives or a pass of the scheduler will follow. */
static bool has_work(struct rig *rig)
{
	bool work = true;

	rig_look(rig, look_for_work, &work);
	return work;
}

/* A pass of the scheduler followed each submit and read past all held jobs: 83 submits a second
 * with 75,000 of them. */
static void test_a_held_submit_asks_for_no_pass(void **state)
{
	struct rig *rig = *state;
	char run[2][ID_LEN];

	rig_submit(rig, rig_script(rig, "first", "ok", ""), run[0]);
	rig_wait(rig, run[0], "first", "succeeded");
	wait_until(!has_work(rig)); /* until the pass after the end of its execution */
	query_count_begin(READY);
	rig_submit(rig, rig_script(rig, "held", "ok", ",\"held\":true"), run[1]);
	assert_false(has_work(rig));
	assert_int_equal(query_count_read().asked, 0);
}

/* The rows behind the first job that must wait are not read. */
static void test_a_pass_reads_one_job_of_a_queue_that_waits(void **state)
{
	struct rig *rig = *state;
	struct query_count count;
	char run[2][ID_LEN], id[ID_LEN];

	rig_submit(rig, rig_script(rig, "a", "hang", ""), run[0]);
	rig_wait(rig, run[0], "a", "running");
	submit_many(rig, MANY, run[1]);
	rig_job_id(rig, run[1], "j9", id);
	query_count_begin(READY);
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_HOLD, id, NULL), 0);
	wait_until((count = query_count_read()).rows >= 1);
	assert_in_range(count.rows, 1, 3);
}

/* A start reads the job that a reference names, and no other job of the run. */
static void test_a_start_reads_what_it_refers_to(void **state)
{
	struct rig *rig = *state;
	OWN(buf_done) struct buf jobs = BUF_INIT(4096);
	char run[ID_LEN];

	buf_puts(&jobs, rig_script(rig, "a", "ok", ""));
	buf_printf(&jobs, ",%s", rig_script(rig, "held", "ok", ",\"held\":true"));
	buf_printf(&jobs, ",%s",
		   rig_script(rig, "b", "ok", ",\"channels\":{\"train\":\"${a.output}\"}"));
	query_count_begin("WHERE j.run = ?");
	rig_submit(rig, buf_str(&jobs), run);
	rig_wait(rig, run, "b", "succeeded");
	assert_int_equal(query_count_read().asked, 1);
	assert_int_equal(query_count_read().rows, 1);
}

/* Recovery reads the spec.json of an earlier boot only for what SageMaker got. */
static void test_a_local_start_syncs_only_the_database(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_stop(rig); /* nobody else writes into the trace */
	trace_clear();
	rig_start(rig);
	rig_submit(rig, rig_script(rig, "a", "ok", ""), run);
	rig_wait(rig, run, "a", "succeeded");
	rig_stop(rig);
	assert_non_null(strstr(trace_text(), "rename spec.json.tmp spec.json\n"));
	assert_null(strstr(trace_text(), "sync spec.json"));
	rig_start(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_jobs_of_one_cpu_share_a_slot, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_waiting_job_is_not_overtaken, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_order_is_by_submit_not_by_readiness, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_clock_set_back_overtakes_nobody, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_explain_of_a_run_walks_its_line_once,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_explain_of_a_long_line_ends, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_job_of_more_cpus_than_a_slot_has_starts,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_pass_looks_at_the_room_once, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_held_submit_asks_for_no_pass, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_pass_reads_one_job_of_a_queue_that_waits,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_start_reads_what_it_refers_to, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_local_start_syncs_only_the_database,
						rig_setup, rig_teardown),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
