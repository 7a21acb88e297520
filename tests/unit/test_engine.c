/* SPDX-License-Identifier: MIT */
/*
 * The engine with a real database, real shims and real processes, without HTTP: submit, order,
 * dependencies, ends, retries, cancel, time limits, restart and recovery. The worker is
 * tests/fakes/worker.sh, which does what the job's entry_point says. TRAINYARD_SHIM and
 * TRAINYARD_FAKE_WORKER name the programs.
 */
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"
#include "daemon/feed.h"
#include "daemon/run.h"
#include "jobs/state.h"
#include "storage/store.h"

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_S 60

struct rig {
	char root[64], data[96], code[96];
	struct settings set;
	struct engine *engine;
	pthread_t thread;
	int64_t since; /* seq from which this engine's feed has everything */
};

static const char *const roots[] = {"/", NULL};

/* ---- the rig ---- */

static void *engine_thread(void *userdata)
{
	struct rig *rig = userdata;
	struct err e = {0};

	assert_true(engine_run(rig->engine, &e) >= 0);
	return NULL;
}

static void start_engine(struct rig *rig)
{
	struct err e = {0};

	if (engine_new(&rig->set, &rig->engine, &e) < 0)
		fail_msg("engine_new: %s", e.msg);
	assert_int_equal(pthread_create(&rig->thread, NULL, engine_thread, rig), 0);
}

