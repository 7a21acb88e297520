/* SPDX-License-Identifier: MIT */
/* The requests to SageMaker for a model and for the config of an endpoint without a server. */
#include "tests/unit/sagemaker_requests.h"

static void test_model(void **state)
{
	OWN(json_decrefp)
	json_t *spec = parse("{\"sagemaker\": {\"instance_type\": \"ml.m5.xlarge\"}}");
	struct sagemaker_model m = {.spec = spec,
				    .name = "m",
				    .region = "us-east-1",
				    .role_arn = ROLE,
				    .model_uri = "s3://bucket/prefix/"};
	json_t *body = NULL, *container;
	struct err e = {0};

	assert_int_equal(sagemaker_model_request(&m, &body, NULL, &e), 0);
	container = json_object_get(body, "PrimaryContainer");
	assert_null(json_object_get(container, "ModelDataUrl"));
	assert_non_null(json_object_get(container, "ModelDataSource"));
	json_decref(body);
	body = NULL;
	m.model_uri = "s3://bucket/prefix"; /* SageMaker would take every key that begins so */
	assert_int_equal(sagemaker_model_request(&m, &body, NULL, &e), -ERR_INVALID);
	assert_string_equal(e.field, "/model");
	m.hub_id = "org/name";
	assert_int_equal(sagemaker_model_request(&m, &body, NULL, &e), -ERR_INVALID);
	m.model_uri = NULL;
	assert_int_equal(sagemaker_model_request(&m, &body, NULL, &e), 0);
	container = json_object_get(body, "PrimaryContainer");
	assert_string_equal(
		json_get_str(json_object_get(container, "Environment"), "HF_MODEL_ID", ""),
		"org/name");
	json_decref(body);
}

static void test_serverless(void **state)
{
	OWN(json_decrefp)
	json_t *spec = parse("{\"sagemaker\": {\"serverless\": {\"memory_mb\": 3072,"
			     " \"max_concurrency\": 5, \"provisioned_concurrency\": 5}}}");
	json_t *serverless = json_object_get(json_object_get(spec, "sagemaker"), "serverless");
	struct sagemaker_endpoint p = {
		.spec = spec, .name = "e", .config_name = "c", .model_name = "m"};
	json_t *body = NULL;
	struct err e = {0};

	assert_int_equal(sagemaker_endpoint_config_request(&p, &body, NULL, &e), 0);
	json_decref(body);
	body = NULL;
	json_object_set_new(serverless, "provisioned_concurrency", json_integer(6));
	assert_int_equal(sagemaker_endpoint_config_request(&p, &body, NULL, &e), -ERR_INVALID);
	assert_string_equal(e.field, "/sagemaker/serverless/provisioned_concurrency");
	json_object_set_new(serverless, "memory_mb", json_integer(2500));
	assert_int_equal(sagemaker_endpoint_config_request(&p, &body, NULL, &e), -ERR_INVALID);
	assert_string_equal(e.field, "/sagemaker/serverless/memory_mb");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_serverless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
