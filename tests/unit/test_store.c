/* SPDX-License-Identifier: MIT */
/* storage/write/store: opening, transactions, savepoints, events, and jobs through their states. */
#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/db_parts.h"
#include "storage/write/internal.h"

#include <string.h>

static struct job_row job_of(struct fixture *f, const char *id)
{
	struct job_row row = {0};

	OK(f, store_job_get(f->st, id, &row, &f->e));
	return row;
}

static enum job_state state_of(struct fixture *f, const char *id)
{
	OWN(job_row_done) struct job_row row = job_of(f, id);

	return row.state;
}

static void test_insert_and_get(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[3][ID_LEN];

	insert_run(f, "pipe", 3, true, T0, run, ids);
	OWN(job_row_done) struct job_row a = job_of(f, ids[0]), b = job_of(f, ids[1]);
	assert_string_equal(a.run, run);
	assert_string_equal(a.name, "a0");
	assert_int_equal(a.kind, JOB_TRAIN);
	assert_int_equal(a.target, TARGET_LOCAL);
	assert_int_equal(a.state, STATE_QUEUED);
	assert_int_equal(a.reason.code, REASON_NONE);
	assert_int_equal(a.created_us, T0);
	assert_int_equal(a.queued_us, T0);
	assert_int_equal(a.attempt, 0);
	assert_int_equal(json_get_int(b.spec, "index", -1), 1);
	assert_string_equal(json_get_str(b.tags, "team", ""), "nlp");
	assert_int_equal(json_object_size(b.outputs), 0);
	assert_int_equal(b.state, STATE_BLOCKED);
	assert_int_equal(b.queued_us, 0);
	assert_int_equal(b.reason.code, REASON_WAITING_FOR_JOBS);
	assert_string_equal(b.reason.message, "waits for a0");
	assert_int_equal(b.index, 1);
}

static void test_reason_of_a_wait(void **state)
{
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *events = NULL;
	char run[ID_LEN], ids[2][ID_LEN];
	struct reason reason;

	insert_run(f, "pipe", 2, true, T0, run, ids);
	json_decref(store_take_events(f->st));
	reason_set(&reason, REASON_WAITING_FOR_MONEY, "until tomorrow");
	BEGIN(f);
	OK(f, store_job_set_reason(f->st, ids[0], &reason, T0, &f->e));
	assert_int_equal(store_job_set_reason(f->st, ids[1], &reason, T0, &f->e), -ERR_CONFLICT);
	COMMIT(f);
	OWN(job_row_done) struct job_row job = job_of(f, ids[0]);
	assert_int_equal(job.reason.code, REASON_WAITING_FOR_MONEY);
	assert_string_equal(job.reason.message, "until tomorrow");
	events = store_take_events(f->st);
	assert_int_equal(json_array_size(events), 1);
	assert_string_equal(json_get_str(json_array_get(events, 0), "kind", ""), "job_changed");
	assert_string_equal(
		json_get_str(json_object_get(json_array_get(events, 0), "reason"), "code", ""),
		"waiting_for_money");
	BEGIN(f);
	OK(f, store_job_set_reason(f->st, ids[0], NULL, T0, &f->e));
	COMMIT(f);
	OWN(job_row_done) struct job_row again = job_of(f, ids[0]);
	assert_int_equal(again.reason.code, REASON_NONE);
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	struct job_row row = {0};

	assert_int_equal(store_job_get(f->st, "j0", &row, &f->e), -ERR_NOT_FOUND);
	assert_string_equal(f->e.msg, "there is no job 'j0'");
	BEGIN(f);
	assert_int_equal(
		store_job_set_state(f->st, "j0", STATE_QUEUED, STATE_STARTING, NULL, T0, &f->e),
		-ERR_NOT_FOUND);
	assert_int_equal(store_job_set_held(f->st, "j0", true, T0, &f->e), -ERR_NOT_FOUND);
	assert_int_equal(store_job_set_retry(f->st, "j0", 1, 0, &f->e), -ERR_NOT_FOUND);
	assert_int_equal(store_event(f->st, "log", NULL, "j0", NULL, json_object(), T0, &f->e),
			 -ERR_NOT_FOUND);
	assert_int_equal(store_execution_set_offset(f->st, "x0", 1, &f->e), -ERR_NOT_FOUND);
	store_rollback(f->st);
	assert_int_equal(store_last_seq(f->st), 0);
}

