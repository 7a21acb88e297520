/* SPDX-License-Identifier: MIT */
/* storage/read/resource.c, storage/read/money.c: what jobs and endpoints show of SageMaker; costs.
 */
#include "tests/unit/resource_fixture.h"

#include "base/clock.h"
#include "base/money.h"
#include "storage/shape.h"

#define USD(n) ((n)*MICRO_USD_PER_USD)
#define DAY    (86400 * USEC_PER_SEC)

static void money(struct fixture *f, enum money_what what, const struct resource_row *row,
		  int64_t micro_usd, int64_t now_us)
{
	struct money_entry entry = {.what = what, .micro_usd = micro_usd, .words = "w"};

	str_must_copy(entry.resource, sizeof(entry.resource), row->id);
	str_must_copy(entry.job, sizeof(entry.job), row->job);
	str_must_copy(entry.endpoint, sizeof(entry.endpoint), row->endpoint);
	BEGIN(f);
	OK(f, store_money_add(f->st, &entry, now_us, &f->e));
	COMMIT(f);
}

static json_t *read_job(struct fixture *f, const char *id)
{
	struct store_reader *sr = NULL;
	json_t *job = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_job(sr, id, &job, &f->e));
	store_reader_close(sr);
	return job;
}

static void assert_part(json_t *all, const char *key, const char *text)
{
	assert_string_equal(text_of(json_incref(json_object_get(all, key))), text);
}

static void test_training_job(void **state)
{
	struct fixture *f = *state;
	char ids[2][ID_LEN], expect[1024];
	OWN(json_decrefp) json_t *local = NULL, *job = NULL, *retried = NULL;

	insert_run(f, "imdb", 2, false, T0, NULL, ids);
	local = read_job(f, ids[1]);
	assert_null(json_object_get(local, "sagemaker"));
	assert_null(json_object_get(local, "cost"));
	OWN(resource_row_done)
	struct resource_row row = new_resource(RESOURCE_TRAINING_JOB, ids[0], "");
	str_must_copy(row.name, sizeof(row.name), "trainyard-a");
	insert_resource(f, &row);
	money(f, MONEY_RESERVE, &row, USD(2), T0);
	str_must_copy(row.status, sizeof(row.status), "InProgress");
	row.answer = json_pack("{s:s, s:i, s:s, s:i, s:f}", "SecondaryStatus", "Training",
			       "BillableTimeInSeconds", 7, "TrainingJobStatus", "not this one",
			       "over_us", 5, "TrainingEndTime", 1700000000.25);
	reason_set(&row.reason, REASON_THROTTLED, "slow down");
	BEGIN(f);
	OK(f, store_resource_update(f->st, &row, T0, &f->e));
	COMMIT(f);
	job = read_job(f, ids[0]);
	assert_part(job, "cost", "{\"reserved_usd\":\"2.00\",\"settled_usd\":\"0.00\"}");
	snprintf(expect, sizeof(expect),
		 "{\"arn\":null,\"billable_seconds\":7,\"created_at\":\"2023-11-14T22:13:20.000Z\","
		 "\"ended_at\":null,\"reason\":{\"code\":\"throttled\",\"message\":\"slow down\"},"
		 "\"region\":\"us-east-1\",\"resources\":[{\"name\":\"trainyard-a\",\"reason\":"
		 "{\"code\":\"throttled\",\"message\":\"slow down\"},\"resource\":\"training_job\","
		 "\"state\":\"planned\",\"status\":\"InProgress\"}],"
		 "\"secondary_status\":\"Training\",\"state\":\"planned\","
		 "\"status\":\"InProgress\","
		 "\"training_ended_at\":\"2023-11-14T22:13:20.250Z\","
		 "\"training_job\":\"trainyard-a\"}");
	assert_part(job, "sagemaker", expect);
	/* A second attempt: its own description, the money of both. */
	money(f, MONEY_SETTLE, &row, -USD(1), T0);
	OWN(resource_row_done)
	struct resource_row again = new_resource(RESOURCE_TRAINING_JOB, ids[0], "");
	again.attempt = 2;
	str_must_copy(again.name, sizeof(again.name), "trainyard-b");
	insert_resource(f, &again);
	money(f, MONEY_RESERVE, &again, USD(3), T0);
	retried = read_job(f, ids[0]);
	assert_part(retried, "cost", "{\"reserved_usd\":\"3.00\",\"settled_usd\":\"1.00\"}");
	json_t *sagemaker = json_object_get(retried, "sagemaker");
	assert_string_equal(json_get_str(sagemaker, "training_job", ""), "trainyard-b");
	assert_null(json_object_get(sagemaker, "secondary_status"));
	assert_int_equal(json_array_size(json_object_get(sagemaker, "resources")), 1);
}

