/* SPDX-License-Identifier: MIT */
/* storage/store_read: the shapes of answers, filters, metrics, places. */
#include "tests/unit/store_reader.h"

#include "base/str.h"

#include <math.h>
#include <string.h>

static void test_job_shape(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[2][ID_LEN], expect[1024];
	OWN(json_decrefp) json_t *progress = json_pack("{s:i, s:i}", "done", 3, "total", 9);
	struct reason reason;
	json_t *job = NULL;
	int attempt = 0;

	insert_run(f, "pipe", 2, true, T0, run, ids);
	reason_set(&reason, REASON_OOM, "12 GiB were asked for");
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + 1000000);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0 + 1000000, &attempt, &f->e));
	OK(f, store_attempt_set_progress(f->st, ids[0], 1, progress, &f->e));
	OK(f, store_job_set_state(f->st, ids[0], STATE_STARTING, STATE_FAILED, &reason,
				  T0 + 2000000, &f->e));
	COMMIT(f);
	assert_int_equal(attempt, 1);
	READER(f);
	OK(f, store_read_job(sr, ids[0], &job, &f->e));
	snprintf(expect, sizeof(expect),
		 "{\"attempt\":1,\"cancel_requested_at\":null,"
		 "\"created_at\":\"2023-11-14T22:13:20.000Z\","
		 "\"finished_at\":\"2023-11-14T22:13:22.000Z\",\"held\":false,\"id\":\"%s\","
		 "\"kind\":\"train\",\"name\":\"a0\",\"outputs\":{},\"priority\":0,"
		 "\"progress\":{\"done\":3,\"total\":9},"
		 "\"reason\":{\"code\":\"oom\",\"message\":\"12 GiB were asked for\"},"
		 "\"run\":\"%s\",\"seq\":6,\"spec\":{\"index\":0,\"kind\":\"train\"},"
		 "\"started_at\":\"2023-11-14T22:13:21.000Z\",\"state\":\"failed\","
		 "\"tags\":{\"team\":\"nlp\"},\"target\":\"local\"}",
		 ids[0], run);
	assert_string_equal(text_of(job), expect);
	OK(f, store_read_job(sr, ids[1], &job, &f->e));
	assert_null(json_object_get(job, "progress"));
	assert_true(json_is_null(json_object_get(job, "started_at")));
	json_decref(job);
	assert_int_equal(store_read_job(sr, "j1", &job, &f->e), -ERR_NOT_FOUND);
}

static void test_run_shape(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[2][ID_LEN], expect[2048];
	json_t *j = NULL;

	insert_run(f, "pipe", 2, true, T0, run, ids);
	READER(f);
	OK(f, store_read_run(sr, run, &j, &f->e));
	snprintf(expect, sizeof(expect),
		 "{\"created_at\":\"2023-11-14T22:13:20.000Z\",\"finished_at\":null,\"id\":\"%s\","
		 "\"jobs\":[{\"attempt\":0,\"created_at\":\"2023-11-14T22:13:20.000Z\","
		 "\"finished_at\":null,\"held\":false,\"id\":\"%s\",\"kind\":\"train\","
		 "\"name\":\"a0\",\"needs\":[],\"reason\":null,\"seq\":2,\"started_at\":null,"
		 "\"state\":\"queued\",\"target\":\"local\"},"
		 "{\"attempt\":0,\"created_at\":\"2023-11-14T22:13:20.000Z\","
		 "\"finished_at\":null,\"held\":false,\"id\":\"%s\",\"kind\":\"train\","
		 "\"name\":\"b0\",\"needs\":[\"a0\"],\"reason\":{\"code\":\"waiting_for_jobs\","
		 "\"message\":\"waits for a0\"},\"seq\":3,\"started_at\":null,"
		 "\"state\":\"blocked\",\"target\":\"local\"}],"
		 "\"name\":\"pipe\",\"seq\":3,\"started_at\":null,\"state\":\"queued\","
		 "\"tags\":{\"team\":\"nlp\"}}",
		 run, ids[0], ids[1]);
	assert_string_equal(text_of(j), expect);
	assert_int_equal(store_read_run(sr, "r1", &j, &f->e), -ERR_NOT_FOUND);
	assert_string_equal(f->e.msg, "there is no run 'r1'");
}

