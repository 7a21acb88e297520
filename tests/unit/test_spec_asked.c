/* SPDX-License-Identifier: MIT */
/* jobs/spec/spec: what could never start or never be taken is refused at the submit. Limits of
 * SageMaker are those of botocore's documentation (StoppingCondition,
 * ContainerDefinition.Environment, ResourceConfig.VolumeSizeInGB). */
#include "tests/unit/spec_refusal.h"

#include "jobs/sagemaker/requests.h"

#define THERE  "'target': 'sagemaker'"
#define SM_MIN "'instance_type': 'ml.g5.xlarge', 'role': 'R'"
#define M5     "'instance_type': 'ml.m5.xlarge', 'role': 'R'"
#define LESS   "'serverless': {}, 'role': 'R'"
#define BIG    (64 << 10)

#define SAGEMAKER_TRAIN(more) RUN(TRAIN(", " THERE ", 'sagemaker': {" SM_MIN "}" more))
#define SAGEMAKER_DEPLOY(s, m)                                                                    \
	RUN("{'kind': 'deploy', " THERE ", 'endpoint': 'e', 'model': " m ", 'sagemaker': {" s "}" \
	    "}")
#define ENTRY(name) \
	RUN("{'name': 's', 'kind': 'script', 'entry_point': '" name "', 'source_dir': 'd'}")

static void test_entry_points_that_never_start_are_refused(void **state)
{
	static const char *const bad[] = {"my train.py", "a=b.py", "it$x.py",	"a`b`.py",
					  "-c.py",	 "--help", "a;b.py",	"a&b.py",
					  "a*.py",	 "(a).py", "a\\\\b.py", "a\\nb.py",
					  "~a.py",	 "a|b.sh", "#a.py",	"\\\"a\\\".py",
					  "a<b.py",	 "a>b.py", "a!b.py",	"a{b}.py"};
	static const char *const good[] = {"train.py", "sub/-x.py",  "a-b_c.d+e@f.py",
					   "run.sh",   ".hidden.py", "tr\xc3\xa4in.py"};
	char body[256];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(body, sizeof(body), ENTRY("%s"), bad[i]);
		check_all(&(struct refusal){body, "/jobs/0/entry_point", "invalid",
					    "cannot start on both targets"},
			  1);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(body, sizeof(body), ENTRY("%s"), good[i]);
		run_spec_free(fixture_good(body, &fixture_context));
	}
}

#define CHANNELS(more) RUN(SCRIPT(", " more))

/* The toolkit gives a script SM_CHANNEL_NAME in upper case: one of the two was lost. */
static void test_channels_of_one_variable_are_refused(void **state)
{
	static const struct refusal refusals[] = {
		{CHANNELS("'channels': {'data': 'a', 'Data': 'b'}"), "/jobs/0/channels",
		 "duplicate", "'Data' and 'data' have one variable"},
		{CHANNELS("'model': 'm', 'channels': {'model': 'a'}"), "/jobs/0/channels",
		 "duplicate", "may be called 'model'"},
		{CHANNELS("'model': 'm', 'channels': {'MODEL': 'a'}"), "/jobs/0/channels",
		 "duplicate", "may be called 'MODEL'"},
	};

	check_all(refusals, ARRAY_LEN(refusals));
	run_spec_free(
		fixture_good(CHANNELS("'channels': {'model': 'a', 'data': 'b', 'data2': 'c'}"),
			     &fixture_context));
}

