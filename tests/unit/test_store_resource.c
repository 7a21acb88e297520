/* SPDX-License-Identifier: MIT */
/* storage/write/resource: resources, their states, events and log streams. */
#include "tests/unit/resource_fixture.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/tree.h"

#include <sys/stat.h>

static void move_resource(struct fixture *f, const char *id, enum resource_state from,
			  enum resource_state to, int64_t now_us)
{
	BEGIN(f);
	OK(f, store_resource_set_state(f->st, id, from, to, NULL, now_us, &f->e));
	COMMIT(f);
}

static void update_resource(struct fixture *f, const struct resource_row *row)
{
	BEGIN(f);
	OK(f, store_resource_update(f->st, row, T0, &f->e));
	COMMIT(f);
}

static void test_install_id(void **state)
{
	struct fixture *f = *state;
	char id[64];

	str_must_copy(id, sizeof(id), store_install_id(f->st));
	assert_int_equal(strlen(id), 16);
	assert_int_equal(strspn(id, "0123456789abcdef"), 16);
	fixture_reopen(f);
	assert_string_equal(store_install_id(f->st), id);
	store_close(f->st);
	f->st = NULL;
	assert_int_equal(tree_remove(AT_FDCWD, f->dir, NULL), 0);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	OK(f, store_open(f->dir, &f->st, &f->e));
	assert_string_not_equal(store_install_id(f->st), id);
}

static void fill_all(struct resource_row *row)
{
	row->wanted = false;
	str_must_copy(row->region, sizeof(row->region), "eu-west-1");
	str_must_copy(row->arn, sizeof(row->arn), "arn:aws:sagemaker:eu-west-1:1:training-job/x");
	row->answer = json_pack("{s:s}", "SecondaryStatus", "Training");
	str_must_copy(row->status, sizeof(row->status), "InProgress");
	reason_set(&row->reason, REASON_THROTTLED, "slow down");
	row->tries = 3;
	row->next_us = USEC_NEVER;
	row->sent_us = T0 + 1;
	row->asked_us = T0 + 2;
	row->log_size = INT64_MAX;
	row->present_us = T0 + 3;
	row->ended_us = T0 + 4;
}

static void assert_same(const struct resource_row *a, const struct resource_row *b)
{
	assert_string_equal(a->id, b->id);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->wanted, b->wanted);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->nonce, b->nonce);
	assert_string_equal(a->region, b->region);
	assert_string_equal(a->arn, b->arn);
	assert_string_equal(a->job, b->job);
	assert_int_equal(a->attempt, b->attempt);
	assert_string_equal(a->endpoint, b->endpoint);
	assert_true(a->request == b->request || json_equal(a->request, b->request));
	assert_true(a->answer == b->answer || json_equal(a->answer, b->answer));
	assert_string_equal(a->status, b->status);
	assert_int_equal(a->reason.code, b->reason.code);
	assert_string_equal(a->reason.message, b->reason.message);
	assert_int_equal(a->tries, b->tries);
	assert_int_equal(a->next_us, b->next_us);
	assert_int_equal(a->sent_us, b->sent_us);
	assert_int_equal(a->asked_us, b->asked_us);
	assert_int_equal(a->log_size, b->log_size);
	assert_int_equal(a->created_us, b->created_us);
	assert_int_equal(a->present_us, b->present_us);
	assert_int_equal(a->ended_us, b->ended_us);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];

	insert_run(f, "imdb", 1, false, T0, NULL, ids);
	OWN(resource_row_done)
	struct resource_row row = new_resource(RESOURCE_TRAINING_JOB, ids[0], "");
	insert_resource(f, &row);
	OWN(resource_row_done) struct resource_row got = sagemaker_of(f, row.id);
	assert_same(&got, &row);
	fill_all(&row);
	update_resource(f, &row);
	OWN(resource_row_done) struct resource_row updated = sagemaker_of(f, row.id);
	assert_same(&updated, &row);
	/* The same in one piece, and without an owner: adopted out of the account. */
	OWN(resource_row_done) struct resource_row adopted = new_resource(RESOURCE_MODEL, "", "");
	fill_all(&adopted);
	json_decref(TAKE(adopted.request));
	adopted.state = RESOURCE_PRESENT;
	insert_resource(f, &adopted);
	OWN(resource_row_done) struct resource_row other = sagemaker_of(f, adopted.id);
	assert_same(&other, &adopted);
}