static void test_endpoint(void **state)
{
	struct fixture *f = *state;
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("imdb");
	static const char *const names[] = {"m1", "c1", "e1"};
	struct store_reader *sr = NULL;
	char ids[1][ID_LEN];
	json_t *j = NULL, *sagemaker;

	insert_run(f, "imdb", 1, false, T0, NULL, ids);
	memcpy(ep.job, ids[0], ID_LEN);
	BEGIN(f);
	OK(f, store_endpoint_insert(f->st, &ep, &f->e));
	COMMIT(f);
	for (int i = 0; i < 3; i++) {
		OWN(resource_row_done)
		struct resource_row row =
			new_resource((enum resource_kind)(RESOURCE_MODEL + i), ids[0], ep.id);

		str_must_copy(row.name, sizeof(row.name), names[i]);
		insert_resource(f, &row);
		if (row.kind == RESOURCE_ENDPOINT)
			money(f, MONEY_RESERVE, &row, 5, T0);
		if (row.kind != RESOURCE_MODEL)
			continue;
		BEGIN(f); /* over: no longer among what is there */
		OK(f, store_resource_set_state(f->st, row.id, RESOURCE_PLANNED, RESOURCE_REFUSED,
					       NULL, T0, &f->e));
		COMMIT(f);
	}
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_endpoint(sr, "imdb", &j, &f->e));
	sagemaker = json_object_get(j, "sagemaker");
	assert_string_equal(json_get_str(sagemaker, "model", ""), "m1");
	assert_string_equal(json_get_str(sagemaker, "endpoint_config", ""), "c1");
	assert_string_equal(json_get_str(sagemaker, "endpoint", ""), "e1");
	assert_string_equal(json_get_str(sagemaker, "state", ""), "planned");
	assert_int_equal(json_array_size(json_object_get(sagemaker, "resources")), 2);
	assert_part(j, "cost", "{\"reserved_usd\":\"0.000005\",\"settled_usd\":\"0.00\"}");
	json_decref(j);
	store_reader_close(sr);
}

/* Every part of the two descriptions, and values that are none. */
static void test_answers(void **state)
{
	static const char *const cases[][2] = {
		{"{}", "{}"},
		{"{\"TrainingStartTime\":\"soon\",\"TrainingEndTime\":-1,\"updating_to\":\"x\"}",
		 "{}"},
		{"{\"TrainingStartTime\":1e300}", "{}"},
		{"{\"SecondaryStatusTransitions\":[{\"Status\":\"Starting\",\"StartTime\":"
		 "1700000000,"
		 "\"EndTime\":1700000001.5,\"StatusMessage\":\"m\"},{\"Status\":\"Training\"}]}",
		 "{\"transitions\":[{\"ended_at\":\"2023-11-14T22:13:21.500Z\",\"message\":\"m\","
		 "\"started_at\":\"2023-11-14T22:13:20.000Z\",\"status\":\"Starting\"},"
		 "{\"status\":\"Training\"}]}"},
		{"{\"FinalMetricDataList\":[{\"MetricName\":\"loss\",\"Value\":0.5,\"Timestamp\":1}"
		 "],"
		 "\"ModelArtifacts\":{\"S3ModelArtifacts\":\"s3://b/model.tar.gz\"},"
		 "\"FailureReason\":\"AlgorithmError\",\"TrainingTimeInSeconds\":9}",
		 "{\"failure_reason\":\"AlgorithmError\",\"final_metrics\":{\"loss\":0.5},"
		 "\"model_artifacts\":\"s3://b/model.tar.gz\",\"training_seconds\":9}"},
		{"{\"ModelArtifacts\":{},\"WarmPoolStatus\":{\"Status\":\"Reused\","
		 "\"ResourceRetainedBillableTimeInSeconds\":3,\"ReusedByJob\":\"j\"}}",
		 "{\"warm_pool\":{\"retained_billable_seconds\":3,\"reused_by\":\"j\","
		 "\"status\":\"Reused\"}}"},
		{"{\"EndpointConfigName\":\"c\",\"ProductionVariants\":[{\"VariantName\":\"v\","
		 "\"CurrentInstanceCount\":1,\"DesiredInstanceCount\":2}]}",
		 "{\"config_in_use\":\"c\",\"variants\":[{\"desired_instances\":2,\"instances\":1,"
		 "\"name\":\"v\"}]}"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(json_decrefp) json_t *answer = NULL;

		OK(f, json_parse(cases[i][0], strlen(cases[i][0]), &answer, &f->e));
		assert_string_equal(text_of(shape_resource_answer(answer)), cases[i][1]);
	}
}

/* Two jobs over two days: the first one's is settled, the second one's endpoint is not. */
struct spent {
	char ids[2][ID_LEN], run[ID_LEN], endpoint[ID_LEN];
};

static struct spent spend(struct fixture *f)
{
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("imdb");
	struct spent s;

	insert_run(f, "imdb", 2, false, T0, s.run, s.ids);
	memcpy(s.endpoint, ep.id, ID_LEN);
	BEGIN(f);
	OK(f, store_endpoint_insert(f->st, &ep, &f->e));
	COMMIT(f);
	OWN(resource_row_done)
	struct resource_row a = new_resource(RESOURCE_TRAINING_JOB, s.ids[0], "");
	OWN(resource_row_done)
	struct resource_row b = new_resource(RESOURCE_ENDPOINT, s.ids[1], ep.id);
	str_must_copy(b.name, sizeof(b.name), "trainyard-b");
	insert_resource(f, &a);
	insert_resource(f, &b);
	money(f, MONEY_RESERVE, &a, USD(4), T0);
	money(f, MONEY_RESERVE, &b, USD(7), T0);
	money(f, MONEY_RESERVE, &b, USD(2), T0 + DAY);
	money(f, MONEY_SETTLE, &a, -USD(3), T0 + DAY);
	return s;
}

static void test_sums(void **state)
{
	struct fixture *f = *state;
	struct money_caps caps = {MONEY_NONE, USD(10), MONEY_NONE};
	struct store_reader *sr = NULL;
	json_t *j = NULL;

	(void)spend(f);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_money(sr, &caps, T0, &j, &f->e));
	assert_string_equal(text_of(j),
			    "{\"month\":{\"left_usd\":null,\"month\":\"2023-11\","
			    "\"reserved_usd\":\"9.00\",\"settled_usd\":\"1.00\","
			    "\"total_usd\":\"10.00\"},\"today\":{\"day\":\"2023-11-14\","
			    "\"left_usd\":\"2.00\",\"reserved_usd\":\"7.00\","
			    "\"settled_usd\":\"1.00\",\"total_usd\":\"8.00\"}}");
	caps.day = USD(7);
	OK(f, store_read_money(sr, &caps, T0, &j, &f->e));
	assert_string_equal(json_get_str(json_object_get(j, "today"), "left_usd", ""), "0.00");
	json_decref(j);
	store_reader_close(sr);
}

