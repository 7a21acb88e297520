/* SPDX-License-Identifier: MIT */
/* The wall clock is set while jobs wait and run. */
#include "tests/unit/manager_rig.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "storage/store_read.h"
#include "tests/unit/wait.h"

#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HOUR_US (3600 * USEC_PER_SEC)

static int teardown(void **state)
{
	clock_shift_us(0);
	return rig_teardown(state);
}

/* The pause before the second try is 2 s; the test would not wait for an hour of it. */
static void test_set_back_does_not_stretch_a_retry(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_submit(rig,
		   rig_script(rig, "flaky", "fail_once",
			      ",\"retry\":{\"max\":1,\"on\":[\"script_error\"]}"),
		   run);
	rig_wait(rig, run, "flaky", "queued");
	clock_shift_us(-HOUR_US);
	assert_int_equal(rig_wait(rig, run, "flaky", "succeeded").attempt, 2);
}

static void expect_times(const json_t *item)
{
	int64_t start, end;

	assert_int_equal(clock_parse(json_get_str(item, "started_at", ""), &start), 0);
	assert_int_equal(clock_parse(json_get_str(item, "finished_at", ""), &end), 0);
	assert_true(end >= start);
}

static void test_set_back_ends_nothing_before_its_start(void **state)
{
	struct rig *rig = *state;
	struct store_reader *sr = NULL;
	char run[ID_LEN], id[ID_LEN];
	json_t *item, *attempts;
	struct err e;

	rig_submit(rig, rig_script(rig, "a", "until_file", ""), run);
	rig_wait(rig, run, "a", "running");
	rig_job_id(rig, run, "a", id);
	clock_shift_us(-HOUR_US);
	rig_touch(rig, "go");
	rig_wait(rig, run, "a", "succeeded");
	assert_int_equal(store_reader_open(rig->data, &sr, &e), 0);
	assert_int_equal(store_read_job(sr, id, &item, &e), 0);
	expect_times(item);
	json_decref(item);
	assert_int_equal(store_read_run(sr, run, &item, &e), 0);
	expect_times(item);
	json_decref(item);
	assert_int_equal(store_read_attempts(sr, id, &attempts, &e), 0);
	expect_times(json_array_get(json_object_get(attempts, "items"), 0));
	json_decref(attempts);
	store_reader_close(sr);
}

static void read_ticks(struct manager *mgr, void *userdata)
{
	*(int64_t *)userdata = mgr->ticks;
}

static int64_t ticks_of(struct rig *rig)
{
	int64_t ticks = 0;

	rig_look(rig, read_ticks, &ticks);
	return ticks;
}

/* Two looks at the endpoints from now on. */
static void wait_two_looks(struct rig *rig)
{
	int64_t ticks = ticks_of(rig);

	wait_until(ticks_of(rig) >= ticks + 9);
}

/* An endpoint that was deployed just now has not been starting for an hour. */
static void test_set_forward_is_no_time_out(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], more[PATH_MAX];

	rig_stop(rig);
	rig->set.endpoint_start_timeout_us = HOUR_US / 2;
	rig_start(rig);
	snprintf(more, sizeof(more), ",\"environment\":{\"DO\":\"wait\",\"GO\":\"%s/go\"}",
		 rig->root);
	rig_submit(rig, rig_deploy(rig, "ep", more), run);
	rig_wait(rig, run, "deploy", "running");
	clock_shift_us(HOUR_US);
	wait_two_looks(rig);
	rig_touch(rig, "go");
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
}

/* An idle lease ends when its time is over, not later: to the second. */
static void test_idle_lease_ends_in_time(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_submit(rig, rig_deploy(rig, "ep", ",\"lease\":{\"ttl\":\"24h\",\"idle\":\"1h\"}"), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	clock_shift_us(HOUR_US - 60 * USEC_PER_SEC);
	wait_two_looks(rig);
	assert_int_equal(rig_invoke(rig, "ep", "{\"inputs\":\"x\"}", NULL, NULL), 0);
	clock_shift_us(2 * HOUR_US - 120 * USEC_PER_SEC);
	wait_two_looks(rig); /* the request has begun it anew */
	assert_int_equal(rig_invoke(rig, "ep", "{\"inputs\":\"x\"}", NULL, NULL), 0);
	clock_shift_us(3 * HOUR_US - 119 * USEC_PER_SEC);
	rig_wait_endpoint(rig, "ep", "deleted", "idle");
}

/* A lease is a time of the wall clock: set back it goes on, set past the end it ends at once. */
static void test_a_lease_follows_the_wall_clock(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_submit(rig, rig_deploy(rig, "ep", ",\"lease\":{\"ttl\":\"1h\"}"), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	clock_shift_us(-HOUR_US);
	wait_two_looks(rig);
	assert_int_equal(rig_invoke(rig, "ep", "{\"inputs\":\"x\"}", NULL, NULL), 0);
	clock_shift_us(HOUR_US - 60 * USEC_PER_SEC);
	wait_two_looks(rig);
	assert_int_equal(rig_invoke(rig, "ep", "{\"inputs\":\"x\"}", NULL, NULL), 0);
	clock_shift_us(HOUR_US);
	rig_wait_endpoint(rig, "ep", "deleted", "lease_expired");
}

static json_t *prunes_of(struct rig *rig)
{
	struct store_reader *sr = NULL;
	struct prune_filter filter = {.before_us = INT64_MAX};
	json_t *plan;
	struct err e;

	assert_int_equal(store_reader_open(rig->data, &sr, &e), 0);
	assert_int_equal(store_read_prune(sr, &filter, &plan, &e), 0);
	store_reader_close(sr);
	return plan;
}

/* Runs that have ended, and whose files are still there. */
static size_t runs_with_files(struct rig *rig)
{
	OWN(json_decrefp) json_t *plan = prunes_of(rig);

	return json_array_size(json_object_get(plan, "removed"));
}

/* The look at the start is one of many. What is old only by a clock that was set waits for a look
 * after that. */
static void test_the_retention_looks_again(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_stop(rig);
	rig->set.keep_runs = 1;
	rig->set.keep_look_us = USEC_PER_SEC;
	rig_start(rig);
	for (int i = 0; i < 3; i++) {
		rig_submit(rig, rig_script(rig, "a", "ok", ""), run);
		rig_wait(rig, run, "a", "succeeded");
		wait_until(runs_with_files(rig) == 1);
	}
	rig_stop(rig);
	rig->set.keep_runs = 0;
	rig->set.keep_runs_us = HOUR_US;
	rig->set.keep_look_us = 24 * HOUR_US;
	rig_start(rig);
	clock_shift_us(2 * HOUR_US);
	wait_two_looks(rig);
	assert_int_equal(runs_with_files(rig), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_back_does_not_stretch_a_retry, rig_setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_set_back_ends_nothing_before_its_start,
						rig_setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_forward_is_no_time_out, rig_setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_idle_lease_ends_in_time, rig_setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_lease_follows_the_wall_clock, rig_setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_the_retention_looks_again, rig_setup,
						teardown),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
