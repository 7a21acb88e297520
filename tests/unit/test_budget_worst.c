/* SPDX-License-Identifier: MIT */
/* daemon/schedule/budget: worst cases of jobs and endpoints, and what never fits the caps. */
#include "tests/unit/budget_rig.h"

static void assert_worst(struct rig *rig, enum job_kind kind, const char *text, int64_t micro_usd,
			 const char *words)
{
	OWN(json_decrefp) json_t *spec = spec_of(text);
	char said[160] = "";
	struct err e = {0};
	int64_t got = -1;

	if (budget_worst_case(&rig->set, spec, kind, &got, said, sizeof(said), &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	assert_int_equal(got, micro_usd);
	assert_string_equal(said, words);
}

static void test_worst_cases(void **state)
{
	struct rig *rig = *state;

	assert_worst(rig, JOB_TRAIN,
		     "{\"max_runtime\":\"1h\",\"sagemaker\":{\"instance_type\":\"ml.g5.xlarge\"}}",
		     USD(1.408), "3600 s x 1 x ml.g5.xlarge at 1.408 USD/h");
	assert_worst(rig, JOB_SCRIPT,
		     "{\"max_runtime\":\"30m\",\"sagemaker\":{\"instance_type\":\"ml.g5.xlarge\","
		     "\"instance_count\":2,\"keep_alive\":\"30m\",\"spot\":true,"
		     "\"max_wait\":\"5h\",\"region\":\"eu-west-1\"}}",
		     USD(3.2384), "3600 s x 2 x ml.g5.xlarge at 1.6192 USD/h");
	/* Without max_runtime the service ends it after a day. */
	assert_worst(rig, JOB_TRAIN, "{\"sagemaker\":{\"instance_type\":\"ml.m5.xlarge\"}}",
		     USD(24 * 0.23), "86400 s x 1 x ml.m5.xlarge at 0.23 USD/h");
	assert_worst(rig, JOB_DEPLOY,
		     "{\"lease\":{\"ttl\":\"2h\"},\"max_runtime\":\"9h\","
		     "\"sagemaker\":{\"instance_type\":\"ml.m5.xlarge\",\"instance_count\":3}}",
		     USD(6 * 0.23), "7200 s x 3 x ml.m5.xlarge at 0.23 USD/h");
	assert_worst(rig, JOB_DEPLOY, "{\"sagemaker\":{\"instance_type\":\"ml.m5.xlarge\"}}",
		     USD(0.23), "3600 s x 1 x ml.m5.xlarge at 0.23 USD/h");
	assert_worst(rig, JOB_DEPLOY,
		     "{\"lease\":{\"ttl\":\"1h\"},\"sagemaker\":{\"serverless\":"
		     "{\"memory_mb\":3072,\"max_concurrency\":4,\"provisioned_concurrency\":1}}}",
		     USD(3600 * 15 * 0.00002), "3600 s x 5 x 3072 MB at 0.00002 USD/GB-s at most");
	/* A millisecond costs something: rounded up. */
	assert_worst(rig, JOB_DEPLOY,
		     "{\"lease\":{\"ttl\":\"1ms\"},"
		     "\"sagemaker\":{\"instance_type\":\"ml.m5.xlarge\"}}",
		     1, "1 s x 1 x ml.m5.xlarge at 0.23 USD/h");
	rig->set.aws_region = "";
	assert_worst(rig, JOB_TRAIN,
		     "{\"max_runtime\":\"1h\",\"sagemaker\":{\"instance_type\":\"ml.m5.xlarge\"}}",
		     USD(0.414), "3600 s x 1 x ml.m5.xlarge at 0.414 USD/h");
}

static void test_greatest(void **state)
{
	struct rig *rig = *state;
	OWN(json_decrefp)
	json_t *spec = spec_of("{\"max_runtime\":\"366d\",\"sagemaker\":"
			       "{\"instance_type\":\"ml.x\",\"instance_count\":100}}");
	char words[160];
	struct err e = {0};
	int64_t v;

	own_prices(rig, "ml.x=1000000000");
	assert_int_equal(
		budget_worst_case(&rig->set, spec, JOB_TRAIN, &v, words, sizeof(words), &e),
		-ERR_LIMIT);
	assert_non_null(strstr(e.msg, "more than 1000000000 US dollars"));
	own_prices(rig, "ml.x=1000");
	assert_int_equal(
		budget_worst_case(&rig->set, spec, JOB_TRAIN, &v, words, sizeof(words), &e), 0);
	assert_int_equal(v, USD(366.0 * 24 * 1000 * 100));
}

static json_t *problems_of(struct rig *rig, enum job_kind kind, enum job_target target,
			   const char *text)
{
	OWN(json_decrefp) json_t *spec = spec_of(text);
	struct job_spec job = {.kind = kind, .target = target, .spec = spec};
	json_t *problems = json_array();

	budget_check(&rig->set, &job, "/jobs/3", problems);
	return problems;
}

static void assert_problem(struct rig *rig, const char *text, const char *pointer, const char *code,
			   const char *words)
{
	OWN(json_decrefp) json_t *all = problems_of(rig, JOB_TRAIN, TARGET_SAGEMAKER, text);
	const json_t *one = json_array_get(all, 0);

	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(json_get_str(one, "pointer", ""), pointer);
	assert_string_equal(json_get_str(one, "code", ""), code);
	if (!strstr(json_get_str(one, "detail", ""), words))
		fail_msg("%s", json_get_str(one, "detail", ""));
}

#define G5_24H "{\"sagemaker\":{\"instance_type\":\"ml.g5.xlarge\",\"instance_count\":2}}"

static void test_never_fits(void **state)
{
	struct rig *rig = *state;
	struct err e = {0};
	json_t *none;

	assert_problem(
		rig, G5_24H, "/jobs/3/sagemaker/instance_type", "money_cap",
		"86400 s x 2 x ml.g5.xlarge at 1.408 USD/h: the worst case is 67.584 US dollars, "
		"and a job may cost 50.00 (money.job_max)");
	rig->set.money_job_max = MONEY_NONE;
	rig->set.money_day_max = USD(67.583999);
	assert_problem(rig, G5_24H, "/jobs/3/sagemaker/instance_type", "money_cap",
		       "a day may cost 67.583999 (money.day_max)");
	rig->set.money_day_max = USD(67.584);
	rig->set.money_month_max = 0;
	assert_problem(rig, G5_24H, "/jobs/3/sagemaker/instance_type", "money_cap",
		       "a month may cost 0.00 (money.month_max)");
	rig->set.money_month_max = USD(67.584);
	none = problems_of(rig, JOB_TRAIN, TARGET_SAGEMAKER, G5_24H);
	assert_int_equal(json_array_size(none), 0);
	json_decref(none);
	assert_problem(rig, "{\"sagemaker\":{\"instance_type\":\"ml.x9.large\"}}",
		       "/jobs/3/sagemaker/instance_type", "price_unknown", "money.prices");
	/* What costs nothing is not looked at. */
	none = problems_of(rig, JOB_TRAIN, TARGET_LOCAL,
			   "{\"sagemaker\":{\"instance_type\":\"q\"}}");
	assert_int_equal(json_array_size(none), 0);
	json_decref(none);
	none = problems_of(rig, JOB_PREPROCESS, TARGET_SAGEMAKER, G5_24H);
	assert_int_equal(json_array_size(none), 0);
	json_decref(none);
	rig->set.money_day_max = rig->set.money_month_max = MONEY_NONE;
	assert_false(budget_never_fits(&rig->set, MONEY_MAX, &e));
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_worst_cases),
		CASE(test_greatest),
		CASE(test_never_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