static void test_variables_that_steer_our_programs_are_refused(void **state)
{
	static const char *const names[] = {"LD_PRELOAD",
					    "LD_LIBRARY_PATH",
					    "LD_AUDIT",
					    "GCONV_PATH",
					    "GLIBC_TUNABLES",
					    "MALLOC_TRACE",
					    "OPENSSL_CONF",
					    "LOCPATH",
					    "TMPDIR",
					    "AWS_CONFIG_FILE",
					    "CUDA_INJECTION64_PATH",
					    "OMP_TOOL_LIBRARIES",
					    "SSLKEYLOGFILE",
					    "http_proxy",
					    "HTTPS_PROXY",
					    "all_proxy",
					    "NO_PROXY",
					    "AWS_ENDPOINT_URL",
					    "AWS_ENDPOINT_URL_S3",
					    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
					    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
					    "AWS_CA_BUNDLE"};
	char body[256], pointer[96];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		static const char *const jobs[] = {PREP(", 'environment': {'%s': '/x'}"),
						   TRAIN(", 'environment': {'%s': '/x'}"),
						   DEPLOY(", 'environment': {'%s': '/x'}")};

		snprintf(pointer, sizeof(pointer), "/jobs/0/environment/%s", names[i]);
		for (size_t j = 0; j < ARRAY_LEN(jobs); j++) {
			char job[192];

			snprintf(job, sizeof(job), "%s", jobs[j]);
			*strstr(job, "%s") = '\0';
			snprintf(body, sizeof(body), "{'jobs': [%s%s%s]}", job, names[i],
				 strstr(jobs[j], "%s") + 2);
			check_all(&(struct refusal){body, pointer, "invalid",
						    "a program of Trainyard"},
				  1);
		}
		snprintf(body, sizeof(body), RUN(SCRIPT(", 'environment': {'%s': '/x'}")),
			 names[i]);
		run_spec_free(fixture_good(body, &fixture_context));
	}
	check_all(&(struct refusal){RUN(TRAIN(", 'environment': {'CUDA_VISIBLE_DEVICES': '1'}")),
				    "/jobs/0/environment/CUDA_VISIBLE_DEVICES", "invalid",
				    "local.devices"},
		  1);
	run_spec_free(fixture_good(RUN(TRAIN(", 'environment': {'OMP_NUM_THREADS': '2'}")),
				   &fixture_context));
}

/* A run whose deploy makes the endpoint, and a predict job with n inputs. */
static int parse_inputs(size_t n, const char *target, const char *endpoint, json_t *problems)
{
	OWN(json_decrefp)
	json_t *body = fixture_json(
		"{'jobs': [{'kind': 'deploy', 'model': 'm', 'endpoint': 'e', 'sagemaker': {" M5
		"}}, {'kind': 'predict', 'endpoint': 'e'}]}");
	json_t *jobs = json_object_get(body, "jobs"), *inputs = json_array();
	struct run_spec *rs = NULL;
	int r;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(inputs, json_string("x"));
	json_object_set_new(json_array_get(jobs, 0), "target", json_string(target));
	json_object_set_new(json_array_get(jobs, 1), "endpoint", json_string(endpoint));
	json_object_set_new(json_array_get(jobs, 1), "inputs", inputs);
	r = run_spec_parse(body, &fixture_context, &rs, problems, NULL);
	run_spec_free(rs);
	return r;
}

static void test_more_inputs_than_the_endpoint_takes(void **state)
{
	static const char *const names[] = {"e", "${deploy.endpoint}"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		OWN(json_decrefp) json_t *problems = json_array();

		assert_int_equal(parse_inputs(SPEC_INPUTS_LOCAL_MAX, "local", names[i], problems),
				 0);
		assert_int_equal(
			parse_inputs(SPEC_INPUTS_LOCAL_MAX + 1, "sagemaker", names[i], problems),
			0);
		assert_int_equal(parse_inputs(10000, "sagemaker", names[i], problems), 0);
		assert_int_equal(json_array_size(problems), 0);
		assert_int_equal(
			parse_inputs(SPEC_INPUTS_LOCAL_MAX + 1, "local", names[i], problems),
			-ERR_INVALID);
		assert_true(fixture_has(problems, "/jobs/1/inputs", "too_many",
					"513 entries, and an endpoint of this machine takes 512"));
		json_array_clear(problems);
		assert_int_equal(parse_inputs(10001, "sagemaker", names[i], problems),
				 -ERR_INVALID);
		assert_true(fixture_has(problems, "/jobs/1/inputs", "too_many", "10000"));
	}
}

static void test_a_training_job_there_runs_28_days_at_most(void **state)
{
	static const struct refusal cases[] = {
		{SAGEMAKER_TRAIN(", 'max_runtime': '2419201s'"), "/jobs/0/max_runtime",
		 "out_of_range", "at most 28d"},
		{RUN(SCRIPT(", " THERE ", 'max_runtime': '29d', 'sagemaker': {" SM_MIN "}")),
		 "/jobs/0/max_runtime", "out_of_range", "at most 28d"},
	};

	check_all(cases, ARRAY_LEN(cases));
	run_spec_free(fixture_good(SAGEMAKER_TRAIN(", 'max_runtime': '28d'"), &fixture_context));
	run_spec_free(fixture_good(RUN(TRAIN(", 'max_runtime': '29d'")), &fixture_context));
}

