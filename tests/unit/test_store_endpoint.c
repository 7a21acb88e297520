/* SPDX-License-Identifier: MIT */
/* storage/write/store: endpoints, their leases and names; executions. */
#include "tests/unit/store_reader.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/store_read.h"

#include <string.h>

static struct endpoint_row endpoint_of(struct fixture *f, const char *id)
{
	struct endpoint_row row = {0};

	OK(f, store_endpoint_get(f->st, id, &row, &f->e));
	return row;
}

static void insert_endpoint(struct fixture *f, const struct endpoint_row *row)
{
	BEGIN(f);
	OK(f, store_endpoint_insert(f->st, row, &f->e));
	COMMIT(f);
}

static void move_endpoint(struct fixture *f, const char *id, enum endpoint_state from,
			  enum endpoint_state to, int64_t now_us)
{
	BEGIN(f);
	OK(f, store_endpoint_set_state(f->st, id, from, to, NULL, now_us, &f->e));
	COMMIT(f);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");

	row.restarts = 2;
	row.not_before_us = 5;
	insert_endpoint(f, &row);
	OWN(endpoint_row_done) struct endpoint_row got = endpoint_of(f, row.id);
	assert_string_equal(got.name, "imdb");
	assert_int_equal(got.state, ENDPOINT_CREATING);
	assert_true(got.wanted);
	assert_string_equal(got.model, "/models/m");
	assert_string_equal(got.run, "");
	assert_true(json_equal(got.spec, row.spec));
	assert_null(got.result);
	assert_int_equal(got.lease_ttl_us, row.lease_ttl_us);
	assert_int_equal(got.lease_idle_us, row.lease_idle_us);
	assert_int_equal(got.restarts, 2);
	assert_int_equal(got.not_before_us, 5);
	assert_int_equal(got.created_us, T0);
}

static void test_name_is_unique_among_live(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row first = make_endpoint("imdb");
	OWN(endpoint_row_done) struct endpoint_row second = make_endpoint("imdb");
	OWN(endpoint_row_done) struct endpoint_row found = {0};
	OWN(endpoint_rows_done) struct endpoint_rows live = {0};

	insert_endpoint(f, &first);
	BEGIN(f);
	OK(f, store_savepoint(f->st, &f->e));
	assert_int_equal(store_endpoint_insert(f->st, &second, &f->e), -ERR_EXISTS);
	assert_string_equal(f->e.msg,
			    "an endpoint named 'imdb' is live; delete it or use another name");
	store_rollback_to(f->st);
	COMMIT(f);
	move_endpoint(f, first.id, ENDPOINT_CREATING, ENDPOINT_FAILED, T0);
	insert_endpoint(f, &second);
	OK(f, store_endpoint_find(f->st, "imdb", &found, &f->e));
	assert_string_equal(found.id, second.id);
	assert_int_equal(store_endpoint_find(f->st, "other", &found, &f->e), -ERR_NOT_FOUND);
	OK(f, store_endpoints_live(f->st, &live, &f->e));
	assert_int_equal(live.n, 1);
	/* A failed one cannot come back to life beside it. */
	BEGIN(f);
	assert_int_equal(store_endpoint_set_state(f->st, first.id, ENDPOINT_FAILED,
						  ENDPOINT_DELETING, NULL, T0, &f->e),
			 -ERR_EXISTS);
	assert_non_null(strstr(f->e.msg, "named 'imdb' is live"));
	store_rollback(f->st);
}

