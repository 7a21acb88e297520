/* SPDX-License-Identifier: MIT */
/* Updates of local endpoints (on_existing: update) with fake servers: the old one serves until the
 * new one answers, whatever happens in between. */
#include "tests/unit/manager_rig.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "tests/unit/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ASK "{\"inputs\":\"x\"}"

/* A deploy of endpoint imdb whose server is called `name` and does `what` until `go` is there. */
static void submit(struct rig *rig, const char *name, const char *what, bool update,
		   char run[ID_LEN])
{
	char more[512];

	snprintf(more, sizeof(more),
		 ",\"environment\":{\"NAME\":\"%s\",\"DO\":\"%s\",\"GO\":\"%s/go\"}%s", name, what,
		 rig->root, update ? ",\"on_existing\":\"update\"" : "");
	rig_submit(rig, rig_deploy(rig, "imdb", more), run);
}

static void stand(struct rig *rig)
{
	char run[ID_LEN];

	submit(rig, "one", "", false, run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
}

static void expect_answer_of(struct rig *rig, const char *name)
{
	OWN(freep) char *reply = NULL;
	int status = 0;

	assert_int_equal(rig_invoke(rig, "imdb", ASK, &status, &reply), 0);
	assert_int_equal(status, 200);
	assert_non_null(strstr(reply, name));
}

static size_t servers(struct rig *rig)
{
	OWN(json_decrefp) json_t *status = manager_status(rig->manager);

	return json_array_size(json_object_get(status, "executions"));
}

static void wait_servers(struct rig *rig, size_t n)
{
	wait_until(servers(rig) == n);
}

/* ---- tests ---- */

static void test_the_new_server_takes_over(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	stand(rig);
	expect_answer_of(rig, "one");
	submit(rig, "two", "wait", true, run);
	rig_wait_endpoint(rig, "imdb", "updating", "");
	wait_servers(rig, 2);
	expect_answer_of(rig, "one");
	rig_touch(rig, "go");
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	expect_answer_of(rig, "two");
	wait_servers(rig, 1); /* the old one has ended, and is not started again */
	expect_answer_of(rig, "two");
	assert_int_equal(rig_job_command(rig, COMMAND_ENDPOINT_DELETE, "imdb", NULL), 0);
	rig_wait_endpoint(rig, "imdb", "deleted", "");
	wait_servers(rig, 0);
}

static void test_a_new_server_that_fails_changes_nothing(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	stand(rig);
	submit(rig, "two", "never", true, run);
	rig_expect_end(rig, run, "deploy", "failed", "data_corrupt", "the model is torn");
	rig_wait_endpoint(rig, "imdb", "in_service", "data_corrupt");
	expect_answer_of(rig, "one");
	wait_servers(rig, 1);
}

static void test_a_cancelled_update_changes_nothing(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	stand(rig);
	submit(rig, "two", "wait", true, run);
	wait_servers(rig, 2);
	assert_int_equal(rig_job_command(rig, COMMAND_RUN_CANCEL, run, NULL), 0);
	rig_expect_end(rig, run, "deploy", "cancelled", "cancelled", "update was cancelled");
	expect_answer_of(rig, "one");
	wait_servers(rig, 1);
}

static void test_a_new_server_that_never_answers_changes_nothing(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	stand(rig);
	rig_stop(rig);
	rig->set.endpoint_start_timeout_us = USEC_PER_SEC;
	rig_start(rig);
	submit(rig, "two", "wait", true, run);
	rig_expect_end(rig, run, "deploy", "failed", "timed_out", "no answer within 1s");
	rig_wait_endpoint(rig, "imdb", "in_service", "timed_out");
	expect_answer_of(rig, "one");
	wait_servers(rig, 1);
}

static void test_a_delete_takes_both(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	stand(rig);
	submit(rig, "two", "wait", true, run);
	wait_servers(rig, 2);
	assert_int_equal(rig_job_command(rig, COMMAND_ENDPOINT_DELETE, "imdb", NULL), 0);
	rig_expect_end(rig, run, "deploy", "failed", "deleted_by_user", "during its update");
	rig_wait_endpoint(rig, "imdb", "deleted", "");
	wait_servers(rig, 0);
}

static void test_the_old_server_may_crash_meanwhile(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	stand(rig);
	submit(rig, "two", "wait", true, run);
	wait_servers(rig, 2);
	assert_true(rig_invoke(rig, "imdb", "{\"inputs\":\"crash\"}", NULL, NULL) < 0);
	rig_wait_endpoint(rig, "imdb", "creating", "restarting");
	rig_wait_answer(rig, "imdb");
	expect_answer_of(rig, "one"); /* started again */
	rig_touch(rig, "go");
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	expect_answer_of(rig, "two");
	wait_servers(rig, 1);
	assert_true(rig_invoke(rig, "imdb", "{\"inputs\":\"crash\"}", NULL, NULL) < 0);
	rig_wait_answer(rig, "imdb");
	expect_answer_of(rig, "two"); /* it is the new one that is started again */
}

static void test_one_update_at_a_time(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], second[ID_LEN];

	rig_stop(rig);
	rig->set.cpu_endpoints_max = 3; /* else it waits for a place */
	rig_start(rig);
	stand(rig);
	submit(rig, "two", "wait", true, run);
	rig_wait_endpoint(rig, "imdb", "updating", "");
	submit(rig, "three", "", true, second);
	rig_expect_end(rig, second, "deploy", "failed", "endpoint_taken", "is updating");
	rig_touch(rig, "go");
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	expect_answer_of(rig, "two");
}