static void test_costs(void **state)
{
	struct fixture *f = *state;
	struct store_reader *sr = NULL;
	struct spent s = spend(f);
	char expect[1024];
	json_t *j = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_costs(sr, utc_day(T0), utc_day(T0) + 1, &j, &f->e));
	assert_part(j, "days",
		    "[{\"day\":\"2023-11-14\",\"reserved_usd\":\"7.00\",\"settled_usd\":\"1.00\","
		    "\"total_usd\":\"8.00\"},{\"day\":\"2023-11-15\",\"reserved_usd\":\"2.00\","
		    "\"settled_usd\":\"0.00\",\"total_usd\":\"2.00\"}]");
	snprintf(expect, sizeof(expect),
		 "[{\"job\":\"%s\",\"kind\":\"train\",\"name\":\"b0\",\"reserved_usd\":\"9.00\","
		 "\"run\":\"%s\",\"settled_usd\":\"0.00\",\"state\":\"queued\","
		 "\"total_usd\":\"9.00\"},{\"job\":\"%s\",\"kind\":\"train\",\"name\":\"a0\","
		 "\"reserved_usd\":\"0.00\",\"run\":\"%s\",\"settled_usd\":\"1.00\","
		 "\"state\":\"queued\",\"total_usd\":\"1.00\"}]",
		 s.ids[1], s.run, s.ids[0], s.run);
	assert_part(j, "jobs", expect);
	snprintf(expect, sizeof(expect),
		 "[{\"endpoint\":\"%s\",\"name\":\"imdb\",\"reserved_usd\":\"9.00\","
		 "\"settled_usd\":\"0.00\",\"state\":\"creating\",\"total_usd\":\"9.00\"}]",
		 s.endpoint);
	assert_part(j, "endpoints", expect);
	snprintf(expect, sizeof(expect),
		 "[{\"endpoint\":\"%s\",\"job\":\"%s\",\"name\":\"trainyard-b\","
		 "\"reserved_usd\":\"9.00\",\"resource\":\"endpoint\",\"settled_usd\":\"0.00\","
		 "\"since\":\"2023-11-14T22:13:20.000Z\",\"state\":\"planned\","
		 "\"total_usd\":\"9.00\"}]",
		 s.endpoint, s.ids[1]);
	assert_part(j, "open", expect);
	json_decref(j);
	/* A range before all of it: only what is open is of any day. */
	OK(f, store_read_costs(sr, 0, utc_day(T0) - 1, &j, &f->e));
	assert_part(j, "days", "[]");
	assert_part(j, "jobs", "[]");
	assert_int_equal(json_array_size(json_object_get(j, "open")), 1);
	json_decref(j);
	store_reader_close(sr);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_training_job), CASE(test_endpoint), CASE(test_answers),
		CASE(test_sums),	 CASE(test_costs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
