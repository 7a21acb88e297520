/* SPDX-License-Identifier: MIT */
/* The manager without HTTP: order, dependencies, ends, retries, cancel, time limits, recovery. */
#include "tests/unit/manager_rig.h"

#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"
#include "daemon/core.h"
#include "tests/unit/wait.h"

#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static void test_success_and_failures(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);

	buf_printf(&jobs, "%s,", rig_script(rig, "ok", "ok", ""));
	buf_printf(&jobs, "%s,", rig_script(rig, "exit3", "exit3", ""));
	buf_printf(&jobs, "%s,", rig_script(rig, "said", "failure", ""));
	buf_printf(&jobs, "%s,", rig_script(rig, "lies", "failure_exit0", ""));
	buf_printf(&jobs, "%s", rig_script(rig, "dies", "kill9", ""));
	rig_submit(rig, buf_str(&jobs), run);
	rig_expect_end(rig, run, "ok", "succeeded", "", "");
	rig_expect_end(rig, run, "exit3", "failed", "internal", "exit code 3");
	rig_expect_end(rig, run, "said", "failed", "script_error", "it said so");
	rig_expect_end(rig, run, "lies", "failed", "script_error", "it failed and ends well");
	rig_expect_end(rig, run, "dies", "failed", "killed", "signal 9");
}

static void test_graph(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);

	buf_printf(&jobs, "%s,", rig_script(rig, "a", "ok", ""));
	buf_printf(&jobs, "%s,", rig_script(rig, "b", "exit3", ",\"needs\":[\"a\"]"));
	buf_printf(&jobs, "%s,", rig_script(rig, "c", "ok", ",\"needs\":[\"b\"]"));
	buf_printf(&jobs, "%s,", rig_script(rig, "d", "ok", ",\"needs\":[\"c\"]"));
	buf_printf(&jobs, "%s,",
		   rig_script(rig, "e", "ok", ",\"needs\":[{\"job\":\"b\",\"when\":\"failure\"}]"));
	buf_printf(&jobs, "%s",
		   rig_script(rig, "f", "ok", ",\"needs\":[{\"job\":\"d\",\"when\":\"always\"}]"));
	rig_submit(rig, buf_str(&jobs), run);
	rig_expect_end(rig, run, "a", "succeeded", "", "");
	rig_expect_end(rig, run, "b", "failed", "internal", "");
	rig_expect_end(rig, run, "c", "skipped", "dependency", "'b' failed");
	rig_expect_end(rig, run, "d", "skipped", "dependency", "'c' skipped");
	rig_expect_end(rig, run, "e", "succeeded", "", "");
	rig_expect_end(rig, run, "f", "succeeded", "", "");
}

static void test_cancel(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	struct rig_end running, waiting;
	struct err e;

	buf_printf(&jobs, "%s,", rig_script(rig, "runs", "hang", ""));
	buf_printf(&jobs, "%s,", rig_script(rig, "waits", "ok", ""));
	buf_printf(&jobs, "%s", rig_script(rig, "needs", "ok", ",\"needs\":[\"runs\"]"));
	rig_submit(rig, buf_str(&jobs), run);
	running = rig_wait(rig, run, "runs", "running");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, running.id, NULL), 0);
	rig_expect_end(rig, run, "runs", "cancelled", "cancelled", "stopped on request");
	rig_expect_end(rig, run, "needs", "skipped", "dependency", "'runs' cancelled");
	waiting = rig_wait(rig, run, "waits", "succeeded"); /* the slot is free again */
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, waiting.id, &e), -ERR_CONFLICT);
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, "j00000000000000000000", &e),
			 -ERR_NOT_FOUND);
}

static void test_stop_that_is_ignored_ends_with_sigkill(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct rig_end running;

	rig_submit(rig, rig_script(rig, "deaf", "deaf", ""), run);
	running = rig_wait(rig, run, "deaf", "running");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, running.id, NULL), 0);
	rig_expect_end(rig, run, "deaf", "cancelled", "cancelled", "");
}

/* A message that keeps the manager's thread until it is let go. */
struct hold {
	struct manager_message m;
	sem_t holds, goes_on;
};

static void hold_manager(struct manager *mgr, struct manager_message *m)
{
	struct hold *hold = (struct hold *)m;

	mgr->beat_us = clock_mono_us() - MANAGER_BEAT_MAX_US - USEC_PER_SEC;
	sem_post(&hold->holds);
	while (sem_wait(&hold->goes_on) < 0)
		;
}