static const char *run_field(struct fixture *f, struct store_reader *sr, const char *run,
			     const char *key)
{
	json_t *j = NULL;

	OK(f, store_read_run(sr, run, &j, &f->e));
	json_t *value = json_incref(json_object_get(j, key));
	json_decref(j);
	return text_of(value);
}

static void test_run_follows_jobs(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[2][ID_LEN];

	insert_run(f, "two", 2, true, T0, run, ids);
	READER(f);
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + 1000000);
	assert_string_equal(run_field(f, sr, run, "state"), "\"running\"");
	assert_string_equal(run_field(f, sr, run, "started_at"), "\"2023-11-14T22:13:21.000Z\"");
	move(f, ids[0], STATE_STARTING, STATE_FAILED, T0 + 2000000);
	assert_string_equal(run_field(f, sr, run, "state"), "\"running\"");
	assert_string_equal(run_field(f, sr, run, "seq"), "6");
	move(f, ids[1], STATE_BLOCKED, STATE_SKIPPED, T0 + 3000000);
	assert_string_equal(run_field(f, sr, run, "state"), "\"failed\"");
	assert_string_equal(run_field(f, sr, run, "finished_at"), "\"2023-11-14T22:13:23.000Z\"");
	assert_string_equal(run_field(f, sr, run, "seq"), "8");
	move(f, ids[0], STATE_FAILED, STATE_QUEUED, T0 + 4000000);
	assert_string_equal(run_field(f, sr, run, "state"), "\"running\"");
	assert_string_equal(run_field(f, sr, run, "finished_at"), "null");
	assert_string_equal(run_field(f, sr, run, "started_at"), "\"2023-11-14T22:13:21.000Z\"");
}

static void test_progress_changes_etag(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[1][ID_LEN];
	int64_t seq, before, after;

	insert_run(f, "one", 1, false, T0, run, ids);
	READER(f);
	OK(f, store_read_versions(sr, &seq, &before, &f->e));
	BEGIN(f);
	OK(f, store_event(f->st, "log", NULL, ids[0], NULL, json_object(), T0, &f->e));
	OK(f, store_event(f->st, "progress", NULL, ids[0], NULL, json_object(), T0, &f->e));
	OK(f, store_event(f->st, "log", NULL, ids[0], NULL, json_object(), T0, &f->e));
	COMMIT(f);
	assert_string_equal(run_field(f, sr, run, "seq"), "4");
	OK(f, store_read_versions(sr, &seq, &after, &f->e));
	assert_int_equal(seq, 5);
	assert_int_equal(after, before); /* lists do not change */
	move(f, ids[0], STATE_QUEUED, STATE_CANCELLED, T0);
	OK(f, store_read_versions(sr, &seq, &after, &f->e));
	assert_true(after > before);
}

static const char *jobs_where(struct fixture *f, struct store_reader *sr, struct list_filter *lf)
{
	json_t *list = NULL;

	OK(f, list_read(store_read_jobs, sr, lf, &list, &f->e));
	return names_of(list);
}

