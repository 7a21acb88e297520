/* SPDX-License-Identifier: MIT */
/* jobs/spec/spec: jobs whose target is SageMaker: what they get by default, what is refused and
 * what is only warned of. */
#include "tests/unit/spec_sagemaker.h"

static const json_t *job_field(const struct run_spec *rs, size_t i, const char *key)
{
	return json_object_get(rs->jobs[i].spec, key);
}

/* Every kind takes the word; where each runs is another matter. */
static void test_every_kind(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		RUN("{'kind': 'preprocess', " THERE ", 'model': 'm', 'dataset': {'path': 'd'}},"
		    "{'kind': 'train', " THERE ", 'model': 'm', 'channels': {'train': "
		    "'${preprocess.train}'}, 'sagemaker': {" SM_MIN "}},"
		    "{'kind': 'evaluate', " THERE ", 'model': '${train.model}', 'data': "
		    "'${preprocess.test}'},"
		    "{'kind': 'deploy', " THERE ", 'model': '${train.model}', 'endpoint': 'e', "
		    "'sagemaker': {" SM_MIN "}},"
		    "{'kind': 'predict', " THERE ", 'endpoint': '${deploy.endpoint}', 'inputs': "
		    "'x'},"
		    "{'kind': 'delete-endpoint', " THERE ", 'endpoint': '${deploy.endpoint}'},"
		    "{'kind': 'upload', " THERE ", 'source': '${preprocess.train}', 'destination': "
		    "'s3://abc/x/'},"
		    "{'kind': 'download', " THERE ", 'source': '${train.model}'},"
		    "{'kind': 'script', " THERE ", 'entry_point': 'a.py', 'source_dir': 'd', "
		    "'channels': {'in': '${upload.uri}'}, 'sagemaker': {" SM_MIN "}}"),
		&fixture_context);

	assert_int_equal(rs->jobs_n, 9);
	for (size_t i = 0; i < rs->jobs_n; i++)
		assert_int_equal(rs->jobs[i].target, TARGET_SAGEMAKER);
	assert_int_equal(json_array_size(rs->warnings), 0);
}

static void test_the_documented_pipeline_moves(void **state)
{
	OWN(json_decrefp) json_t *body = fixture_json(fixture_pipeline), *problems = json_array();
	OWN(run_spec_freep) struct run_spec *rs = NULL;
	struct spec_context ctx = fixture_context;
	struct err e = {0};
	size_t i;
	json_t *job;

	json_array_foreach(json_object_get(body, "jobs"), i, job)
		json_object_set_new(job, "target", json_string("sagemaker"));
	/* its deploy names no role */
	assert_int_equal(run_spec_parse(body, &ctx, &rs, problems, &e), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), 1);
	assert_true(fixture_has(problems, "/jobs/2/sagemaker/role", "missing", "aws.role"));
	ctx.aws_role_default = true;
	json_array_clear(problems);
	if (run_spec_parse(body, &ctx, &rs, problems, &e) < 0)
		fail_msg("%s: %s", e.field, e.msg);
	assert_string_equal(json_get_str(rs->jobs[1].spec, "max_runtime", ""), "1d");
	assert_null(job_field(rs, 2, "max_runtime")); /* an endpoint has a lease */
	assert_string_equal(json_get_str(job_field(rs, 2, "lease"), "ttl", ""), "1h");
	assert_int_equal(json_get_int(job_field(rs, 1, "local"), "gpus", 0), 0);
}

static void test_defaults(void **state)
{
	struct spec_context ctx = fixture_context;

	ctx.max_runtime_default_us = 3600 * USEC_PER_SEC;
	ctx.native = false; /* the container has an engine of its own */
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(CLOUD(SM_MIN ", 'spot': true"), &ctx);
	OWN(run_spec_freep)
	struct run_spec *here = fixture_good(
		RUN(SCRIPT(", 'sagemaker': {'spot': true}, 'max_runtime': '90m'")), &ctx);

	assert_string_equal(json_get_str(rs->jobs[0].spec, "max_runtime", ""), "1h");
	assert_string_equal(json_get_str(job_field(rs, 0, "sagemaker"), "max_wait", ""), "2h");
	assert_string_equal(json_get_str(job_field(here, 0, "sagemaker"), "max_wait", ""), "3h");
}

