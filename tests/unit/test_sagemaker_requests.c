/* SPDX-License-Identifier: MIT */
/*
 * The requests to SageMaker: every limit at it and one past it, every refusal with its field. That
 * whole bodies are what the service takes is shown by tests/aws/test_requests.py.
 */
#include "tests/unit/sagemaker_requests.h"

static struct sagemaker_training training_of(const json_t *spec)
{
	return (struct sagemaker_training){
		.spec = spec,
		.name = "trainyard-t-0123456789ab",
		.region = "us-east-1",
		.role_arn = ROLE,
		.source_uri = "s3://bucket/source/sourcedir.tar.gz",
		.output_uri = "s3://bucket/out/",
	};
}

/* The body, or NULL with *e. */
static json_t *ask(const struct sagemaker_training *t, json_t *warnings, struct err *e)
{
	json_t *body = NULL;
	int r = sagemaker_training_request(t, &body, warnings, e);

	assert_int_equal(r < 0, body == NULL);
	return body;
}

static void check_refused(const struct sagemaker_training *t, int code, const char *field,
			  const char *word)
{
	struct err e = {0};
	json_t *body = NULL;

	assert_int_equal(sagemaker_training_request(t, &body, NULL, &e), -code);
	assert_null(body);
	assert_string_equal(e.field, field);
	if (!strstr(e.msg, word))
		fail_msg("'%s' is not in: %s", word, e.msg);
}

static void check_spec_refused(const char *spec_text, int code, const char *field, const char *word)
{
	OWN(json_decrefp) json_t *spec = parse(spec_text);
	struct sagemaker_training t = training_of(spec);

	check_refused(&t, code, field, word);
}

static void test_a_job_with_everything(void **state)
{
	OWN(json_decrefp)
	json_t *spec = parse(
		"{\"entry_point\": \"a.py\", \"model\": \"s3://bucket/m/\","
		" \"channels\": {\"train\": \"s3://bucket/t/\"}, \"max_runtime\": \"90m\","
		" \"environment\": {\"A\": \"b\"}, \"hyperparameters\": {\"lr\": 5e-5},"
		" \"metric_definitions\": [{\"name\": \"m\", \"regex\": \"m=(.*)\"}],"
		" \"sagemaker\": {\"instance_type\": \"ml.p3.2xlarge\", \"instance_count\": 2,"
		"  \"spot\": true, \"max_wait\": \"2h\", \"volume_gb\": 50, \"kms_key\": \"k-1\","
		"  \"vpc\": {\"subnets\": [\"subnet-1\"], \"security_groups\": [\"sg-1\"]}}}");
	OWN(json_decrefp) json_t *tags = parse("{\"team\": \"a b\"}");
	OWN(json_decrefp) json_t *warnings = json_array();
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};
	json_t *body, *values;

	t.tags = tags;
	t.checkpoint_uri = "s3://bucket/ck/";
	t.checkpoint_path = "/opt/ml/checkpoints";
	t.service_retries = 30;
	body = ask(&t, warnings, &e);
	assert_non_null(body);
	assert_int_equal(json_array_size(warnings), 0);
	values = json_object_get(body, "HyperParameters");
	assert_string_equal(json_get_str(values, "lr", ""), "5e-05");
	assert_string_equal(json_get_str(values, "sagemaker_program", ""), "\"a.py\"");
	assert_string_equal(json_get_str(values, "sagemaker_torch_distributed_enabled", ""),
			    "true");
	assert_int_equal(json_array_size(json_object_get(body, "InputDataConfig")), 2);
	assert_int_equal(
		json_get_int(json_object_get(body, "StoppingCondition"), "MaxWaitTimeInSeconds", 0),
		7200);
	assert_string_equal(
		json_get_str(json_object_get(body, "ResourceConfig"), "VolumeKmsKeyId", ""), "k-1");
	assert_int_equal(sagemaker_runtime_max_s(spec), 5400);
	json_decref(body);
}

static void test_names(void **state)
{
	OWN(json_decrefp) json_t *spec = parse("{" GPU "}");
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};

	t.name = NAME_63;
	json_decref(ask(&t, NULL, &e));
	assert_int_equal(e.code, 0);
	t.name = NAME_63 "4";
	check_refused(&t, ERR_INVALID, "/name", "63");
	t.name = "";
	check_refused(&t, ERR_INVALID, "/name", "63");
	t.name = "under_score";
	check_refused(&t, ERR_INVALID, "/name", "hyphens");
	t.name = "-a";
	check_refused(&t, ERR_INVALID, "/name", "hyphens");
	t.name = "a-";
	check_refused(&t, ERR_INVALID, "/name", "hyphens");
}