static void test_states_and_times(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");

	insert_endpoint(f, &row);
	move_endpoint(f, row.id, ENDPOINT_CREATING, ENDPOINT_IN_SERVICE, T0 + 5);
	OWN(endpoint_row_done) struct endpoint_row up = endpoint_of(f, row.id);
	assert_int_equal(up.in_service_us, T0 + 5);
	assert_int_equal(up.last_request_us, T0 + 5);
	assert_int_equal(up.ended_us, 0);
	BEGIN(f);
	assert_int_equal(store_endpoint_set_state(f->st, row.id, ENDPOINT_CREATING,
						  ENDPOINT_IN_SERVICE, NULL, T0, &f->e),
			 -ERR_CONFLICT);
	assert_string_equal(f->e.msg, "endpoint 'imdb' cannot become in_service: it is "
				      "in_service, not creating");
	assert_int_equal(store_endpoint_set_state(f->st, "e0", ENDPOINT_CREATING,
						  ENDPOINT_IN_SERVICE, NULL, T0, &f->e),
			 -ERR_NOT_FOUND);
	OK(f, store_endpoint_set_wanted(f->st, row.id, false, &f->e));
	COMMIT(f);
	move_endpoint(f, row.id, ENDPOINT_IN_SERVICE, ENDPOINT_DELETING, T0 + 6);
	move_endpoint(f, row.id, ENDPOINT_DELETING, ENDPOINT_DELETED, T0 + 7);
	OWN(endpoint_row_done) struct endpoint_row gone = endpoint_of(f, row.id);
	assert_int_equal(gone.ended_us, T0 + 7);
	assert_false(gone.wanted);
}

/* "kind" of the newest event of the last commits, and whether "ttl" is "2h". */
static json_t *newest_event(struct fixture *f)
{
	OWN(json_decrefp) json_t *events = store_take_events(f->st);

	return json_incref(json_array_get(events, json_array_size(events) - 1));
}

static void test_lease(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");
	OWN(json_decrefp) json_t *event = NULL;
	int64_t seq;

	insert_endpoint(f, &row);
	seq = store_last_seq(f->st);
	BEGIN(f);
	OK(f, store_endpoint_set_lease(f->st, row.id, row.lease_ttl_us, T0 + 9, T0 + 8, false, T0,
				       &f->e));
	COMMIT(f);
	assert_int_equal(store_last_seq(f->st), seq);
	BEGIN(f);
	OK(f, store_endpoint_set_lease(f->st, row.id, INT64_C(7200000000), T0 + 1000000, T0 + 8,
				       true, T0, &f->e));
	COMMIT(f);
	event = newest_event(f);
	assert_string_equal(json_get_str(event, "kind", ""), "endpoint_lease");
	assert_string_equal(json_get_str(event, "ttl", ""), "2h");
	assert_string_equal(json_get_str(event, "expires_at", ""), "2023-11-14T22:13:21.000Z");
	OWN(endpoint_row_done) struct endpoint_row got = endpoint_of(f, row.id);
	assert_int_equal(got.lease_until_us, T0 + 1000000);
	assert_int_equal(got.last_request_us, T0 + 8);
	BEGIN(f);
	assert_int_equal(store_endpoint_set_lease(f->st, "e0", 1, 1, 1, true, T0, &f->e),
			 -ERR_NOT_FOUND);
	store_rollback(f->st);
}

static void test_restart_and_result(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");
	OWN(json_decrefp) json_t *result = json_pack("{s:s}", "parity", "passed");
	OWN(json_decrefp) json_t *event = NULL;
	struct reason reason;

	insert_endpoint(f, &row);
	reason_set(&reason, REASON_RESTARTING, "the server ended with signal 9");
	BEGIN(f);
	OK(f, store_endpoint_set_result(f->st, row.id, result, &f->e));
	OK(f, store_endpoint_set_restart(f->st, row.id, 3, T0 + 77, &reason, T0, &f->e));
	COMMIT(f);
	event = newest_event(f);
	assert_string_equal(json_get_str(event, "kind", ""), "endpoint_changed");
	assert_int_equal(json_get_int(event, "restarts", 0), 3);
	OWN(endpoint_row_done) struct endpoint_row got = endpoint_of(f, row.id);
	assert_int_equal(got.restarts, 3);
	assert_int_equal(got.not_before_us, T0 + 77);
	assert_int_equal(got.reason.code, REASON_RESTARTING);
	assert_string_equal(got.reason.message, "the server ended with signal 9");
	assert_true(json_equal(got.result, result));
}