static void test_job_filters(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[3][ID_LEN];

	insert_run(f, "first", 3, true, T0, run, ids);
	insert_run(f, "later", 1, false, T0 + 60000000, NULL, NULL);
	move(f, ids[0], STATE_QUEUED, STATE_CANCELLED, T0 + 1);
	READER(f);
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){0}), "a0 c0 b0 a0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.sort = "created_at"}),
			    "a0 b0 c0 a0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.run = run}), "c0 b0 a0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.name = "b0"}), "b0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.states = 1u << STATE_BLOCKED}),
			    "c0 b0");
	assert_string_equal(jobs_where(f, sr,
				       &(struct list_filter){.states = 1u << STATE_CANCELLED |
								       1u << STATE_QUEUED}),
			    "a0 a0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.kinds = 1u << JOB_DEPLOY}),
			    "");
	assert_string_equal(
		jobs_where(f, sr, &(struct list_filter){.target = TARGET_LOCAL + 1, .run = run}),
		"c0 b0 a0");
	assert_string_equal(
		jobs_where(f, sr, &(struct list_filter){.target = TARGET_SAGEMAKER + 1}), "");
	assert_string_equal(
		jobs_where(f, sr, &(struct list_filter){.created_after_us = T0 + 60000000}), "a0");
	assert_string_equal(
		jobs_where(f, sr, &(struct list_filter){.created_before_us = T0 + 60000000}),
		"c0 b0 a0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.tag = "team", .limit = 2}),
			    "a0 c0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.tag = "team:cv"}), "");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.tag = "it's \"x\""}), "");
}

static void test_runs_list(void **state)
{
	struct fixture *f = *state;
	json_t *list = NULL;
	char run[ID_LEN], ids[1][ID_LEN];

	insert_run(f, "first", 2, true, T0, NULL, NULL);
	insert_run(f, "second", 1, false, T0 + 1, run, ids);
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + 1);
	READER(f);
	OK(f, list_read(store_read_runs, sr, &(struct list_filter){0}, &list, &f->e));
	assert_string_equal(names_of(list), "second first");
	OK(f, list_read(store_read_runs, sr, &(struct list_filter){.states = 1u << RUN_QUEUED},
			&list, &f->e));
	assert_string_equal(names_of(list), "first");
	OK(f, list_read(store_read_runs, sr,
			&(struct list_filter){.name = "second", .with_short = true}, &list, &f->e));
	json_t *one = json_array_get(json_object_get(list, "items"), 0);
	assert_int_equal(json_object_size(one), 6);
	assert_true(json_is_null(json_object_get(list, "next_cursor")));
	assert_string_equal(names_of(list), "second");
	assert_int_equal(list_read(store_read_runs, sr, &(struct list_filter){.sort = "metrics.f1"},
				   &list, &f->e),
			 -ERR_INVALID);
}

static void test_short_form(void **state)
{
	struct fixture *f = *state;
	json_t *list = NULL;
	char ids[1][ID_LEN], expect[512];

	insert_run(f, "one", 1, false, T0, NULL, ids);
	READER(f);
	OK(f,
	   list_read(store_read_jobs, sr, &(struct list_filter){.with_short = true}, &list, &f->e));
	snprintf(expect, sizeof(expect),
		 "{\"items\":[{\"created_at\":\"2023-11-14T22:13:20.000Z\",\"finished_at\":null,"
		 "\"id\":\"%s\",\"name\":\"a0\",\"started_at\":null,\"state\":\"queued\"}],"
		 "\"next_cursor\":null}",
		 ids[0]);
	assert_string_equal(text_of(list), expect);
	OK(f, list_read(store_read_jobs, sr, &(struct list_filter){0}, &list, &f->e));
	json_t *one = json_array_get(json_object_get(list, "items"), 0);
	assert_null(json_object_get(one, "spec"));
	assert_non_null(json_object_get(one, "run"));
	json_decref(list);
}

static void add_metric(struct fixture *f, const char *job, int attempt, const char *name, double v)
{
	OWN(json_decrefp) json_t *values = json_pack("{s:f, s:f}", name, v, "loss", 0.5);

	OK(f, store_metric_insert(f->st, job, attempt, T0, 10, 0.25, values, &f->e));
}

