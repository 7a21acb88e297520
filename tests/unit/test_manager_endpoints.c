/* SPDX-License-Identifier: MIT */
/* Local endpoints with a fake server (tests/fakes/serve.py): deploy, predict, crash and restart,
 * leases, delete, recovery. */
#include "tests/unit/manager_rig.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "daemon/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char ask_and_clean[] =
	",{\"name\":\"ask\",\"kind\":\"predict\",\"endpoint\":\"${deploy.endpoint}\","
	"\"inputs\":\"%s\"},"
	"{\"name\":\"clean\",\"kind\":\"delete-endpoint\",\"endpoint\":\"${deploy.endpoint}\","
	"\"needs\":[\"ask\"]}";

static void submit_pipeline(struct rig *rig, const char *inputs, char run[ID_LEN])
{
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	char rest[512];

	snprintf(rest, sizeof(rest), ask_and_clean, inputs);
	buf_printf(&jobs, "%s%s", rig_deploy(rig, "imdb", ""), rest);
	rig_submit(rig, buf_str(&jobs), run);
}

/* ---- tests ---- */

static void test_deploy_ask_delete(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	submit_pipeline(rig, "hello", run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	rig_expect_end(rig, run, "ask", "succeeded", "", "");
	rig_expect_end(rig, run, "clean", "succeeded", "", "");
	rig_wait_endpoint(rig, "imdb", "deleted", "");
	assert_int_equal(rig_invoke(rig, "imdb", "{\"inputs\":\"x\"}", NULL, NULL), -ERR_NOT_FOUND);
}

static void test_failed_ask_still_cleans_up(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	submit_pipeline(rig, "refuse", run);
	rig_expect_end(rig, run, "ask", "failed", "predict_failed", "answered 400");
	rig_expect_end(rig, run, "clean", "succeeded", "", "");
	rig_wait_endpoint(rig, "imdb", "deleted", "");
}

/* Let the server of an endpoint answer what it waits with. */
static void let_go(struct rig *rig)
{
	char path[160];
	struct err e;

	snprintf(path, sizeof(path), "%s/go", rig->root);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "", 0, 0644, &e), 0);
}

static void deploy_slow(struct rig *rig)
{
	char more[200], run[ID_LEN];

	snprintf(more, sizeof(more), ",\"environment\":{\"GO\":\"%s/go\"}", rig->root);
	rig_submit(rig, rig_deploy(rig, "imdb", more), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
}

/* predict.timeout_ms holds for a request, too. Before: 60 s, whatever the key said. */
static void test_answer_after_the_limit_is_no_answer(void **state)
{
	struct rig *rig = *state;

	rig_stop(rig);
	rig->set.predict_timeout_us = USEC_PER_SEC / 2;
	rig_start(rig);
	deploy_slow(rig);
	assert_int_equal(rig_invoke(rig, "imdb", "{\"inputs\":\"slow\"}", NULL, NULL), -ETIMEDOUT);
	let_go(rig);
	rig_wait_answer(rig, "imdb");
}

/* The answers' headers are freed if the job succeeds, fails, or is left alone by a daemon that
 * stops. LeakSanitizer sees it: a predict job lost them. */
static void test_headers_of_predict_jobs_are_freed(void **state)
{
	static const char ask[] = "{\"name\":\"%s\",\"kind\":\"predict\","
				  "\"endpoint\":\"imdb\",\"inputs\":\"%s\"}";
	static const char *const jobs[][3] = {{"good", "x", "succeeded"},
					      {"bad", "refuse", "failed"}};
	struct rig *rig = *state;
	char run[ID_LEN], text[160];

	deploy_slow(rig);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		snprintf(text, sizeof(text), ask, jobs[i][0], jobs[i][1]);
		rig_submit(rig, text, run);
		rig_wait(rig, run, jobs[i][0], jobs[i][2]);
	}
	snprintf(text, sizeof(text), ask, "left", "slow");
	rig_submit(rig, text, run);
	rig_wait(rig, run, "left", "running");
	rig_stop(rig);
	let_go(rig);
	rig_start(rig);
	rig_wait(rig, run, "left", "succeeded");
}