/* It said ready although its thread had hung for good in open(2) of a pipe. */
static void test_not_ready_while_the_manager_hangs(void **state)
{
	struct rig *rig = *state;
	struct hold hold = {.m = {.fn = hold_manager}};
	struct err e = {0};

	assert_int_equal(manager_ready(rig->manager, &e), 0);
	sem_init(&hold.holds, 0, 0);
	sem_init(&hold.goes_on, 0, 0);
	manager_post(rig->manager, &hold.m);
	while (sem_wait(&hold.holds) < 0)
		;
	assert_int_equal(manager_ready(rig->manager, &e), -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "has not answered for 6 seconds"));
	sem_post(&hold.goes_on);
	rig_job_command(rig, COMMAND_JOB_HOLD, "j00000000000000000000", &e);
	wait_until(manager_ready(rig->manager, &e) == 0); /* at its next tick */
}

static void test_time_limit(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_submit(rig, rig_script(rig, "slow", "hang", ",\"max_runtime\":\"1s\""), run);
	rig_expect_end(rig, run, "slow", "failed", "timed_out", "");
}

static void test_automatic_retry_then_success(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct rig_end end;

	rig_submit(rig,
		   rig_script(rig, "flaky", "fail_once",
			      ",\"retry\":{\"max\":2,\"on\":[\"script_error\"]}"),
		   run);
	end = rig_wait(rig, run, "flaky", "succeeded");
	assert_int_equal(end.attempt, 2);
}

/* As often as it says, not once less or more. */
static void test_retry_max_is_exact(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct rig_end end;

	rig_submit(rig,
		   rig_script(rig, "never", "failure",
			      ",\"retry\":{\"max\":1,\"on\":[\"script_error\"]}"),
		   run);
	end = rig_wait(rig, run, "never", "failed");
	assert_string_equal(end.code, "script_error");
	assert_int_equal(end.attempt, 2);
}

/* A stop was committed, and the daemon died before it told the shim. */
static void test_restart_tells_the_stop_again(void **state)
{
	struct rig *rig = *state;
	struct store *st = NULL;
	struct reason reason;
	char run[ID_LEN], id[ID_LEN];
	struct err e = {0};

	rig_submit(rig, rig_script(rig, "runs", "hang", ""), run);
	rig_wait(rig, run, "runs", "running");
	rig_job_id(rig, run, "runs", id);
	rig_stop(rig);
	reason_set(&reason, REASON_CANCELLED, "a stop was asked for");
	assert_true(store_open(rig->data, &st, &e) >= 0);
	assert_true(store_begin(st, &e) >= 0);
	assert_true(store_job_set_cancel_requested(st, id, clock_now_us(), &e) >= 0);
	assert_true(store_job_set_state(st, id, STATE_RUNNING, STATE_STOPPING, &reason,
					clock_now_us(), &e) >= 0);
	assert_true(store_commit(st, &e) >= 0);
	rig->since = store_last_seq(st);
	store_close(st);
	rig_start(rig);
	rig_expect_end(rig, run, "runs", "cancelled", "cancelled", "");
}

static void test_manual_retry_of_a_run_reuses_what_succeeded(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	struct rig_end end;

	buf_printf(&jobs, "%s,", rig_script(rig, "first", "ok", ""));
	buf_printf(&jobs, "%s,", rig_script(rig, "flaky", "fail_once", ",\"needs\":[\"first\"]"));
	buf_printf(&jobs, "%s", rig_script(rig, "last", "ok", ",\"needs\":[\"flaky\"]"));
	rig_submit(rig, buf_str(&jobs), run);
	rig_expect_end(rig, run, "flaky", "failed", "script_error", "");
	rig_wait(rig, run, "last", "skipped");
	assert_int_equal(rig_job_command(rig, COMMAND_RUN_RETRY, run, NULL), 0);
	end = rig_wait(rig, run, "last", "succeeded");
	assert_int_equal(end.attempt, 1);
	assert_int_equal(rig_wait(rig, run, "first", "succeeded").attempt, 1);
	assert_int_equal(rig_wait(rig, run, "flaky", "succeeded").attempt, 2);
}