static void test_the_daemon_restarts_meanwhile(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];

	stand(rig);
	submit(rig, "two", "wait", true, run);
	wait_servers(rig, 2);
	rig_stop(rig);
	rig_start(rig);
	expect_answer_of(rig, "one");
	rig_touch(rig, "go");
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	rig_stop(rig); /* at once: the old one may be there still */
	rig_start(rig);
	expect_answer_of(rig, "two");
	wait_servers(rig, 1);
	expect_answer_of(rig, "two");
}

struct slow {
	struct rig *rig;
	int r, status;
	char *reply;
};

static void *ask_slowly(void *userdata)
{
	struct slow *s = userdata;

	s->r = rig_invoke(s->rig, "imdb", "{\"inputs\":\"slow\"}", &s->status, &s->reply);
	return NULL;
}

static void test_what_the_old_server_was_asked_is_answered(void **state)
{
	struct rig *rig = *state;
	struct slow slow = {.rig = rig};
	pthread_t thread;
	char run[ID_LEN];

	stand(rig);
	assert_int_equal(pthread_create(&thread, NULL, ask_slowly, &slow), 0);
	rig_wait_event(rig, "warning"); /* the question has come */
	submit(rig, "two", "", true, run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	expect_answer_of(rig, "two");
	assert_int_equal(servers(rig), 2);
	rig_touch(rig, "go");
	pthread_join(thread, NULL);
	assert_int_equal(slow.r, 0);
	assert_int_equal(slow.status, 200);
	assert_non_null(strstr(slow.reply, "one"));
	free(slow.reply);
	wait_servers(rig, 1);
}

/* GPU 0 of two, whole: the new server shares it with the old one, and nobody else does. */
static void test_an_update_shares_the_gpu_that_it_replaces(void **state)
{
	static const char gpu[] = ",\"local\":{\"devices\":[0]}";
	struct rig *rig = *state;
	char run[ID_LEN], other[ID_LEN], job[ID_LEN], more[512];

	rig_submit(rig, rig_deploy(rig, "imdb", gpu), run);
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	snprintf(more, sizeof(more),
		 "%s,\"on_existing\":\"update\",\"environment\":{\"DO\":\"wait\","
		 "\"NAME\":\"two\",\"GO\":\"%s/go\"}",
		 gpu, rig->root);
	rig_submit(rig, rig_deploy(rig, "imdb", more), run);
	wait_servers(rig, 2);
	rig_submit(rig, rig_deploy(rig, "other", gpu), other);
	rig_job_id(rig, other, "deploy", job);
	rig_expect_why(rig, job, "waiting_for_gpu", "GPU 0: held by another job");
	rig_touch(rig, "go");
	rig_expect_end(rig, run, "deploy", "succeeded", "", "");
	expect_answer_of(rig, "two");
	wait_servers(rig, 1);
	rig_expect_why(rig, job, "waiting_for_gpu", "GPU 0: held by another job");
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_the_new_server_takes_over),
		CASE(test_a_new_server_that_fails_changes_nothing),
		CASE(test_a_cancelled_update_changes_nothing),
		CASE(test_a_new_server_that_never_answers_changes_nothing),
		CASE(test_a_delete_takes_both),
		CASE(test_the_old_server_may_crash_meanwhile),
		CASE(test_one_update_at_a_time),
		CASE(test_the_daemon_restarts_meanwhile),
		CASE(test_what_the_old_server_was_asked_is_answered),
		cmocka_unit_test_setup_teardown(test_an_update_shares_the_gpu_that_it_replaces,
						rig_setup_gpus, rig_teardown),
	};
#undef CASE

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