static void test_sort_by_metric(void **state)
{
	struct fixture *f = *state;
	char ids[4][ID_LEN];
	int n;

	insert_run(f, "sweep", 4, false, T0, NULL, ids);
	BEGIN(f);
	for (int i = 0; i < 3; i++)
		OK(f, store_attempt_insert(f->st, ids[i], T0, &n, &f->e));
	add_metric(f, ids[0], 1, "f1", 0.9); /* a0: then less */
	add_metric(f, ids[0], 1, "f1", 0.2);
	add_metric(f, ids[1], 1, "f1", 0.7);
	add_metric(f, ids[2], 1, "f1", 0.8); /* c0: of an attempt that is not the last */
	OK(f, store_attempt_insert(f->st, ids[2], T0, &n, &f->e));
	COMMIT(f);
	assert_int_equal(n, 2);
	READER(f);
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.sort = "-metrics.f1"}),
			    "b0 a0 d0 c0");
	assert_string_equal(jobs_where(f, sr, &(struct list_filter){.sort = "metrics.f1"}),
			    "a0 b0 c0 d0");
}

static void test_metrics(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	json_t *j = NULL;
	int n;

	insert_run(f, "one", 1, false, T0, NULL, ids);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0, &n, &f->e));
	add_metric(f, ids[0], 1, "f1", 0.5);
	add_metric(f, ids[0], 1, "accuracy", 0.75);
	OWN(json_decrefp) json_t *values = json_pack("{s:s}", "loss", "NaN");
	OK(f, store_metric_insert(f->st, ids[0], 1, T0 + 1000, 11, NAN, values, &f->e));
	COMMIT(f);
	READER(f);
	OK(f, store_read_metrics(sr, ids[0], 0, "f1", 0, 0, &j, &f->e));
	assert_string_equal(text_of(j),
			    "{\"items\":[{\"at\":\"2023-11-14T22:13:20.000Z\",\"epoch\":0.25,"
			    "\"step\":10,\"values\":{\"f1\":0.5}}],\"next_since\":3}");
	OK(f, store_read_metrics(sr, ids[0], 1, NULL, 2, 0, &j, &f->e));
	assert_string_equal(text_of(j),
			    "{\"items\":[{\"at\":\"2023-11-14T22:13:20.001Z\",\"epoch\":null,"
			    "\"step\":11,\"values\":{\"loss\":\"NaN\"}}],\"next_since\":3}");
	OK(f, store_read_metrics(sr, ids[0], 0, NULL, 0, 2, &j, &f->e));
	assert_int_equal(json_get_int(j, "next_since", 0), 2);
	json_decref(j);
	OK(f, store_read_metrics(sr, ids[0], 2, NULL, 0, 0, &j, &f->e));
	assert_string_equal(text_of(j), "{\"items\":[],\"next_since\":0}");
	assert_int_equal(store_read_metrics(sr, "j1", 0, NULL, 0, 0, &j, &f->e), -ERR_NOT_FOUND);
	OK(f, store_read_metrics(sr, ids[0], 0, NULL, 0, STORE_METRICS_MAX, &j, &f->e));
	json_decref(j);
	assert_int_equal(
		store_read_metrics(sr, ids[0], 0, NULL, 0, STORE_METRICS_MAX + 1, &j, &f->e),
		-ERR_INVALID);
}