static void test_live_names_are_unique(void **state)
{
	struct fixture *f = *state;
	OWN(resource_row_done) struct resource_row a = new_resource(RESOURCE_MODEL, "", "");
	OWN(resource_row_done) struct resource_row b = new_resource(RESOURCE_MODEL, "", "");
	OWN(resource_row_done)
	struct resource_row c = new_resource(RESOURCE_ENDPOINT_CONFIG, "", "");
	OWN(resource_rows_done) struct resource_rows live = {0};

	str_must_copy(b.name, sizeof(b.name), a.name);
	str_must_copy(c.name, sizeof(c.name), a.name);
	insert_resource(f, &a);
	insert_resource(f, &c); /* another kind */
	BEGIN(f);
	assert_int_equal(store_resource_insert(f->st, &b, &f->e), -ERR_EXISTS);
	assert_non_null(strstr(f->e.msg, a.name));
	store_rollback(f->st);
	str_must_copy(b.region, sizeof(b.region), "eu-west-1");
	insert_resource(f, &b); /* another region */
	move_resource(f, a.id, RESOURCE_PLANNED, RESOURCE_REFUSED, T0);
	OK(f, store_resource_live(f->st, &live, &f->e));
	assert_int_equal(live.n, 2);
	assert_string_equal(live.rows[0].id, c.id);
	assert_string_equal(live.rows[1].id, b.id);
}

static void test_states(void **state)
{
	struct fixture *f = *state;
	OWN(resource_row_done) struct resource_row row = new_resource(RESOURCE_MODEL, "", "");
	struct reason reason;

	insert_resource(f, &row);
	move_resource(f, row.id, RESOURCE_PLANNED, RESOURCE_PRESENT, T0 + 5);
	BEGIN(f);
	assert_int_equal(store_resource_set_state(f->st, row.id, RESOURCE_PLANNED, RESOURCE_PRESENT,
						  NULL, T0, &f->e),
			 -ERR_CONFLICT);
	assert_non_null(strstr(f->e.msg, "cannot become present: it is present, not planned"));
	assert_int_equal(store_resource_set_state(f->st, "c0", RESOURCE_PLANNED, RESOURCE_PRESENT,
						  NULL, T0, &f->e),
			 -ERR_NOT_FOUND);
	reason_set(&reason, REASON_LEASE_EXPIRED, "its lease has ended");
	OK(f, store_resource_set_state(f->st, row.id, RESOURCE_PRESENT, RESOURCE_ENDING, &reason,
				       T0 + 6, &f->e));
	COMMIT(f);
	OWN(resource_row_done) struct resource_row ending = sagemaker_of(f, row.id);
	assert_int_equal(ending.present_us, T0 + 5);
	assert_int_equal(ending.ended_us, 0);
	assert_int_equal(ending.reason.code, REASON_LEASE_EXPIRED);
	move_resource(f, row.id, RESOURCE_ENDING, RESOURCE_ENDED, T0 + 7);
	/* An update with what was read before the end undoes nothing of it. */
	ending.log_size = 5;
	update_resource(f, &ending);
	OWN(resource_row_done) struct resource_row gone = sagemaker_of(f, row.id);
	assert_int_equal(gone.state, RESOURCE_ENDED);
	assert_int_equal(gone.ended_us, T0 + 7);
	assert_int_equal(gone.log_size, 5);
}