/* A deploy there with `n` variables of `bytes` each and one of `last` bytes. */
static int parse_environment(size_t n, size_t bytes, size_t last, json_t *problems)
{
	OWN(json_decrefp) json_t *body = fixture_json(SAGEMAKER_DEPLOY(M5, "'m'"));
	static char text[BIG];
	struct run_spec *rs = NULL;
	json_t *env = json_object();
	char name[8];
	int r;

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "N%02zu", i);
		json_object_set_new(env, name, json_stringn(text, bytes));
	}
	json_object_set_new(env, "NNN", json_stringn(text, last));
	json_object_set_new(json_array_get(json_object_get(body, "jobs"), 0), "environment", env);
	r = run_spec_parse(body, &fixture_context, &rs, problems, NULL);
	run_spec_free(rs);
	return r;
}

static void test_the_environment_of_a_model(void **state)
{
	/* what the container gets besides: HF_TASK, SAGEMAKER_CONTAINER_LOG_LEVEL,
	 * SAGEMAKER_REGION */
	size_t ours = strlen("HF_TASK"
			     "text-classification"
			     "SAGEMAKER_CONTAINER_LOG_LEVEL"
			     "20"
			     "SAGEMAKER_REGION"
			     "us-east-1");
	size_t room = SAGEMAKER_MODEL_ENV_MAX - ours - 31 * (1020 + 3) - 3;
	OWN(json_decrefp) json_t *problems = json_array(), *body = NULL;
	struct run_spec *rs = NULL;

	assert_in_range(room, 1, SAGEMAKER_MODEL_VALUE_MAX);
	assert_int_equal(parse_environment(31, 1020, room, problems), 0);
	assert_int_equal(parse_environment(0, 0, SAGEMAKER_MODEL_VALUE_MAX, problems), 0);
	assert_int_equal(json_array_size(problems), 0);
	assert_int_equal(parse_environment(31, 1020, room + 1, problems), -ERR_INVALID);
	assert_true(fixture_has(problems, "/jobs/0/environment", "out_of_range",
				"32769 bytes together"));
	json_array_clear(problems);
	assert_int_equal(parse_environment(0, 0, SAGEMAKER_MODEL_VALUE_MAX + 1, problems),
			 -ERR_INVALID);
	assert_true(fixture_has(problems, "/jobs/0/environment/NNN", "out_of_range",
				"1025 bytes; use at most 1024 on SageMaker"));
	/* bytes, not characters: 513 of two bytes each */
	json_array_clear(problems);
	body = fixture_json(SAGEMAKER_DEPLOY(M5, "'m', 'environment': {'A': ''}"));
	{
		json_t *job = json_array_get(json_object_get(body, "jobs"), 0);
		char text[2 * 513 + 1];

		for (size_t i = 0; i < 513; i++)
			memcpy(text + 2 * i, "\xc3\xa4", 3);
		json_object_set_new(json_object_get(job, "environment"), "A", json_string(text));
	}
	assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, NULL), -ERR_INVALID);
	assert_true(fixture_has(problems, "/jobs/0/environment/A", "out_of_range", "1026 bytes"));
}

static void test_a_serverless_endpoint_takes_an_archive(void **state)
{
	static const struct refusal cases[] = {
		{SAGEMAKER_DEPLOY(LESS, "'s3://bucket/model/'"), "/jobs/0/model", "invalid",
		 "needs its model as one archive"},
		{RUN("{'name': 'up', 'kind': 'upload', 'source': 'x', 'destination': "
		     "'s3://bucket/m/'}, {'kind': 'deploy', " THERE
		     ", 'endpoint': 'e', 'model': '${up.uri}', 'sagemaker': {" LESS "}}"),
		 "/jobs/1/model", "invalid", "a key that ends in .tar.gz"},
	};

	check_all(cases, ARRAY_LEN(cases));
	run_spec_free(fixture_good(SAGEMAKER_DEPLOY(LESS, "'s3://bucket/model.tar.gz'"),
				   &fixture_context));
	run_spec_free(fixture_good(SAGEMAKER_DEPLOY(LESS, "'/a/directory'"), &fixture_context));
	run_spec_free(fixture_good(SAGEMAKER_DEPLOY(LESS, "'org/name'"), &fixture_context));
	run_spec_free(fixture_good(SAGEMAKER_DEPLOY(M5, "'s3://bucket/model/'"), &fixture_context));
	run_spec_free(fixture_good(
		RUN("{'name': 'up', 'kind': 'upload', 'source': 'x', 'destination': "
		    "'s3://bucket/m.tar.gz'}, {'kind': 'deploy', " THERE
		    ", 'endpoint': 'e', 'model': '${up.uri}', 'sagemaker': {" LESS "}}"),
		&fixture_context));
}