static void test_roles(void **state)
{
	static const char *const bad[] = {
		"SageMakerMain",
		"arn:aws:iam::12345678901:role/short",
		"arn:aws:iam::123456789012:user/x",
		"arn:aws:iam::123456789012:role/",
		"arn:aws:iam::123456789012:role/a b",
		"arn:AWS:iam::123456789012:role/x",
	};
	OWN(json_decrefp) json_t *spec = parse("{" GPU "}");
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		t.role_arn = bad[i];
		check_refused(&t, ERR_INVALID, "/sagemaker/role", "arn:aws:iam::");
	}
	t.role_arn = "arn:aws-us-gov:iam::123456789012:role/x";
	json_decref(ask(&t, NULL, &e));
	assert_int_equal(e.code, 0);
}

/* `n` hyperparameters h0, h1, … of the spec, and 5 of ours. */
static void test_number_of_hyperparameters(void **state)
{
	for (int n = 95; n <= 96; n++) {
		OWN(json_decrefp) json_t *spec = parse("{\"entry_point\": \"a.py\", " GPU "}");
		json_t *values = json_object();
		struct sagemaker_training t = training_of(spec);
		struct err e = {0};
		char name[16];

		for (int i = 0; i < n; i++) {
			snprintf(name, sizeof(name), "h%d", i);
			json_object_set_new(values, name, json_integer(i));
		}
		json_object_set_new(spec, "hyperparameters", values);
		if (n == 95)
			json_decref(ask(&t, NULL, &e));
		else
			check_refused(&t, ERR_LIMIT, "/hyperparameters", "100");
		assert_int_equal(e.code, 0);
	}
}

/* As JSON a text has two quotes more, and six characters for one that is not ASCII. */
static void test_length_of_a_hyperparameter(void **state)
{
	for (int n = 2498; n <= 2499; n++) {
		OWN(json_decrefp)
		json_t *spec =
			parse("{\"entry_point\": \"a.py\", \"hyperparameters\": {}, " GPU "}");
		struct sagemaker_training t = training_of(spec);
		struct err e = {0};
		char value[2500];

		memset(value, 'x', (size_t)n);
		value[n] = '\0';
		json_object_set_new(json_object_get(spec, "hyperparameters"), "v",
				    json_string(value));
		if (n == 2498)
			json_decref(ask(&t, NULL, &e));
		else
			check_refused(&t, ERR_LIMIT, "/hyperparameters/v", "2500");
		assert_int_equal(e.code, 0);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *spec;
		int code;
		const char *field, *word;
	} cases[] = {
		{"{}", ERR_INVALID, "/sagemaker/instance_type", "ml.g5.xlarge"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.m5.large\"}}", ERR_INVALID,
		 "/sagemaker/instance_type", "sagemaker.image"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.inf2.xlarge\"}}", ERR_INVALID,
		 "/sagemaker/instance_type", "sagemaker.image"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.trn1.2xlarge\"}}", ERR_INVALID,
		 "/sagemaker/instance_type", "Neuron"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.g5.xlarge\", \"image\": \"a b\"}}",
		 ERR_INVALID, "/sagemaker/image", "URI"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.g5.xlarge\","
		 " \"image\": \"transformers3\"}}",
		 ERR_INVALID, "/sagemaker/image", "4.56.2"},
		{"{\"channels\": {\"train\": \"/local/path\"}, " GPU "}", ERR_INVALID,
		 "/channels/train", "s3://"},
		{"{\"entry_point\": \"a.py\", \"model\": \"org/name\", " GPU "}", ERR_INVALID,
		 "/model", "upload"},
		{"{\"entry_point\": \"a.py\", \"hyperparameters\": {\"sagemaker_program\": 1}, " GPU
		 "}",
		 ERR_INVALID, "/hyperparameters/sagemaker_program", "daemon"},
		{"{\"environment\": {\"1A\": \"x\"}, " GPU "}", ERR_INVALID, "/environment/1A",
		 "variable"},
		{"{\"max_runtime\": \"2h\", \"sagemaker\": {\"instance_type\": \"ml.g5.xlarge\","
		 " \"spot\": true, \"max_wait\": \"1h\"}}",
		 ERR_INVALID, "/sagemaker/max_wait", "7200"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.g5.xlarge\", \"spot\": true,"
		 " \"keep_alive\": \"10m\"}}",
		 ERR_INVALID, "/sagemaker/keep_alive", "warm"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.g5.xlarge\", \"kms_key\": \"a b\"}}",
		 ERR_INVALID, "/sagemaker/kms_key", "KMS"},
		{"{\"sagemaker\": {\"instance_type\": \"ml.g5.xlarge\", \"vpc\":"
		 " {\"subnets\": [\"a/b\"], \"security_groups\": [\"sg-1\"]}}}",
		 ERR_INVALID, "/sagemaker/vpc/subnets", "subnet-"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_spec_refused(cases[i].spec, cases[i].code, cases[i].field, cases[i].word);
}

static void test_region_without_the_image(void **state)
{
	OWN(json_decrefp) json_t *spec = parse("{" GPU "}");
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};

	t.region = "eu-central-2"; /* inference only */
	check_refused(&t, ERR_INVALID, "/sagemaker/region", "sagemaker.image");
	t.image = "123456789012.dkr.ecr.eu-central-2.amazonaws.com/mine:1";
	json_decref(ask(&t, NULL, &e));
	assert_int_equal(e.code, 0);
	t.image = NULL;
	t.region = "xx-nowhere-9";
	check_refused(&t, ERR_INVALID, "/sagemaker/region", "sagemaker.image");
}

static void test_environment_limits(void **state)
{
	char value[SAGEMAKER_TRAIN_VALUE_MAX + 2];
	OWN(json_decrefp) json_t *spec = parse("{\"environment\": {}, " GPU "}");
	json_t *environment = json_object_get(spec, "environment");
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};

	memset(value, 'x', sizeof(value));
	value[SAGEMAKER_TRAIN_VALUE_MAX] = '\0';
	json_object_set_new(environment, "A", json_string(value));
	json_decref(ask(&t, NULL, &e));
	assert_int_equal(e.code, 0);
	value[SAGEMAKER_TRAIN_VALUE_MAX] = 'x';
	value[SAGEMAKER_TRAIN_VALUE_MAX + 1] = '\0';
	json_object_set_new(environment, "A", json_string(value));
	check_refused(&t, ERR_LIMIT, "/environment/A", "512");
}