static void test_events_reach_the_watchers_of_the_job(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[2][ID_LEN];
	json_t *event;

	insert_run(f, "imdb", 2, false, T0, run, ids);
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("imdb");
	memcpy(ep.run, run, ID_LEN);
	memcpy(ep.job, ids[1], ID_LEN);
	BEGIN(f);
	OK(f, store_endpoint_insert(f->st, &ep, &f->e));
	COMMIT(f);
	json_decref(store_take_events(f->st));
	OWN(resource_row_done)
	struct resource_row row = new_resource(RESOURCE_TRAINING_JOB, ids[0], "");
	insert_resource(f, &row);
	OWN(json_decrefp) json_t *events = events_of(f, "cloud");
	assert_int_equal(json_array_size(events), 1);
	event = json_array_get(events, 0);
	assert_string_equal(json_get_str(event, "run", ""), run);
	assert_string_equal(json_get_str(event, "job", ""), ids[0]);
	assert_string_equal(json_get_str(event, "cloud", ""), row.id);
	assert_string_equal(json_get_str(event, "resource", ""), "training_job");
	assert_string_equal(json_get_str(event, "name", ""), row.name);
	assert_string_equal(json_get_str(event, "state", ""), "planned");
	assert_int_equal(job_seq(f, ids[0]), json_get_int(event, "seq", 0));
	/* Only the endpoint is known: its deploy's watchers see it too. */
	OWN(resource_row_done)
	struct resource_row served = new_resource(RESOURCE_ENDPOINT, "", ep.id);
	insert_resource(f, &served);
	OWN(json_decrefp) json_t *more = events_of(f, "cloud");
	event = json_array_get(more, 0);
	assert_string_equal(json_get_str(event, "job", ""), ids[1]);
	assert_string_equal(json_get_str(event, "run", ""), run);
	assert_string_equal(json_get_str(event, "endpoint", ""), ep.id);
	assert_int_equal(job_seq(f, ids[1]), json_get_int(event, "seq", 0));
}

/* A change that nothing shows is silent; one that the job's answer shows raises its seq. */
static void test_polls_are_silent(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	int64_t seq;

	insert_run(f, "imdb", 1, false, T0, NULL, ids);
	OWN(resource_row_done)
	struct resource_row row = new_resource(RESOURCE_TRAINING_JOB, ids[0], "");
	insert_resource(f, &row);
	seq = store_last_seq(f->st);
	row.next_us = T0 + 5;
	row.asked_us = T0 + 4;
	row.tries = 1;
	update_resource(f, &row);
	assert_int_equal(store_last_seq(f->st), seq);
	row.answer = json_pack("{s:s}", "secondary_status", "Starting");
	update_resource(f, &row);
	assert_int_equal(job_seq(f, ids[0]), seq + 1);
	json_decref(row.answer);
	row.answer = json_pack("{s:s}", "secondary_status", "Starting");
	update_resource(f, &row);
	assert_int_equal(store_last_seq(f->st), seq + 1);
	str_must_copy(row.status, sizeof(row.status), "InProgress");
	update_resource(f, &row);
	assert_int_equal(job_seq(f, ids[0]), seq + 2);
	reason_set(&row.reason, REASON_CAPACITY, "no ml.p5.48xlarge is free");
	update_resource(f, &row);
	assert_int_equal(job_seq(f, ids[0]), seq + 3);
	row.wanted = false;
	update_resource(f, &row);
	assert_int_equal(job_seq(f, ids[0]), seq + 4);
}