static void stop_engine(struct rig *rig)
{
	pthread_kill(rig->thread, SIGTERM);
	pthread_join(rig->thread, NULL);
	rig->since = feed_last_seq(engine_feed(rig->engine));
	engine_free(rig->engine);
	rig->engine = NULL;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char path[PATH_MAX];
	struct err e;

	snprintf(rig->root, sizeof(rig->root), "/tmp/engine-XXXXXX");
	if (!mkdtemp(rig->root))
		return -1;
	snprintf(rig->data, sizeof(rig->data), "%s/data", rig->root);
	snprintf(rig->code, sizeof(rig->code), "%s/code", rig->root);
	snprintf(path, sizeof(path), "%s/train.py", rig->code);
	if (dir_make(AT_FDCWD, rig->data, 0700, &e) < 0 ||
	    dir_make(AT_FDCWD, rig->code, 0700, &e) < 0 ||
	    file_write_atomic(AT_FDCWD, path, "#\n", 2, 0644, &e) < 0)
		return -1;
	rig->set = (struct settings){
		.data_dir = rig->data,
		.base_dir = rig->root,
		.roots = roots,
		.worker = getenv("TRAINYARD_FAKE_WORKER"),
		.shim = getenv("TRAINYARD_SHIM"),
		.python = "/usr/bin/python3",
		.nvml_library = "",
		.native = true,
		.cpu_slots = 1,
		.cpus_per_slot = 2,
		.cpu_endpoints_max = 2,
		.log_max_bytes = 1 << 20,
		.stop_grace_us = 2 * USEC_PER_SEC,
		.lease_ttl_default_us = 3600 * USEC_PER_SEC,
		.lease_ttl_max_us = 7 * 86400 * USEC_PER_SEC,
		.endpoint_start_timeout_us = 60 * USEC_PER_SEC,
		.predict_timeout_us = 20 * USEC_PER_SEC,
	};
	start_engine(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	struct err e;

	stop_engine(rig);
	(void)!tree_remove(AT_FDCWD, rig->root, &e);
	free(rig);
	return 0;
}

/* ---- talking to it ---- */

static void command_done(struct command *c)
{
	sem_post(c->userdata);
}

static int do_command(struct rig *rig, struct command *c)
{
	struct timespec until;
	sem_t done;

	sem_init(&done, 0, 0);
	c->done = command_done;
	c->userdata = &done;
	assert_int_equal(engine_queue(rig->engine, c, &c->err), 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	assert_int_equal(sem_timedwait(&done, &until), 0);
	sem_destroy(&done);
	return c->result;
}

static int job_command(struct rig *rig, enum command_kind kind, const char *id, struct err *e)
{
	struct command c = {.kind = kind};
	int r;

	str_copy(c.id, sizeof(c.id), id);
	r = do_command(rig, &c);
	if (e)
		*e = c.err;
	json_decref(c.json);
	return r;
}

/* `jobs` is the text of the jobs' list, with %s for the code directory left to the caller. */
static void submit(struct rig *rig, const char *jobs, char run[ID_LEN])
{
	OWN(json_decrefp) json_t *body = NULL;
	OWN(json_decrefp) json_t *problems = json_array();
	OWN(buf_done) struct buf text = BUF_INIT(65536);
	struct command c = {.kind = COMMAND_SUBMIT};
	struct err e = {0};

	buf_printf(&text, "{\"jobs\":[%s]}", jobs);
	assert_int_equal(json_parse(buf_str(&text), text.len, &body, &e), 0);
	if (engine_prepare(rig->engine, body, false, false, &c.run, problems, NULL, &e) < 0)
		fail_msg("%s: %s", e.msg, json_dumps(problems, 0));
	if (do_command(rig, &c) < 0)
		fail_msg("submit: %s", c.err.msg);
	str_copy(run, ID_LEN, c.result_id);
}

/* One script job: what it does is named by its hyperparameter `do`. */
static const char *script(struct rig *rig, const char *name, const char *what, const char *more)
{
	static char texts[8][1024];
	static int next;
	char *text = texts[next++ % 8];

	snprintf(text, sizeof(texts[0]),
		 "{\"name\":\"%s\",\"kind\":\"script\",\"entry_point\":\"train.py\","
		 "\"source_dir\":\"%s\",\"hyperparameters\":{\"do\":\"%s\"}%s}",
		 name, rig->code, what, more);
	return text;
}

struct end {
	char to[16], code[32], message[REASON_MSG_MAX];
	char id[ID_LEN];
	int attempt;
};

static bool is_final(const char *state)
{
	enum job_state s;

	return job_state_parse(state, &s) == 0 && job_state_is_final(s);
}

/* Poll the feed until job `name` of `run` has moved to `to` ("": any final state). */
static struct end wait_state(struct rig *rig, const char *run, const char *name, const char *to)
{
	struct feed_filter filter = {.kind = "job_state"};
	int64_t deadline = clock_mono_us() + WAIT_S * USEC_PER_SEC, since = rig->since, next;
	struct end end = {0};

	str_copy(filter.run, sizeof(filter.run), run);
	while (clock_mono_us() < deadline) {
		struct timespec pause = {.tv_nsec = 20000000};
		OWN(json_decrefp) json_t *events = NULL;
		struct err e;
		json_t *event;
		size_t i;

		assert_int_equal(feed_read(engine_feed(rig->engine), &filter, since, SIZE_MAX,
					   &events, &next, &e),
				 0);
		json_array_foreach (events, i, event) {
			const json_t *reason = json_object_get(event, "reason");

			str_copy(end.to, sizeof(end.to), json_get_str(event, "to", ""));
			if (!str_eq(json_get_str(event, "name", ""), name) ||
			    (to[0] ? !str_eq(end.to, to) : !is_final(end.to)))
				continue;
			str_copy(end.id, sizeof(end.id), json_get_str(event, "job", ""));
			str_copy(end.code, sizeof(end.code), json_get_str(reason, "code", ""));
			str_copy(end.message, sizeof(end.message),
				 json_get_str(reason, "message", ""));
			end.attempt = (int)json_get_int(event, "attempt", 0);
			return end;
		}
		since = next;
		nanosleep(&pause, NULL);
	}
	fail_msg("job '%s' did not become '%s' in %d s", name, to, WAIT_S);
	return end;
}

static void expect_end(struct rig *rig, const char *run, const char *name, const char *to,
		       const char *code, const char *words)
{
	struct end end = wait_state(rig, run, name, "");

	assert_string_equal(end.to, to);
	assert_string_equal(end.code, code);
	if (!strstr(end.message, words))
		fail_msg("'%s' does not have '%s'", end.message, words);
}

/* ---- tests ---- */

static void test_success_and_failures(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);

	buf_printf(&jobs, "%s,", script(rig, "ok", "ok", ""));
	buf_printf(&jobs, "%s,", script(rig, "exit3", "exit3", ""));
	buf_printf(&jobs, "%s,", script(rig, "said", "failure", ""));
	buf_printf(&jobs, "%s", script(rig, "dies", "kill9", ""));
	submit(rig, buf_str(&jobs), run);
	expect_end(rig, run, "ok", "succeeded", "", "");
	expect_end(rig, run, "exit3", "failed", "internal", "exit code 3");
	expect_end(rig, run, "said", "failed", "script_error", "it said so");
	expect_end(rig, run, "dies", "failed", "killed", "signal 9");
}

static void test_graph(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);

	buf_printf(&jobs, "%s,", script(rig, "a", "ok", ""));
	buf_printf(&jobs, "%s,", script(rig, "b", "exit3", ",\"needs\":[\"a\"]"));
	buf_printf(&jobs, "%s,", script(rig, "c", "ok", ",\"needs\":[\"b\"]"));
	buf_printf(&jobs, "%s,", script(rig, "d", "ok", ",\"needs\":[\"c\"]"));
	buf_printf(&jobs, "%s,",
		   script(rig, "e", "ok", ",\"needs\":[{\"job\":\"b\",\"when\":\"failure\"}]"));
	buf_printf(&jobs, "%s",
		   script(rig, "f", "ok", ",\"needs\":[{\"job\":\"d\",\"when\":\"always\"}]"));
	submit(rig, buf_str(&jobs), run);
	expect_end(rig, run, "a", "succeeded", "", "");
	expect_end(rig, run, "b", "failed", "internal", "");
	expect_end(rig, run, "c", "skipped", "dependency", "'b' failed");
	expect_end(rig, run, "d", "skipped", "dependency", "'c' skipped");
	expect_end(rig, run, "e", "succeeded", "", "");
	expect_end(rig, run, "f", "succeeded", "", "");
}