/* Jobs a0 (the deploy), b0, c0; b0's spec gets `endpoint`, then it ends. */
static bool needed_with(struct fixture *f, const char *endpoint)
{
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");
	struct run_spec *rs = make_run("pipe", 3, true);
	OWN(job_rows_done) struct job_rows jobs = {0};
	bool before = false, after = true;

	id_new('r', row.run);
	json_object_set_new(rs->jobs[1].spec, "endpoint", json_string(endpoint));
	BEGIN(f);
	OK(f, store_run_insert(f->st, rs, row.run, T0, NULL, &f->e));
	OK(f, store_jobs_of_run(f->st, row.run, &jobs, &f->e));
	memcpy(row.job, jobs.rows[0].id, ID_LEN);
	OK(f, store_endpoint_insert(f->st, &row, &f->e));
	OK(f, store_endpoint_needed(f->st, row.id, &before, &f->e));
	OK(f, store_job_set_state(f->st, jobs.rows[1].id, STATE_BLOCKED, STATE_CANCELLED, NULL, T0,
				  &f->e));
	OK(f, store_endpoint_needed(f->st, row.id, &after, &f->e));
	store_rollback(f->st);
	free_run(rs);
	assert_false(after);
	return before;
}

static void test_needed(void **state)
{
	struct fixture *f = *state;

	assert_true(needed_with(f, "imdb"));
	assert_true(needed_with(f, "${a0.endpoint}"));
	assert_false(needed_with(f, "other"));
	assert_false(needed_with(f, "${b0.endpoint}"));
}

static void test_read_shape(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row old = make_endpoint("imdb");
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");
	struct store_reader *sr = NULL;
	char expect[1024];
	json_t *j = NULL;

	insert_endpoint(f, &old);
	move_endpoint(f, old.id, ENDPOINT_CREATING, ENDPOINT_FAILED, T0);
	row.created_us = T0 - 1000000; /* the live one, though it sorts before */
	insert_endpoint(f, &row);
	move_endpoint(f, row.id, ENDPOINT_CREATING, ENDPOINT_IN_SERVICE, T0 + 1000000);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_endpoint(sr, "imdb", &j, &f->e));
	snprintf(expect, sizeof(expect),
		 "{\"created_at\":\"2023-11-14T22:13:19.000Z\",\"deleted_at\":null,"
		 "\"desired_state\":\"in_service\",\"id\":\"%s\","
		 "\"in_service_at\":\"2023-11-14T22:13:21.000Z\",\"job\":null,"
		 "\"lease\":{\"expires_at\":null,\"idle\":\"15m\",\"last_request_at\":null,"
		 "\"ttl\":\"1h\"},\"model\":\"/models/m\",\"name\":\"imdb\",\"reason\":null,"
		 "\"restarts\":0,\"run\":null,\"seq\":4,\"state\":\"in_service\","
		 "\"target\":\"local\"}",
		 row.id);
	assert_string_equal(text_of(j), expect);
	OK(f, list_read(store_read_endpoints, sr,
			&(struct list_filter){.states = 1u << ENDPOINT_FAILED}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 1);
	json_decref(j);
	OK(f, list_read(store_read_endpoints, sr,
			&(struct list_filter){.name = "imdb", .with_short = true}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 2);
	json_decref(j);
	assert_int_equal(store_read_endpoint(sr, "other", &j, &f->e), -ERR_NOT_FOUND);
	store_reader_close(sr);
}

/* ---- executions ---- */

static struct execution_row make_execution(const char *endpoint)
{
	struct execution_row x = {
		.dir = "/data/executions/x1",
		.boot_id = "b1",
		.cpus = 2,
		.devices = {3, 1},
		.device_uuids = {"GPU-3", "GPU-1"},
		.devices_n = 2,
		.gpu_memory_bytes = INT64_C(8) << 30,
		.deadline_us = T0 + 9,
	};

	id_new('x', x.id);
	str_must_copy(x.endpoint, sizeof(x.endpoint), endpoint);
	return x;
}

static void test_executions(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");
	OWN(execution_rows_done) struct execution_rows live = {0}, none = {0};
	struct execution_row x = make_execution(row.id), got;

	insert_endpoint(f, &row);
	BEGIN(f);
	OK(f, store_execution_insert(f->st, &x, &f->e));
	OK(f, store_execution_set_state(f->st, x.id, EXECUTION_RUNNING, 4312, T0 + 1, &f->e));
	OK(f, store_execution_set_offset(f->st, x.id, 8192, &f->e));
	COMMIT(f);
	OK(f, store_executions_live(f->st, &live, &f->e));
	assert_int_equal(live.n, 1);
	got = live.rows[0];
	assert_string_equal(got.id, x.id);
	assert_string_equal(got.job, "");
	assert_string_equal(got.endpoint, row.id);
	assert_string_equal(got.dir, x.dir);
	assert_string_equal(got.boot_id, "b1");
	assert_int_equal(got.state, EXECUTION_RUNNING);
	assert_int_equal(got.cpus, 2);
	assert_int_equal(got.devices_n, 2);
	assert_int_equal(got.devices[0], 3);
	assert_string_equal(got.device_uuids[1], "GPU-1");
	assert_int_equal(got.gpu_memory_bytes, x.gpu_memory_bytes);
	assert_int_equal(got.pid, 4312);
	assert_int_equal(got.events_offset, 8192);
	assert_int_equal(got.started_us, T0 + 1);
	assert_int_equal(got.deadline_us, T0 + 9);
	BEGIN(f);
	OK(f, store_execution_set_state(f->st, x.id, EXECUTION_ENDED, 0, T0 + 2, &f->e));
	COMMIT(f);
	OK(f, store_executions_live(f->st, &none, &f->e));
	assert_int_equal(none.n, 0);
}

static void test_execution_of_a_job(void **state)
{
	struct fixture *f = *state;
	struct execution_row x = make_execution(""), got;
	char run[ID_LEN], ids[1][ID_LEN];

	insert_run(f, "one", 1, false, T0, run, ids);
	assert_int_equal(store_execution_last(f->st, ids[0], &got, &f->e), -ERR_NOT_FOUND);
	str_must_copy(x.job, sizeof(x.job), ids[0]);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, x.job, T0, &x.attempt, &f->e));
	OK(f, store_execution_insert(f->st, &x, &f->e));
	OK(f, store_execution_set_state(f->st, x.id, EXECUTION_RUNNING, 4312, T0 + 1, &f->e));
	OK(f, store_execution_set_state(f->st, x.id, EXECUTION_ENDED, 0, T0 + 2, &f->e));
	COMMIT(f);
	OK(f, store_execution_last(f->st, x.job, &got, &f->e));
	assert_string_equal(got.id, x.id);
	assert_int_equal(got.pid, 4312);
	assert_int_equal(got.ended_us, T0 + 2);
}