static void test_streams(void **state)
{
	struct fixture *f = *state;
	OWN(resource_row_done)
	struct resource_row row = new_resource(RESOURCE_TRAINING_JOB, "", "");
	OWN(log_streams_done) struct log_streams none = {0}, some = {0};
	struct log_stream a = {.stream = "job/algo-2-1", .token = "t1"}, b = a;

	insert_resource(f, &row);
	OK(f, store_log_streams(f->st, row.id, &none, &f->e));
	assert_int_equal(none.n, 0);
	memset(a.token, 'x', sizeof(a.token) - 1);
	str_must_copy(b.stream, sizeof(b.stream), "job/algo-1-1");
	BEGIN(f);
	OK(f, store_log_stream_set(f->st, row.id, &b, 10, &f->e));
	OK(f, store_log_stream_set(f->st, row.id, &a, 20, &f->e));
	b.events = 7;
	str_must_copy(b.token, sizeof(b.token), "t2");
	OK(f, store_log_stream_set(f->st, row.id, &b, 30, &f->e));
	assert_int_equal(store_log_stream_set(f->st, "c0", &a, 1, &f->e), -ERR_NOT_FOUND);
	COMMIT(f);
	OK(f, store_log_streams(f->st, row.id, &some, &f->e));
	assert_int_equal(some.n, 2);
	assert_string_equal(some.items[0].stream, "job/algo-1-1");
	assert_string_equal(some.items[0].token, "t2");
	assert_int_equal(some.items[0].events, 7);
	assert_int_equal(strlen(some.items[1].token), sizeof(a.token) - 1);
	assert_int_equal(some.items[1].events, 0);
	/* The row as it was before the log grew does not make it shorter. */
	update_resource(f, &row);
	OWN(resource_row_done) struct resource_row got = sagemaker_of(f, row.id);
	assert_int_equal(got.log_size, 30);
}

static void test_of_job_and_endpoint(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("imdb");
	OWN(resource_rows_done) struct resource_rows job = {0}, endpoint = {0}, none = {0};
	char ids[1][ID_LEN];

	insert_run(f, "imdb", 1, false, T0, NULL, ids);
	BEGIN(f);
	OK(f, store_endpoint_insert(f->st, &ep, &f->e));
	COMMIT(f);
	for (int kind = RESOURCE_MODEL; kind <= RESOURCE_ENDPOINT; kind++) {
		OWN(resource_row_done)
		struct resource_row row = new_resource((enum resource_kind)kind, ids[0], ep.id);

		row.attempt = 2;
		insert_resource(f, &row);
	}
	OK(f, store_resource_of_job(f->st, ids[0], 2, &job, &f->e));
	assert_int_equal(job.n, 3);
	assert_int_equal(job.rows[2].kind, RESOURCE_ENDPOINT);
	OK(f, store_resource_of_job(f->st, ids[0], 1, &none, &f->e));
	assert_int_equal(none.n, 0);
	OK(f, store_resource_of_endpoint(f->st, ep.id, &endpoint, &f->e));
	assert_int_equal(endpoint.n, 3);
	/* An owner that is not there is refused. */
	OWN(resource_row_done) struct resource_row lost = new_resource(RESOURCE_MODEL, "j0", "");
	BEGIN(f);
	assert_int_equal(store_resource_insert(f->st, &lost, &f->e), -ERR_NOT_FOUND);
	store_rollback(f->st);
}

static void test_rollback(void **state)
{
	struct fixture *f = *state;
	OWN(resource_row_done) struct resource_row row = new_resource(RESOURCE_MODEL, "", "");
	OWN(resource_row_done) struct resource_row none = {0};
	OWN(json_decrefp) json_t *events = NULL;

	BEGIN(f);
	OK(f, store_savepoint(f->st, &f->e));
	OK(f, store_resource_insert(f->st, &row, &f->e));
	store_rollback_to(f->st);
	COMMIT(f);
	assert_int_equal(store_resource_get(f->st, row.id, &none, &f->e), -ERR_NOT_FOUND);
	events = events_of(f, "cloud");
	assert_int_equal(json_array_size(events), 0);
	assert_int_equal(store_last_seq(f->st), 0);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_install_id),
		CASE(test_round_trip),
		CASE(test_live_names_are_unique),
		CASE(test_states),
		CASE(test_events_reach_the_watchers_of_the_job),
		CASE(test_polls_are_silent),
		CASE(test_streams),
		CASE(test_of_job_and_endpoint),
		CASE(test_rollback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