static void test_failed_deploy_says_why(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);
	char rest[512];

	snprintf(rest, sizeof(rest), ask_and_clean, "x");
	buf_printf(&jobs, "%s%s", rig_deploy(rig, "torn", ",\"environment\":{\"DO\":\"never\"}"),
		   rest);
	rig_submit(rig, buf_str(&jobs), run);
	rig_expect_end(rig, run, "deploy", "failed", "data_corrupt", "the model is torn");
	rig_expect_end(rig, run, "ask", "skipped", "dependency", "");
	rig_expect_end(rig, run, "clean", "skipped", "dependency", "no endpoint");
	rig_wait_endpoint(rig, "torn", "failed", "");
}

static void test_crashed_server_restarts(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_submit(rig, rig_deploy(rig, "imdb", ""), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	rig_wait_answer(rig, "imdb");
	assert_true(rig_invoke(rig, "imdb", "{\"inputs\":\"crash\"}", NULL, NULL) < 0);
	rig_wait_endpoint(rig, "imdb", "creating", "restarting");
	rig_wait_answer(rig, "imdb");
	assert_int_equal(rig_job_command(rig, COMMAND_ENDPOINT_DELETE, "imdb", NULL), 0);
	rig_wait_endpoint(rig, "imdb", "deleted", "");
}

struct seen {
	struct manager *manager;
	enum endpoint_state state; /* of the live table when the first event came */
	sem_t done;
};

static void note_state(struct feed_waiter *w)
{
	struct seen *seen = w->userdata;

	seen->state = seen->manager->live->state;
	sem_post(&seen->done);
}

/* Before: a request right after the event of an update's success could meet the old server. */
static void test_who_sees_an_event_meets_what_it_says(void **state)
{
	struct rig *rig = *state;
	struct seen seen = {.manager = rig->manager};
	struct feed_waiter w = {.filter = {.kind = "endpoint_state"},
				.deadline_mono_us = USEC_NEVER,
				.fn = note_state,
				.userdata = &seen};
	char run[ID_LEN];

	rig_submit(rig, rig_deploy(rig, "imdb", ""), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	sem_init(&seen.done, 0, 0);
	w.since = feed_last_seq(manager_feed(rig->manager));
	assert_true(feed_wait(manager_feed(rig->manager), &w));
	assert_int_equal(rig_job_command(rig, COMMAND_ENDPOINT_DELETE, "imdb", NULL), 0);
	rig_wait_done(&seen.done);
	assert_int_equal(seen.state, ENDPOINT_DELETING);
	rig_wait_endpoint(rig, "imdb", "deleted", "");
	sem_destroy(&seen.done);
}

static void test_name_is_unique_while_live(void **state)
{
	struct rig *rig = *state;
	OWN(json_decrefp) json_t *body = NULL;
	OWN(json_decrefp) json_t *problems = json_array();
	struct run_spec *spec = NULL;
	const char *text;
	char run[ID_LEN];
	struct err e = {0};

	rig_submit(rig, rig_deploy(rig, "imdb", ""), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	text = rig_deploy(rig, "imdb", "");
	assert_int_equal(json_parse(text, strlen(text), &body, &e), 0);
	assert_int_equal(
		manager_prepare(rig->manager, NULL, body, true, false, &spec, problems, NULL, &e),
		-ERR_INVALID);
	assert_string_equal(json_get_str(json_array_get(problems, 0), "code", ""),
			    "endpoint_taken");
	assert_int_equal(rig_job_command(rig, COMMAND_ENDPOINT_DELETE, "imdb", NULL), 0);
	rig_wait_endpoint(rig, "imdb", "deleted", "");
	rig_submit(rig, rig_deploy(rig, "imdb", ""), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
}

static void test_no_more_endpoints_than_places(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], id[ID_LEN], name[] = "a";

	assert_int_equal(rig->set.cpu_endpoints_max, 2);
	for (; name[0] < 'c'; name[0]++) {
		rig_submit(rig, rig_deploy(rig, name, ""), run);
		rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	}
	rig_submit(rig, rig_deploy(rig, name, ""), run);
	rig_job_id(rig, run, "deploy", id);
	rig_expect_why(rig, id, "waiting_for_slot", "all 2 places for CPU endpoints");
}

static void test_lease_ends(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct err e;

	rig_submit(rig, rig_deploy(rig, "short", ",\"lease\":{\"ttl\":\"2s\"}"), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	rig_wait_endpoint(rig, "short", "deleting", "lease_expired");
	rig_wait_endpoint(rig, "short", "deleted", "");
	assert_int_equal(rig_job_command(rig, COMMAND_ENDPOINT_RENEW, "short", &e), -ERR_NOT_FOUND);
}

static void test_idle_ends(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_submit(rig, rig_deploy(rig, "idle", ",\"lease\":{\"ttl\":\"1h\",\"idle\":\"2s\"}"),
		   run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	rig_wait_endpoint(rig, "idle", "deleting", "idle");
	rig_wait_endpoint(rig, "idle", "deleted", "");
}

static void test_renew_within_the_limit(void **state)
{
	struct rig *rig = *state;
	struct command c = {.kind = COMMAND_ENDPOINT_RENEW, .id = "imdb"};
	char run[ID_LEN];

	rig_submit(rig, rig_deploy(rig, "imdb", ""), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	c.number = rig->set.lease_ttl_max_us;
	assert_int_equal(rig_do(rig, &c), 0);
	c.number = rig->set.lease_ttl_max_us + 1;
	assert_int_equal(rig_do(rig, &c), -ERR_INVALID);
	assert_string_equal(c.err.field, "/ttl");
}

static void test_endpoint_outlives_the_daemon(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	rig_submit(rig, rig_deploy(rig, "imdb", ""), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	rig_stop(rig);
	rig_start(rig);
	rig_wait_answer(rig, "imdb");
	assert_int_equal(rig_job_command(rig, COMMAND_ENDPOINT_DELETE, "imdb", NULL), 0);
	rig_wait_endpoint(rig, "imdb", "deleted", "");
}

static void test_cancelled_run_leaves_no_endpoint(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	OWN(buf_done) struct buf jobs = BUF_INIT(65536);

	buf_printf(&jobs, "%s,", rig_deploy(rig, "imdb", ""));
	buf_printf(&jobs, "%s,", rig_script(rig, "long", "hang", ",\"needs\":[\"deploy\"]"));
	buf_puts(&jobs, "{\"name\":\"clean\",\"kind\":\"delete-endpoint\","
			"\"endpoint\":\"${deploy.endpoint}\",\"needs\":[\"long\"]}");
	rig_submit(rig, buf_str(&jobs), run);
	rig_wait(rig, run, "long", "running");
	assert_int_equal(rig_job_command(rig, COMMAND_RUN_CANCEL, run, NULL), 0);
	rig_expect_end(rig, run, "long", "cancelled", "cancelled", "");
	rig_expect_end(rig, run, "clean", "succeeded", "", "");
	rig_wait_endpoint(rig, "imdb", "deleted", "");
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_deploy_ask_delete),
		CASE(test_failed_ask_still_cleans_up),
		CASE(test_answer_after_the_limit_is_no_answer),
		CASE(test_headers_of_predict_jobs_are_freed),
		CASE(test_failed_deploy_says_why),
		CASE(test_crashed_server_restarts),
		CASE(test_who_sees_an_event_meets_what_it_says),
		CASE(test_name_is_unique_while_live),
		CASE(test_no_more_endpoints_than_places),
		CASE(test_lease_ends),
		CASE(test_idle_ends),
		CASE(test_renew_within_the_limit),
		CASE(test_endpoint_outlives_the_daemon),
		CASE(test_cancelled_run_leaves_no_endpoint),
	};
#undef CASE

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