static void test_execution_owner(void **state)
{
	struct fixture *f = *state;
	struct execution_row x = make_execution("e0");

	BEGIN(f);
	assert_int_equal(store_execution_insert(f->st, &x, &f->e), -ERR_NOT_FOUND);
	store_rollback(f->st);
	x.endpoint[0] = '\0';
	BEGIN(f);
	assert_int_equal(store_execution_insert(f->st, &x, &f->e), -ERR_INVALID);
	store_rollback(f->st);
}

static void test_endpoint_place(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row row = make_endpoint("imdb");
	struct execution_row x = make_execution(row.id);
	struct attempt_dir place;
	struct store_reader *sr = NULL;

	insert_endpoint(f, &row);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	assert_int_equal(store_read_endpoint_dir(sr, "imdb", &place, &f->e), -ERR_NOT_FOUND);
	BEGIN(f);
	OK(f, store_execution_insert(f->st, &x, &f->e));
	id_new('x', x.id);
	str_must_copy(x.dir, sizeof(x.dir), "/data/executions/x2");
	OK(f, store_execution_insert(f->st, &x, &f->e));
	COMMIT(f);
	OK(f, store_read_endpoint_dir(sr, "imdb", &place, &f->e));
	assert_string_equal(place.dir, "/data/executions/x2");
	assert_false(place.ended);
	store_reader_close(sr);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_round_trip),	       CASE(test_name_is_unique_among_live),
		CASE(test_states_and_times),   CASE(test_lease),
		CASE(test_restart_and_result), CASE(test_needed),
		CASE(test_read_shape),	       CASE(test_executions),
		CASE(test_read_shape),	       CASE(test_execution_of_a_job),
		CASE(test_execution_owner),    CASE(test_endpoint_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