static void test_attempts_and_places(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	OWN(json_decrefp) json_t *exit = json_pack("{s:i}", "code", 3);
	struct execution_row x = {.attempt = 1, .dir = "/data/x1", .boot_id = "b", .cpus = 2};
	struct attempt_dir place;
	struct reason reason;
	json_t *j = NULL;
	int n;

	insert_run(f, "one", 1, false, T0, NULL, ids);
	READER(f);
	assert_int_equal(store_read_attempt_dir(sr, ids[0], 0, &place, &f->e), -ERR_NOT_FOUND);
	assert_int_equal(store_read_attempt_dir(sr, "j1", 0, &place, &f->e), -ERR_NOT_FOUND);
	reason_set(&reason, REASON_SCRIPT_ERROR, "exit status 3");
	id_new('x', x.id);
	memcpy(x.job, ids[0], ID_LEN);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0, &n, &f->e));
	COMMIT(f);
	OK(f, store_read_attempt_dir(sr, ids[0], 0, &place, &f->e));
	assert_string_equal(place.dir, "");
	assert_false(place.ended);
	BEGIN(f);
	OK(f, store_execution_insert(f->st, &x, &f->e));
	COMMIT(f);
	OK(f, store_read_attempt_dir(sr, ids[0], 0, &place, &f->e));
	assert_string_equal(place.dir, "/data/x1");
	assert_int_equal(place.attempt, 1);
	assert_int_equal(place.kind, JOB_TRAIN);
	assert_int_equal(place.job_state, STATE_QUEUED);
	assert_false(place.ended);
	BEGIN(f);
	OK(f, store_execution_set_state(f->st, x.id, EXECUTION_ENDED, 0, T0, &f->e));
	OK(f, store_attempt_set_state(f->st, ids[0], 1, ATTEMPT_RUNNING, NULL, T0 + 1000, &f->e));
	OK(f, store_attempt_set_state(f->st, ids[0], 1, ATTEMPT_FAILED, &reason, T0 + 2000, &f->e));
	OK(f, store_attempt_set_result(f->st, ids[0], 1, exit, NULL, &f->e));
	COMMIT(f);
	OK(f, store_read_attempt_dir(sr, ids[0], 1, &place, &f->e));
	assert_true(place.ended);
	assert_int_equal(store_read_attempt_dir(sr, ids[0], 2, &place, &f->e), -ERR_NOT_FOUND);
	OK(f, store_read_attempts(sr, ids[0], &j, &f->e));
	assert_string_equal(text_of(j),
			    "{\"items\":[{\"attempt\":1,\"created_at\":\"2023-11-14T22:13:20.000Z\""
			    ",\"exit\":{\"code\":3},\"finished_at\":\"2023-11-14T22:13:20.002Z\","
			    "\"reason\":{\"code\":\"script_error\",\"message\":\"exit status 3\"},"
			    "\"started_at\":\"2023-11-14T22:13:20.001Z\",\"state\":\"failed\"}]}");
	assert_int_equal(store_read_attempts(sr, "j1", &j, &f->e), -ERR_NOT_FOUND);
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	json_t *j = NULL;

	READER(f);
	OK(f, list_read(store_read_jobs, sr, &(struct list_filter){.limit = STORE_LIST_MAX}, &j,
			&f->e));
	assert_string_equal(text_of(j), "{\"items\":[],\"next_cursor\":null}");
	assert_int_equal(list_read(store_read_jobs, sr,
				   &(struct list_filter){.limit = STORE_LIST_MAX + 1}, &j, &f->e),
			 -ERR_INVALID);
	assert_int_equal(
		list_read(store_read_jobs, sr, &(struct list_filter){.limit = -1}, &j, &f->e),
		-ERR_INVALID);
	assert_int_equal(
		list_read(store_read_jobs, sr, &(struct list_filter){.sort = "name"}, &j, &f->e),
		-ERR_INVALID);
	assert_string_equal(f->e.msg, "sort is 'name'; use created_at or metrics.NAME, "
				      "with '-' before the name for the reverse order");
	text_of(NULL);
}

static void test_bad_bytes_in_reason(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	struct reason reason = {.code = REASON_SCRIPT_ERROR, .message = "caf\xc3\xa9 \xff\xc3"};
	json_t *j = NULL;

	insert_run(f, "one", 1, false, T0, NULL, ids);
	BEGIN(f);
	OK(f,
	   store_job_set_state(f->st, ids[0], STATE_QUEUED, STATE_CANCELLED, &reason, T0, &f->e));
	COMMIT(f);
	READER(f);
	OK(f, store_read_job(sr, ids[0], &j, &f->e));
	assert_string_equal(json_get_str(json_object_get(j, "reason"), "message", ""),
			    "caf\xc3\xa9 ??");
	json_decref(j);
	json_decref(store_take_events(f->st));
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_job_shape),	     CASE(test_run_shape),
		CASE(test_run_follows_jobs), CASE(test_progress_changes_etag),
		CASE(test_job_filters),	     CASE(test_runs_list),
		CASE(test_short_form),	     CASE(test_sort_by_metric),
		CASE(test_metrics),	     CASE(test_attempts_and_places),
		CASE(test_limits),	     CASE(test_bad_bytes_in_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