static void test_cancel(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	struct end running, waiting;
	struct err e;

	buf_printf(&jobs, "%s,", script(rig, "runs", "hang", ""));
	buf_printf(&jobs, "%s,", script(rig, "waits", "ok", ""));
	buf_printf(&jobs, "%s", script(rig, "needs", "ok", ",\"needs\":[\"runs\"]"));
	submit(rig, buf_str(&jobs), run);
	running = wait_state(rig, run, "runs", "running");
	assert_int_equal(job_command(rig, COMMAND_JOB_CANCEL, running.id, NULL), 0);
	expect_end(rig, run, "runs", "cancelled", "cancelled", "stopped on request");
	expect_end(rig, run, "needs", "skipped", "dependency", "'runs' cancelled");
	waiting = wait_state(rig, run, "waits", "succeeded"); /* the slot is free again */
	assert_int_equal(job_command(rig, COMMAND_JOB_CANCEL, waiting.id, &e), -ERR_CONFLICT);
	assert_int_equal(job_command(rig, COMMAND_JOB_CANCEL, "j00000000000000000000", &e),
			 -ERR_NOT_FOUND);
}

static void test_stop_that_is_ignored_ends_with_sigkill(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct end running;

	submit(rig, script(rig, "deaf", "deaf", ""), run);
	running = wait_state(rig, run, "deaf", "running");
	assert_int_equal(job_command(rig, COMMAND_JOB_CANCEL, running.id, NULL), 0);
	expect_end(rig, run, "deaf", "cancelled", "cancelled", "");
}

static void test_time_limit(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	submit(rig, script(rig, "slow", "hang", ",\"max_runtime\":\"1s\""), run);
	expect_end(rig, run, "slow", "failed", "timed_out", "");
}

static void test_automatic_retry_then_success(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct end end;

	submit(rig,
	       script(rig, "flaky", "fail_once",
		      ",\"retry\":{\"max\":2,\"on\":[\"script_error\"]}"),
	       run);
	end = wait_state(rig, run, "flaky", "succeeded");
	assert_int_equal(end.attempt, 2);
}