static void test_tags(void **state)
{
	OWN(json_decrefp) json_t *spec = parse("{" GPU "}");
	OWN(json_decrefp) json_t *tags = json_object();
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};
	char key[16];

	t.tags = tags;
	for (int i = 0; i < SAGEMAKER_TAGS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		json_object_set_new(tags, key, json_string("v"));
	}
	json_decref(ask(&t, NULL, &e));
	assert_int_equal(e.code, 0);
	json_object_set_new(tags, "one more", json_string("v"));
	check_refused(&t, ERR_LIMIT, "/tags", "50");
	json_object_clear(tags);
	json_object_set_new(tags, "aws:mine", json_string("v"));
	check_refused(&t, ERR_INVALID, "/tags", "aws:");
	json_object_clear(tags);
	json_object_set_new(tags, "a", json_string("50% off"));
	check_refused(&t, ERR_INVALID, "/tags", "letters");
}

/* S3Prefix: "train" is also "train2/…" there, and here a directory or an object. */
static void test_sibling_prefixes(void **state)
{
	static const struct {
		const char *uri;
		int warnings;
	} cases[] = {{"s3://bucket/d/train", 1},
		     {"s3://bucket/d/train/", 0},
		     {"s3://bucket/d/train.csv", 0},
		     {"s3://bucket", 0},
		     {"s3://bucket/", 0}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];
		struct err e = {0};

		snprintf(text, sizeof(text), "{\"channels\": {\"train\": \"%s\"}, " GPU "}",
			 cases[i].uri);
		OWN(json_decrefp) json_t *warnings = json_array(), *spec = parse(text);
		struct sagemaker_training t = training_of(spec);

		json_decref(ask(&t, warnings, &e));
		if ((int)json_array_size(warnings) != cases[i].warnings)
			fail_msg("%s: %s", cases[i].uri, json_text(warnings));
		if (cases[i].warnings)
			assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)),
					       "'train2/'"));
	}
}

static void test_warnings(void **state)
{
	OWN(json_decrefp)
	json_t *spec =
		parse("{\"entry_point\": \"a.py\", \"hyperparameters\": {\"a\": \"x y\","
		      " \"b\": \"\", \"c\": null, \"d\": [1], \"e\": 1.5, \"f\": true,"
		      " \"g\": \"plain-text_1\", \"h\": {\"k\": 1}, \"i\": \"$(x)\"}, " GPU "}");
	OWN(json_decrefp) json_t *warnings = json_array();
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};

	json_decref(ask(&t, warnings, &e));
	assert_int_equal(e.code, 0);
	assert_int_equal(json_array_size(warnings), 5); /* a b c d i */
}

/* The message holds 80 bytes of a name, here with half a character at the end. */
static void test_a_name_cut_inside_a_character(void **state)
{
	OWN(json_decrefp)
	json_t *spec = parse("{\"entry_point\": \"a.py\", \"hyperparameters\": {}, " GPU "}");
	OWN(json_decrefp) json_t *warnings = json_array();
	struct sagemaker_training t = training_of(spec);
	struct err e = {0};
	char name[128];

	snprintf(name, sizeof(name), "%079d\xc3\xa9", 0);
	json_object_set_new(json_object_get(spec, "hyperparameters"), name, json_string("a b"));
	json_decref(ask(&t, warnings, &e));
	assert_int_equal(e.code, 0);
	assert_int_equal(json_array_size(warnings), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_job_with_everything),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_number_of_hyperparameters),
		cmocka_unit_test(test_length_of_a_hyperparameter),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_region_without_the_image),
		cmocka_unit_test(test_environment_limits),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_sibling_prefixes),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_a_name_cut_inside_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