static void test_needs(void **state)
{
	struct fixture *f = *state;
	char ids[3][ID_LEN];
	OWN(need_rows_done) struct need_rows of = {0}, by = {0}, none = {0};

	insert_run(f, "pipe", 3, true, T0, NULL, ids);
	OK(f, store_needs_of(f->st, ids[1], &of, &f->e));
	OK(f, store_needed_by(f->st, ids[1], &by, &f->e));
	OK(f, store_needs_of(f->st, ids[0], &none, &f->e));
	assert_int_equal(none.n, 0);
	assert_int_equal(of.n, 1);
	assert_string_equal(of.rows[0].job, ids[0]);
	assert_int_equal(of.rows[0].when, NEED_SUCCESS);
	assert_int_equal(of.rows[0].state, STATE_QUEUED);
	assert_int_equal(by.n, 1);
	assert_string_equal(by.rows[0].job, ids[2]);
	assert_int_equal(by.rows[0].state, STATE_BLOCKED);
}

static void test_job_times(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];

	insert_run(f, "one", 1, false, T0, NULL, ids);
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + 1);
	move(f, ids[0], STATE_STARTING, STATE_QUEUED, T0 + 2);
	OWN(job_row_done) struct job_row back = job_of(f, ids[0]);
	assert_int_equal(back.queued_us, T0 + 2);
	assert_int_equal(back.started_us, 0);
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + 3);
	move(f, ids[0], STATE_STARTING, STATE_RUNNING, T0 + 4);
	BEGIN(f);
	OK(f, store_job_set_cancel_requested(f->st, ids[0], T0 + 5, &f->e));
	COMMIT(f);
	move(f, ids[0], STATE_RUNNING, STATE_CANCELLED, T0 + 6);
	OWN(job_row_done) struct job_row ended = job_of(f, ids[0]);
	assert_int_equal(ended.started_us, T0 + 3);
	assert_int_equal(ended.finished_us, T0 + 6);
	assert_int_equal(ended.cancel_requested_us, T0 + 5);
	move(f, ids[0], STATE_CANCELLED, STATE_QUEUED, T0 + 7);
	OWN(job_row_done) struct job_row again = job_of(f, ids[0]);
	assert_int_equal(again.queued_us, T0 + 7);
	assert_int_equal(again.started_us, 0);
	assert_int_equal(again.finished_us, 0);
	assert_int_equal(again.cancel_requested_us, 0);
}

static void test_conflict(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];

	insert_run(f, "one", 1, false, T0, NULL, ids);
	BEGIN(f);
	assert_int_equal(
		store_job_set_state(f->st, ids[0], STATE_RUNNING, STATE_FAILED, NULL, T0, &f->e),
		-ERR_CONFLICT);
	assert_non_null(strstr(f->e.msg, "cannot become failed: it is queued, not running"));
	COMMIT(f);
	assert_int_equal(state_of(f, ids[0]), STATE_QUEUED);
}

/* What the last commit published: "kind" of each, joined. */
static const char *kinds_of(struct fixture *f, int64_t *ret_first_seq)
{
	static char text[512];
	OWN(json_decrefp) json_t *events = store_take_events(f->st);
	size_t i;
	json_t *event;
	int64_t last = 0;

	text[0] = '\0';
	json_array_foreach(events, i, event) {
		size_t used = strlen(text);
		int64_t seq = json_get_int(event, "seq", 0);

		assert_true(seq > last);
		if (!i)
			*ret_first_seq = seq;
		last = seq;
		snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
			 json_get_str(event, "kind", "?"));
	}
	return text;
}

static void test_events_in_order(void **state)
{
	struct fixture *f = *state;
	char ids[2][ID_LEN];
	int64_t first = 0;

	insert_run(f, "pipe", 2, true, T0, NULL, ids);
	assert_string_equal(kinds_of(f, &first), "run_created job_created job_created");
	assert_int_equal(first, 1);
	assert_string_equal(kinds_of(f, &first), "");
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + 1);
	assert_string_equal(kinds_of(f, &first), "job_state run_state");
	assert_int_equal(first, 4);
	assert_int_equal(store_last_seq(f->st), 5);
	fixture_reopen(f);
	assert_int_equal(store_last_seq(f->st), 5);
}

static void test_event_shape(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[1][ID_LEN], expect[512];
	struct reason reason;

	insert_run(f, "one", 1, false, T0, run, ids);
	json_decref(store_take_events(f->st));
	reason_set(&reason, REASON_CANCELLED, "asked by \"me\"");
	BEGIN(f);
	OK(f, store_job_set_state(f->st, ids[0], STATE_QUEUED, STATE_CANCELLED, &reason,
				  T0 + 1500000, &f->e));
	COMMIT(f);
	OWN(json_decrefp) json_t *events = store_take_events(f->st);
	snprintf(expect, sizeof(expect),
		 "{\"at\":\"2023-11-14T22:13:21.500Z\",\"attempt\":0,\"from\":\"queued\","
		 "\"job\":\"%s\",\"job_kind\":\"train\",\"kind\":\"job_state\",\"name\":\"a0\","
		 "\"reason\":{\"code\":\"cancelled\",\"message\":\"asked by \\\"me\\\"\"},"
		 "\"run\":\"%s\",\"seq\":3,\"to\":\"cancelled\"}",
		 ids[0], run);
	assert_string_equal(text_of(json_incref(json_array_get(events, 0))), expect);
}