/* What this machine lacks does not matter there. */
static void test_local_is_not_asked(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		RUN(TRAIN(", " THERE ", 'sagemaker': {" SM_MIN "}, 'local': {'gpus': 8, "
			  "'gpu_memory': '80GiB', 'cpus': 64}")),
		&fixture_context);

	assert_int_equal(json_get_int(job_field(rs, 0, "local"), "gpus", 0), 8);
}

static void test_needed(void **state)
{
	static const struct refusal cases[] = {
		{CLOUD("'role': 'R'"), "/jobs/0/sagemaker/instance_type", "missing",
		 "such as ml.g5.xlarge"},
		{CLOUD("'instance_type': 'ml.g5.xlarge'"), "/jobs/0/sagemaker/role", "missing",
		 "give 'sagemaker.role'"},
		{SAGEMAKER_DEPLOY("'role': 'R'"), "/jobs/0/sagemaker/instance_type", "missing",
		 "or 'sagemaker.serverless'"},
		{RUN(SCRIPT(", " THERE ", 'sagemaker': {'role': 'R'}")),
		 "/jobs/0/sagemaker/instance_type", "missing", "on SageMaker the job needs"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_forms(void **state)
{
	static const struct refusal cases[] = {
		{SM("'role': 'arn:aws:iam::12345678901:role/R'"), "/jobs/0/sagemaker/role",
		 "invalid", "is not the ARN of an IAM role; write one such as arn:aws:iam::"},
		{SM("'role': 'arn:aws:iam::1234567890123:role/R'"), "/jobs/0/sagemaker/role",
		 "invalid", "is not the ARN"},
		{SM("'role': 'arn:aws:iam::123456789012:user/R'"), "/jobs/0/sagemaker/role",
		 "invalid", "is not the ARN"},
		{SM("'role': 'arn:aws:iam::123456789012:role/'"), "/jobs/0/sagemaker/role",
		 "invalid", "is not the ARN"},
		{SM("'role': 'arn:aws:sts::123456789012:role/R'"), "/jobs/0/sagemaker/role",
		 "invalid", "is not the ARN"},
		{SM("'role': 'arn:AWS:iam::123456789012:role/R'"), "/jobs/0/sagemaker/role",
		 "invalid", "is not the ARN"},
		{SM("'role': 'my role'"), "/jobs/0/sagemaker/role", "invalid", "or its whole ARN"},
		{SM("'role': 'a/b'"), "/jobs/0/sagemaker/role", "invalid", "or its whole ARN"},
		{SM("'image': 'docker image'"), "/jobs/0/sagemaker/image", "invalid",
		 "container image"},
		{SM("'image': 'https://host/x'"), "/jobs/0/sagemaker/image", "invalid",
		 "container image"},
		{SM("'image': 'pytorch'"), "/jobs/0/sagemaker/image", "invalid", "container image"},
		{SM("'region': 'us-east'"), "/jobs/0/sagemaker/region", "invalid",
		 "such as us-east-1"},
		{SM("'region': 'us east 1'"), "/jobs/0/sagemaker/region", "invalid",
		 "not an AWS region"},
		{SM("'region': 'east-1'"), "/jobs/0/sagemaker/region", "invalid",
		 "not an AWS region"},
		{SM("'region': 'us-east-1a'"), "/jobs/0/sagemaker/region", "invalid",
		 "not an AWS region"},
		{SM("'kms_key': 'my key'"), "/jobs/0/sagemaker/kms_key", "invalid", "a KMS key"},
		{SM("'vpc': {'subnets': ['subnet 1'], 'security_groups': ['sg-1']}"),
		 "/jobs/0/sagemaker/vpc/subnets/0", "invalid", "such as subnet-0a1b2c3d"},
		{RUN(TRAIN(", 'checkpoint': {'path': 'ckpt'}")), "/jobs/0/checkpoint/path",
		 "invalid", "absolute path in the container"},
		{RUN(TRAIN(", 'checkpoint': {'s3': '/x'}")), "/jobs/0/checkpoint/s3", "invalid",
		 "write s3://bucket/key"},
		{RUN(TRAIN(", 'checkpoint': {'s3': 's3://abc/x/'}")), "/jobs/0/checkpoint/s3",
		 "unsupported", "the next attempt finds"},
		{RUN(SCRIPT(", 'checkpoint': {'path': '/mine'}")), "/jobs/0/checkpoint/path",
		 "unsupported", "are those in /opt/ml/checkpoints"},
		{RUN(TRAIN(", " THERE ", 'sagemaker': {" SM_MIN
			   "}") ",{'kind': 'upload', 'source': '${t.metrics}', 'destination': "
				"'s3://abc/m'}"),
		 "/jobs/1/source", "invalid", "is not a file when job 't' runs on SageMaker"},
		{RUN(DEPLOY(", 'checkpoint': {}")), "/jobs/0/checkpoint", "unknown_field",
		 "a field of train jobs"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_good_forms(void **state)
{
	static const char *const good[] = {
		"'role': 'SageMakerMain'",
		"'role': 'a.b_c+d=e,f@g-h'",
		"'role': 'arn:aws:iam::123456789012:role/SageMakerMain'",
		"'role': 'arn:aws-us-gov:iam::123456789012:role/service-role/x.y@z'",
		"'region': 'us-east-1'",
		"'region': 'us-gov-west-1'",
		"'region': 'eu-isoe-west-12'",
		"'image': '763104351884.dkr.ecr.us-east-1.amazonaws.com/name:tag'",
		"'image': 'transformers4.49'",
		"'kms_key': 'alias/my_key'",
		"'kms_key': 'arn:aws:kms:us-east-1:123456789012:key/1234-abcd'",
		"'instance_count': 100",
		"'keep_alive': '6h'",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char text[512];

		snprintf(text, sizeof(text), SM("%s"), good[i]);
		run_spec_free(fixture_good(text, &fixture_context));
	}
}

/* What an endpoint has nothing of. */
static void test_endpoints_have_none(void **state)
{
	static const struct refusal cases[] = {
		{RUN(DEPLOY(", 'max_runtime': '1h'")), "/jobs/0/max_runtime", "unsupported",
		 "a lease"},
		{RUN(PREDICT(", 'inputs': 'x', 'max_runtime': '1h'")), "/jobs/0/max_runtime",
		 "unsupported", "a request has predict.timeout_ms"},
		{RUN(DEPLOY(", 'parameters': {'top_k': 2}")), "/jobs/0/parameters", "unsupported",
		 "with each request"},
	};
	struct spec_context ctx = fixture_context;

	check_all(cases, ARRAY_LEN(cases));
	ctx.max_runtime_default_us = 3600 * USEC_PER_SEC;
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(RUN(DEPLOY("") "," PREDICT(", 'inputs': 'x'")), &ctx);

	assert_null(job_field(rs, 0, "max_runtime"));
	assert_null(job_field(rs, 1, "max_runtime"));
}

/* What contradicts itself, on both targets. */
static void test_contradictions(void **state)
{
	static const struct refusal cases[] = {
		{SM("'serverless': {}"), "/jobs/0/sagemaker/serverless", "invalid",
		 "for deploy jobs"},
		{RUN(DEPLOY(", 'sagemaker': {'serverless': {'memory_mb': 7000}}")),
		 "/jobs/0/sagemaker/serverless/memory_mb", "out_of_range", "between 1024 and 6144"},
		{RUN(DEPLOY(", 'sagemaker': {'serverless': {'memory_mb': 2000}}")),
		 "/jobs/0/sagemaker/serverless/memory_mb", "invalid", "1024, 2048, 3072"},
		{RUN(DEPLOY(", 'sagemaker': {'serverless': {}, 'instance_count': 2}")),
		 "/jobs/0/sagemaker/serverless", "invalid", "no 'instance_count'"},
		{SAGEMAKER_DEPLOY(SM_MIN ", 'serverless': {}"), "/jobs/0/sagemaker/serverless",
		 "invalid", "serverless or has an 'instance_type'"},
		{RUN(DEPLOY(", 'sagemaker': {'serverless': {'provisioned_concurrency': 6}}")),
		 "/jobs/0/sagemaker/serverless/provisioned_concurrency", "out_of_range",
		 "more than 'max_concurrency'"},
		{RUN(DEPLOY(", 'sagemaker': {'serverless': {}, 'vpc': {'subnets': ['a'], "
			    "'security_groups': ['b']}}")),
		 "/jobs/0/sagemaker/vpc", "invalid", "cannot be in a VPC"},
		{RUN(DEPLOY(", 'sagemaker': {'serverless': {}, 'volume_gb': 10}")),
		 "/jobs/0/sagemaker/volume_gb", "invalid", "no disk to size"},
		{RUN(DEPLOY(", 'sagemaker': {'spot': true}")), "/jobs/0/sagemaker/spot", "invalid",
		 "for training"},
		{RUN(DEPLOY(", 'sagemaker': {'keep_alive': '1h'}")), "/jobs/0/sagemaker/keep_alive",
		 "invalid", "for training"},
		{RUN(DEPLOY(", 'sagemaker': {'volume_gb': 513}")), "/jobs/0/sagemaker/volume_gb",
		 "out_of_range", "at most 512"},
		{SM("'max_wait': '2h'"), "/jobs/0/sagemaker/max_wait", "invalid", "add 'spot'"},
		{SM("'spot': true, 'max_wait': '23h'"), "/jobs/0/sagemaker/max_wait",
		 "out_of_range", "at least max_runtime, which is 1d"},
		{RUN(TRAIN(", 'max_runtime': '2h', 'sagemaker': {'spot': true, 'max_wait': "
			   "'119m'}")),
		 "/jobs/0/sagemaker/max_wait", "out_of_range", "which is 2h"},
		{SM("'spot': true, 'keep_alive': '1h'"), "/jobs/0/sagemaker/keep_alive", "invalid",
		 "cannot be kept warm"},
		{RUN(DEPLOY(", 'dtype': 'bf16', " THERE ", 'sagemaker': {" SM_MIN "}")),
		 "/jobs/0/dtype", "unsupported", "works on this machine only"},
		{RUN(DEPLOY(", 'dtype': 'auto', " THERE ", 'sagemaker': {" SM_MIN "}")),
		 "/jobs/0/dtype", "unsupported", "remove 'dtype'"},
	};

	check_all(cases, ARRAY_LEN(cases));
	run_spec_free(fixture_good(RUN(DEPLOY(", 'dtype': 'auto'")), &fixture_context));
	run_spec_free(
		fixture_good(RUN(DEPLOY(", 'dtype': 'fp32', " THERE ", 'sagemaker': {" SM_MIN "}")),
			     &fixture_context));
	run_spec_free(fixture_good(RUN(TRAIN(", 'max_runtime': '2h', 'sagemaker': {'spot': true, "
					     "'max_wait': '2h'}")),
				   &fixture_context));
	run_spec_free(fixture_good(RUN(DEPLOY(", 'sagemaker': {'serverless': "
					      "{'provisioned_concurrency': 5}}")),
				   &fixture_context));
	run_spec_free(fixture_good(RUN(DEPLOY(", 'on_existing': 'update'")), &fixture_context));
	run_spec_free(fixture_good(
		RUN(DEPLOY(", 'on_existing': 'update', " THERE ", 'sagemaker': {" SM_MIN "}")),
		&fixture_context));
	run_spec_free(
		fixture_good(RUN(DEPLOY(", 'sagemaker': {'volume_gb': 512}")), &fixture_context));
}

/* The builders' own refusals are heard at the submit. */
static void test_the_request_is_tried(void **state)
{
	static const struct refusal cases[] = {
		{CLOUD("'instance_type': 'ml.m5.xlarge', 'role': 'R'"),
		 "/jobs/0/sagemaker/instance_type", "invalid", "sagemaker.image"},
		{CLOUD(SM_MIN ", 'image': 'transformers9.9'"), "/jobs/0/sagemaker/image", "invalid",
		 "9.9"},
		{SAGEMAKER_SCRIPT(", 'hyperparameters': {'sagemaker_program': 'x'}"),
		 "/jobs/0/hyperparameters/sagemaker_program", "invalid", "set by the daemon"},
		{SAGEMAKER_SCRIPT(", 'model': 'm', 'channels': {'model': 'c'}"), "/jobs/0/channels",
		 "duplicate", "is the channel 'model'"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

/* Where Hugging Face has no training images: said of the region that the job would have. */
static void test_the_region_counts(void **state)
{
	OWN(json_decrefp) json_t *body = fixture_json(CLOUD(SM_MIN)), *problems = json_array();
	OWN(run_spec_freep) struct run_spec *rs = NULL;
	struct spec_context ctx = fixture_context;

	ctx.aws_region = "eu-west-1";
	run_spec_free(fixture_good(CLOUD(SM_MIN), &ctx));
	ctx.aws_region = "eu-central-2";
	assert_int_equal(run_spec_parse(body, &ctx, &rs, problems, NULL), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), 1);
	assert_non_null(
		strstr(json_get_str(json_array_get(problems, 0), "detail", ""), "eu-central-2"));
	run_spec_free(fixture_good(CLOUD(SM_MIN ", 'region': 'us-west-2'"), &ctx));
}

static void test_warnings(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *bad = fixture_good(
		SAGEMAKER_SCRIPT(
			", 'hyperparameters': {'a': 'two words', 'b': '$(x)', 'c': '', 'd': "
			"[1, 2], 'e': null, 'f': 'a;b'}"),
		&fixture_context);
	OWN(run_spec_freep)
	struct run_spec *good = fixture_good(
		SAGEMAKER_SCRIPT(", 'hyperparameters': {'a': 'word', 'b': 1e-5, 'c': true, 'd': "
				 "'a/b_c.d-e=f,g'}"),
		&fixture_context);
	OWN(run_spec_freep)
	struct run_spec *here = fixture_good(
		RUN(SCRIPT(", 'hyperparameters': {'a': 'two words'}, 'checkpoint': {'path': "
			   "'/opt/ml/checkpoints'}") "," TRAIN(", 'checkpoint': {'path': '/x'}")),
		&fixture_context);

	assert_int_equal(json_array_size(bad->warnings), 6);
	assert_string_equal(json_get_str(json_array_get(bad->warnings, 0), "pointer", ""),
			    "/jobs/0");
	assert_non_null(strstr(json_get_str(json_array_get(bad->warnings, 0), "detail", ""),
			       "hyperparameter 'a'"));
	assert_int_equal(json_array_size(good->warnings), 0);
	assert_int_equal(json_array_size(here->warnings), 1); /* its arguments are quoted here */
	assert_string_equal(json_get_str(json_array_get(here->warnings, 0), "pointer", ""),
			    "/jobs/1/checkpoint/path");
}

/* What is said of a kind that this machine does whatever its target. */
static void test_unused_blocks(void **state)
{
	static const struct {
		const char *job, *pointer; /* NULL: all of it is used */
	} cases[] = {
		{"{'kind': 'upload', 'source': 'd', 'destination': 's3://abc/d/'", NULL},
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd'}", NULL},
		{"{'kind': 'download', 'source': 's3://abc/d/'", "/jobs/0/sagemaker/kms_key"},
		{"{'kind': 'predict', 'endpoint': 'e', 'inputs': 'x'", "/jobs/0/sagemaker/kms_key"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[512];

		snprintf(text, sizeof(text), RUN("%s, " THERE ", 'sagemaker': {'kms_key': 'k'}}"),
			 cases[i].job);
		OWN(run_spec_freep) struct run_spec *rs = fixture_good(text, &fixture_context);

		assert_int_equal(json_array_size(rs->warnings), cases[i].pointer != NULL);
		if (cases[i].pointer)
			assert_string_equal(
				json_get_str(json_array_get(rs->warnings, 0), "pointer", ""),
				cases[i].pointer);
	}
	OWN(run_spec_freep)
	struct run_spec *look = fixture_good(
		RUN("{'kind': 'evaluate', " THERE ", 'data': 'd', 'model': {'training_job': 'a'}, "
		    "'sagemaker': {'region': 'us-east-1', 'instance_type': 'ml.g5.xlarge'}}"),
		&fixture_context);

	assert_int_equal(json_array_size(look->warnings), 1);
	assert_string_equal(json_get_str(json_array_get(look->warnings, 0), "pointer", ""),
			    "/jobs/0/sagemaker/instance_type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_the_documented_pipeline_moves),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_local_is_not_asked),
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_good_forms),
		cmocka_unit_test(test_endpoints_have_none),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_the_request_is_tried),
		cmocka_unit_test(test_the_region_counts),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_unused_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