static void test_hold_and_release(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], id[ID_LEN];

	rig_submit(rig, rig_script(rig, "held", "ok", ",\"held\":true"), run);
	rig_job_id(rig, run, "held", id);
	rig_expect_why(rig, id, "held", "release it");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_RELEASE, id, NULL), 0);
	rig_expect_end(rig, run, "held", "succeeded", "", "");
}

/* Many jobs that wait for the one CPU slot do not keep a job that needs no slot from starting. */
static void test_lines_do_not_starve_each_other(void **state)
{
	struct rig *rig = *state;
	OWN(buf_done) struct buf jobs = BUF_INIT(1 << 20);
	char run[ID_LEN], other[ID_LEN];

	for (int i = 0; i < 2 * MANAGER_READY_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "j%d", i);
		buf_printf(&jobs, "%s%s", i ? "," : "", rig_script(rig, name, "hang", ""));
	}
	rig_submit(rig, buf_str(&jobs), run);
	rig_submit(rig,
		   "{\"name\":\"ask\",\"kind\":\"predict\",\"endpoint\":\"none\",\"inputs\":\"x\"}",
		   other);
	rig_expect_end(rig, other, "ask", "failed", "endpoint_missing", "'none'");
	assert_int_equal(rig_job_command(rig, COMMAND_RUN_CANCEL, run, NULL), 0);
}

/* The daemon goes away while a job runs and another has ended meanwhile; the next one finds both.
 */
static void test_restart_finds_its_executions(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], run2[ID_LEN];
	struct rig_end end;

	rig_submit(rig, rig_script(rig, "long", "until_file", ""), run);
	rig_wait(rig, run, "long", "running");
	rig_submit(rig, rig_script(rig, "next", "ok", ""), run2);
	rig_stop(rig);
	rig_touch(rig, "go");
	rig_start(rig);
	end = rig_wait(rig, run, "long", "succeeded");
	assert_int_equal(end.attempt, 1);
	rig_wait(rig, run2, "next", "succeeded");
}

static void test_killed_shim_is_said(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], entry[64];
	OWN(json_decrefp) json_t *status = NULL;
	const json_t *ex;
	pid_t pid;

	rig_submit(rig, rig_script(rig, "orphan", "hang", ""), run);
	rig_wait(rig, run, "orphan", "running");
	status = manager_status(rig->manager);
	ex = json_array_get(json_object_get(status, "executions"), 0);
	pid = (pid_t)json_get_int(ex, "pid", 0);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	rig_expect_end(rig, run, "orphan", "failed", "shim_lost",
		       "supervisor of the execution was killed");
	snprintf(entry, sizeof(entry), "TRAINYARD_EXECUTION=%s", json_get_str(ex, "execution", ""));
	assert_int_equal(proc_kill_by_env(entry, 0), 0); /* nothing of it is left */
}

/* True if a child of this process has ended and was not waited for. */
static bool zombies(void)
{
	siginfo_t info = {0};

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* exit.json ends an execution before its shim has gone: 10 of 2,400 shims stayed as zombies. */
static void test_every_shim_is_reaped(void **state)
{
	struct rig *rig = *state;
	OWN(buf_done) struct buf jobs = BUF_INIT(1 << 20);
	char run[ID_LEN], name[16];

	rig_stop(rig);
	while (waitpid(-1, NULL, 0) > 0)
		; /* shims that the managers of other tests have left */
	rig->set.cpu_slots = 8;
	rig_start(rig);
	for (int i = 0; i < 48; i++) {
		snprintf(name, sizeof(name), "j%d", i);
		buf_printf(&jobs, "%s%s", i ? "," : "", rig_script(rig, name, "ok", ""));
	}
	rig_submit(rig, buf_str(&jobs), run);
	for (int i = 0; i < 48; i++) {
		snprintf(name, sizeof(name), "j%d", i);
		rig_expect_end(rig, run, name, "succeeded", "", "");
	}
	wait_until(!zombies());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_success_and_failures, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_graph, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_cancel, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_stop_that_is_ignored_ends_with_sigkill,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_not_ready_while_the_manager_hangs, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_time_limit, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_automatic_retry_then_success, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_retry_max_is_exact, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_restart_tells_the_stop_again, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_manual_retry_of_a_run_reuses_what_succeeded,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_lines_do_not_starve_each_other, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_hold_and_release, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_restart_finds_its_executions, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_killed_shim_is_said, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_every_shim_is_reaped, rig_setup, rig_teardown),
	};
	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