static size_t warnings_of(const char *body, const char *word)
{
	OWN(run_spec_freep) struct run_spec *rs = fixture_good(body, &fixture_context);
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(rs->warnings); i++)
		n += strstr(json_get_str(json_array_get(rs->warnings, i), "detail", ""), word) !=
		     NULL;
	return n;
}

static void test_disks_of_their_own_have_no_size_to_ask_for(void **state)
{
	static const char word[] =
		"volume_gb is ignored, because ml.g5.xlarge has disks of its own";

	assert_int_equal(
		warnings_of(RUN(TRAIN(", " THERE ", 'sagemaker': {" SM_MIN ", 'volume_gb': 99}")),
			    word),
		1);
	assert_int_equal(warnings_of(SAGEMAKER_DEPLOY(SM_MIN ", 'volume_gb': 99", "'m'"), word), 1);
	assert_int_equal(warnings_of(SAGEMAKER_DEPLOY(SM_MIN, "'m'"), "volume_gb"), 0);
	assert_int_equal(warnings_of(SAGEMAKER_DEPLOY(M5 ", 'volume_gb': 99", "'m'"), "volume_gb"),
			 0);
}

/* Every field that takes a reference takes one of another run, for the daemon to look up. */
static void test_references_to_other_runs_in_every_field(void **state)
{
	static const struct {
		const char *job, *pointer;
	} cases[] = {
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': '${r/t.output}/x'}}",
		 "/jobs/0/dataset/path"},
		{"{'kind': 'preprocess', 'model': '${r/t.model}', 'dataset': {'path': 'd'}}",
		 "/jobs/0/model"},
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'train': {'path': "
		 "'${r/t.output}/x'}, 'test': {'path': 'd'}}}",
		 "/jobs/0/dataset/train/path"},
		{"{'kind': 'train', 'model': 'm', 'channels': {'train': '${r/p.train}'}}",
		 "/jobs/0/channels/train"},
		{"{'kind': 'evaluate', 'model': 'm', 'data': '${r/p.test}'}", "/jobs/0/data"},
		{"{'kind': 'deploy', 'model': '${r/t.model}', 'endpoint': 'e'}", "/jobs/0/model"},
		{"{'kind': 'predict', 'endpoint': '${r/d.endpoint}', 'inputs': 'x'}",
		 "/jobs/0/endpoint"},
		{"{'kind': 'delete-endpoint', 'endpoint': '${r/d.endpoint}'}", "/jobs/0/endpoint"},
		{"{'kind': 'upload', 'source': '${r/t.metrics}', 'destination': 's3://abc/x'}",
		 "/jobs/0/source"},
		{"{'kind': 'download', 'source': '${r/u.uri}'}", "/jobs/0/source"},
		{SCRIPT(", 'channels': {'a': '${r/t.output}/b'}"), "/jobs/0/channels/a"},
		{SCRIPT(", 'model': '${r/t.model}'"), "/jobs/0/model"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		char body[512];

		snprintf(body, sizeof(body), "{'jobs': [%s]}", cases[i].job);
		rs = fixture_good(body, &fixture_context);
		assert_int_equal(rs->jobs[0].foreign_n, 1);
		assert_string_equal(rs->jobs[0].foreign[0].pointer, cases[i].pointer);
		assert_int_equal(rs->jobs[0].needs_n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_points_that_never_start_are_refused),
		cmocka_unit_test(test_channels_of_one_variable_are_refused),
		cmocka_unit_test(test_variables_that_steer_our_programs_are_refused),
		cmocka_unit_test(test_more_inputs_than_the_endpoint_takes),
		cmocka_unit_test(test_a_training_job_there_runs_28_days_at_most),
		cmocka_unit_test(test_the_environment_of_a_model),
		cmocka_unit_test(test_a_serverless_endpoint_takes_an_archive),
		cmocka_unit_test(test_references_to_other_runs_in_every_field),
		cmocka_unit_test(test_disks_of_their_own_have_no_size_to_ask_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
