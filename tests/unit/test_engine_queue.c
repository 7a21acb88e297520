/* SPDX-License-Identifier: MIT */
/* The order of the queue: by the run's submit, then by the job; who waits is not overtaken; small
 * jobs share a CPU slot. */
#include "tests/unit/engine_rig.h"

#include "base/clock.h"
#include "base/own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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
	rig_expect_why(rig, id, "waiting_for_slot", "1 job of its kind of slot start");
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
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