static void test_manual_retry_of_a_run_reuses_what_succeeded(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	struct end end;

	buf_printf(&jobs, "%s,", script(rig, "first", "ok", ""));
	buf_printf(&jobs, "%s,", script(rig, "flaky", "fail_once", ",\"needs\":[\"first\"]"));
	buf_printf(&jobs, "%s", script(rig, "last", "ok", ",\"needs\":[\"flaky\"]"));
	submit(rig, buf_str(&jobs), run);
	expect_end(rig, run, "flaky", "failed", "script_error", "");
	wait_state(rig, run, "last", "skipped");
	assert_int_equal(job_command(rig, COMMAND_RUN_RETRY, run, NULL), 0);
	end = wait_state(rig, run, "last", "succeeded");
	assert_int_equal(end.attempt, 1);
	assert_int_equal(wait_state(rig, run, "first", "succeeded").attempt, 1);
	assert_int_equal(wait_state(rig, run, "flaky", "succeeded").attempt, 2);
}

static void test_hold_and_release(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct end end;
	struct command c = {.kind = COMMAND_EXPLAIN};

	submit(rig, script(rig, "held", "ok", ",\"held\":true"), run);
	{
		struct feed_filter filter = {.kind = "job_created"};
		OWN(json_decrefp) json_t *events = NULL;
		struct err e;
		int64_t next;

		str_copy(filter.run, sizeof(filter.run), run);
		assert_int_equal(feed_read(engine_feed(rig->engine), &filter, rig->since, 10,
					   &events, &next, &e),
				 0);
		str_copy(c.id, sizeof(c.id), json_get_str(json_array_get(events, 0), "job", ""));
	}
	assert_int_equal(do_command(rig, &c), 0);
	assert_string_equal(json_get_str(json_object_get(c.json, "reason"), "code", ""), "held");
	json_decref(c.json);
	assert_int_equal(job_command(rig, COMMAND_JOB_RELEASE, c.id, NULL), 0);
	end = wait_state(rig, run, "held", "succeeded");
	assert_string_equal(end.id, c.id);
}

/* The daemon goes away while a job runs and another has ended meanwhile; the next one finds both.
 */
static void test_restart_finds_its_executions(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], run2[ID_LEN];
	struct end end;

	submit(rig, script(rig, "long", "until_file", ""), run);
	wait_state(rig, run, "long", "running");
	submit(rig, script(rig, "next", "ok", ""), run2);
	stop_engine(rig);
	{
		char path[PATH_MAX];
		struct err e;

		snprintf(path, sizeof(path), "%s/go", rig->root);
		assert_int_equal(file_write_atomic(AT_FDCWD, path, "", 0, 0644, &e), 0);
	}
	start_engine(rig);
	end = wait_state(rig, run, "long", "succeeded");
	assert_int_equal(end.attempt, 1);
	wait_state(rig, run2, "next", "succeeded");
}

static void test_killed_shim_is_said(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], path[PATH_MAX];
	OWN(json_decrefp) json_t *status = NULL;
	const json_t *ex;
	pid_t pid;

	submit(rig, script(rig, "orphan", "hang", ""), run);
	wait_state(rig, run, "orphan", "running");
	status = engine_status(rig->engine);
	ex = json_array_get(json_object_get(status, "executions"), 0);
	pid = (pid_t)json_get_int(ex, "pid", 0);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	expect_end(rig, run, "orphan", "failed", "shim_lost", "supervisor was killed");
	snprintf(path, sizeof(path), "%s=%s", "TRAINYARD_EXECUTION",
		 json_get_str(ex, "execution", ""));
	assert_int_equal(proc_kill_by_env(path, 0), 0); /* nothing of it is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_success_and_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_graph, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_that_is_ignored_ends_with_sigkill, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_time_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_automatic_retry_then_success, setup, teardown),
		cmocka_unit_test_setup_teardown(test_manual_retry_of_a_run_reuses_what_succeeded,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_hold_and_release, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart_finds_its_executions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_shim_is_said, setup, teardown),
	};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