static void test_savepoint_drops_events(void **state)
{
	struct fixture *f = *state;
	char ids[2][ID_LEN];
	int64_t first = 0;

	insert_run(f, "two", 2, false, T0, NULL, ids);
	json_decref(store_take_events(f->st));
	BEGIN(f);
	OK(f, store_savepoint(f->st, &f->e));
	OK(f, store_job_set_priority(f->st, ids[0], 7, T0, &f->e));
	OK(f, store_release(f->st, &f->e));
	OK(f, store_savepoint(f->st, &f->e));
	OK(f, store_job_set_state(f->st, ids[0], STATE_QUEUED, STATE_STARTING, NULL, T0, &f->e));
	OK(f, store_job_set_held(f->st, ids[1], true, T0, &f->e));
	store_rollback_to(f->st);
	OK(f, store_job_set_held(f->st, ids[0], true, T0, &f->e));
	COMMIT(f);
	assert_string_equal(kinds_of(f, &first), "job_changed job_changed");
	assert_int_equal(first, 4);
	assert_int_equal(store_last_seq(f->st), 5);
	OWN(job_row_done) struct job_row a = job_of(f, ids[0]), b = job_of(f, ids[1]);
	assert_int_equal(a.state, STATE_QUEUED);
	assert_int_equal(a.priority, 7);
	assert_true(a.held);
	assert_int_equal(a.reason.code, REASON_HELD);
	assert_false(b.held);
}

static void test_rollback(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	int64_t first = 0;

	insert_run(f, "one", 1, false, T0, NULL, ids);
	json_decref(store_take_events(f->st));
	BEGIN(f);
	OK(f, store_job_set_state(f->st, ids[0], STATE_QUEUED, STATE_STARTING, NULL, T0, &f->e));
	store_rollback(f->st);
	assert_int_equal(store_last_seq(f->st), 2);
	assert_int_equal(state_of(f, ids[0]), STATE_QUEUED);
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0);
	assert_string_equal(kinds_of(f, &first), "job_state run_state");
	assert_int_equal(first, 3);
}

static void test_cancel_request(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	int64_t first = 0;

	insert_run(f, "one", 1, false, T0, NULL, ids);
	json_decref(store_take_events(f->st));
	BEGIN(f);
	OK(f, store_job_set_cancel_requested(f->st, ids[0], T0 + 1, &f->e));
	COMMIT(f);
	assert_string_equal(kinds_of(f, &first), "job_changed");
	BEGIN(f);
	OK(f, store_job_set_cancel_requested(f->st, ids[0], 0, &f->e));
	assert_int_equal(store_job_set_cancel_requested(f->st, "j0", 0, &f->e), -ERR_NOT_FOUND);
	COMMIT(f);
	assert_string_equal(kinds_of(f, &first), "");
	OWN(job_row_done) struct job_row row = job_of(f, ids[0]);
	assert_int_equal(row.cancel_requested_us, 0);
}

static void test_outputs(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	OWN(json_decrefp) json_t *outputs = json_pack("{s:s}", "model", "/x/model");

	insert_run(f, "one", 1, false, T0, NULL, ids);
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0);
	move(f, ids[0], STATE_STARTING, STATE_RUNNING, T0);
	BEGIN(f);
	OK(f, store_job_set_outputs(f->st, ids[0], outputs, &f->e));
	OK(f, store_job_set_state(f->st, ids[0], STATE_RUNNING, STATE_FAILED, NULL, T0, &f->e));
	COMMIT(f);
	OWN(job_row_done) struct job_row row = job_of(f, ids[0]);
	assert_string_equal(json_get_str(row.outputs, "model", ""), "/x/model");
	move(f, ids[0], STATE_FAILED, STATE_QUEUED, T0);
	OWN(job_row_done) struct job_row again = job_of(f, ids[0]);
	assert_int_equal(json_object_size(again.outputs), 0);
}

static void test_jobs_in_state(void **state)
{
	struct fixture *f = *state;
	OWN(job_rows_done) struct job_rows blocked = {0};

	insert_run(f, "pipe", 5, true, T0, NULL, NULL);
	OK(f, store_jobs_in_state(f->st, STATE_BLOCKED, &blocked, &f->e));
	assert_int_equal(blocked.n, 4);
	assert_string_equal(blocked.rows[3].name, "e0");
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_insert_and_get),
		CASE(test_reason_of_a_wait),
		CASE(test_absent),
		CASE(test_needs),
		CASE(test_job_times),
		CASE(test_conflict),
		CASE(test_events_in_order),
		CASE(test_event_shape),
		CASE(test_savepoint_drops_events),
		CASE(test_rollback),
		CASE(test_outputs),
		CASE(test_cancel_request),
		CASE(test_jobs_in_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
