/* SPDX-License-Identifier: MIT */
/* Builds the bodies of CreateModel, CreateEndpointConfig, CreateEndpoint and UpdateEndpoint
 * (requests.h). Pure. */
#include "base/own.h"
#include "base/str.h"
#include "jobs/sagemaker/parts.h"

#include <string.h>

#define HUB_ID_MAX	   200
#define DOWNLOAD_TIMEOUT   1200 /* seconds to download and unpack the model */
#define HEALTH_TIMEOUT	   600	/* seconds until the container answers /ping */
#define VARIANT_VOLUME_MAX 512	/* GB */

static bool is_serverless(const json_t *spec)
{
	return json_is_object(json_object_get(json_object_get(spec, "sagemaker"), "serverless"));
}

/* Set the model data: an archive, or a prefix, which must end with '/'. */
static void put_data(struct request *q, json_t *container, const json_t *spec, const char *uri)
{
	json_t *source, *s3;

	if (!str_ends(uri, "/")) {
		if (!str_ends(uri, ".tar.gz"))
			request_refuse(q, ERR_INVALID, "/model",
				       "'%.200s' is neither a model.tar.gz nor a prefix that ends "
				       "with '/'; name one of the two",
				       uri);
		request_uri(q, container, "ModelDataUrl", uri, "/model");
		return;
	}
	if (is_serverless(spec))
		request_refuse(q, ERR_INVALID, "/model",
			       "a serverless endpoint needs its model as one archive, and '%.200s' "
			       "is a prefix; give s3://…/model.tar.gz, or an instance_type",
			       uri);
	source = request_set(q, container, "ModelDataSource", json_object());
	s3 = request_set(q, source, "S3DataSource", json_object());
	request_uri(q, s3, "S3Uri", uri, "/model");
	request_set(q, s3, "S3DataType", json_string("S3Prefix"));
	request_set(q, s3, "CompressionType", json_string("None"));
}

static bool hub_id_ok(const char *id)
{
	return *id && strlen(id) <= HUB_ID_MAX && !strpbrk(id, " \t\r\n:");
}

static void put_hub(struct request *q, json_t *variables, const struct sagemaker_model *m)
{
	if (!hub_id_ok(m->hub_id))
		request_refuse(q, ERR_INVALID, "/model",
			       "'%.80s' is not the name of a model on the hub; write org/name",
			       m->hub_id);
	request_set(q, variables, "HF_MODEL_ID", json_string(m->hub_id));
	if (m->hub_revision)
		request_set(q, variables, "HF_MODEL_REVISION", json_string(m->hub_revision));
}

/* Without SAGEMAKER_PROGRAM the container uses the model's code/inference.py if it exists, else its
 * own handlers. The user's environment comes last, so that it can override everything. */
static void put_variables(struct request *q, json_t *container, const struct sagemaker_model *m)
{
	json_t *variables = request_set(q, container, "Environment", json_object());

	if (m->hub_id)
		put_hub(q, variables, m);
	request_set(q, variables, "HF_TASK", json_string("text-classification"));
	request_set(q, variables, "SAGEMAKER_CONTAINER_LOG_LEVEL", json_string("20"));
	request_set(q, variables, "SAGEMAKER_REGION", json_string(m->region));
	request_environment(q, variables, m->spec, SAGEMAKER_INFERENCE);
}

int sagemaker_model_request(const struct sagemaker_model *m, json_t **ret, json_t *warnings,
			    struct err *reterr)
{
	const json_t *sagemaker = json_object_get(m->spec, "sagemaker");
	struct request q;
	json_t *container;

	request_start(&q, warnings, reterr);
	request_name(&q, "ModelName", m->name);
	request_role(&q, "ExecutionRoleArn", m->role_arn);
	if (!is_serverless(m->spec))
		request_instance_type(&q, sagemaker);
	container = request_set(&q, q.body, "PrimaryContainer", json_object());
	request_image(&q, container, "Image", SAGEMAKER_INFERENCE, m->image, m->region, m->spec);
	if (!m->model_uri == !m->hub_id)
		request_refuse(&q, ERR_INVALID, "/model",
			       "the endpoint has no model; give one on S3 or one of the hub");
	else if (m->model_uri)
		put_data(&q, container, m->spec, m->model_uri);
	put_variables(&q, container, m);
	if (is_serverless(m->spec) && json_object_get(sagemaker, "vpc"))
		request_refuse(&q, ERR_INVALID, "/sagemaker/vpc",
			       "a serverless endpoint cannot be in a VPC; remove vpc, or give an "
			       "instance_type");
	request_vpc(&q, sagemaker);
	request_tags(&q, m->tags);
	return request_end(&q, ret);
}

static void put_serverless(struct request *q, json_t *variant, const json_t *serverless)
{
	json_t *s = request_set(q, variant, "ServerlessConfig", json_object());
	int64_t memory = json_get_int(serverless, "memory_mb", 2048);
	int64_t concurrency = json_get_int(serverless, "max_concurrency", 5);
	int64_t provisioned = json_get_int(serverless, "provisioned_concurrency", 0);

	if (memory % 1024 || memory < 1024 || memory > 6144)
		request_refuse(q, ERR_INVALID, "/sagemaker/serverless/memory_mb",
			       "memory_mb must be 1024, 2048, 3072, 4096, 5120 or 6144, not %lld",
			       (long long)memory);
	if (provisioned > concurrency)
		request_refuse(q, ERR_INVALID, "/sagemaker/serverless/provisioned_concurrency",
			       "provisioned_concurrency cannot be greater than max_concurrency, "
			       "which is %lld",
			       (long long)concurrency);
	request_set(q, s, "MemorySizeInMB", json_integer(memory));
	request_set(q, s, "MaxConcurrency", json_integer(concurrency));
	if (provisioned > 0)
		request_set(q, s, "ProvisionedConcurrency", json_integer(provisioned));
}

static void put_instances(struct request *q, json_t *variant, const json_t *sagemaker)
{
	int64_t volume = request_volume(q, sagemaker, 0);

	request_set(q, variant, "InstanceType", json_string(request_instance_type(q, sagemaker)));
	request_set(q, variant, "InitialInstanceCount",
		    json_integer(json_get_int(sagemaker, "instance_count", 1)));
	if (volume > VARIANT_VOLUME_MAX)
		request_refuse(q, ERR_LIMIT, "/sagemaker/volume_gb",
			       "the volume of an endpoint has at most %d GB; ask for less",
			       VARIANT_VOLUME_MAX);
	if (volume > 0)
		request_set(q, variant, "VolumeSizeInGB", json_integer(volume));
	request_set(q, variant, "ModelDataDownloadTimeoutInSeconds",
		    json_integer(DOWNLOAD_TIMEOUT));
	request_set(q, variant, "ContainerStartupHealthCheckTimeoutInSeconds",
		    json_integer(HEALTH_TIMEOUT));
}

static void put_kms(struct request *q, const json_t *sagemaker)
{
	const char *key = json_get_str(sagemaker, "kms_key", NULL);
	const char *type = json_get_str(sagemaker, "instance_type", "");

	if (!key)
		return;
	if (!json_is_object(json_object_get(sagemaker, "serverless")) &&
	    sagemaker_has_local_disks(type))
		request_warn(q, "kms_key is ignored, because the hardware of %s encrypts its disks",
			     type);
	else
		request_kms(q, q->body, "KmsKeyId", key);
}

int sagemaker_endpoint_config_request(const struct sagemaker_endpoint *e, json_t **ret,
				      json_t *warnings, struct err *reterr)
{
	const json_t *sagemaker = json_object_get(e->spec, "sagemaker");
	json_t *variants, *variant;
	struct request q;

	request_start(&q, warnings, reterr);
	request_check_name(&q, e->model_name);
	request_name(&q, "EndpointConfigName", e->config_name);
	variants = request_set(&q, q.body, "ProductionVariants", json_array());
	variant = request_add(&q, variants, json_object());
	request_set(&q, variant, "VariantName", json_string(SAGEMAKER_VARIANT));
	request_set(&q, variant, "ModelName", json_string(e->model_name));
	request_set(&q, variant, "InitialVariantWeight", json_integer(1));
	if (is_serverless(e->spec))
		put_serverless(&q, variant, json_object_get(sagemaker, "serverless"));
	else
		put_instances(&q, variant, sagemaker);
	put_kms(&q, sagemaker);
	request_tags(&q, e->tags);
	return request_end(&q, ret);
}

static void put_endpoint(struct request *q, const struct sagemaker_endpoint *e)
{
	request_name(q, "EndpointName", e->name);
	request_name(q, "EndpointConfigName", e->config_name);
}

bool sagemaker_config_is_serverless(const json_t *config)
{
	const json_t *variants = json_object_get(config, "ProductionVariants");

	for (size_t i = 0; i < json_array_size(variants); i++)
		if (json_object_get(json_array_get(variants, i), "ServerlessConfig"))
			return true;
	return false;
}

int sagemaker_endpoint_request(const struct sagemaker_endpoint *e, json_t **ret, struct err *reterr)
{
	struct request q;

	request_start(&q, NULL, reterr);
	put_endpoint(&q, e);
	request_tags(&q, e->tags);
	return request_end(&q, ret);
}

int sagemaker_endpoint_update_request(const struct sagemaker_endpoint *e, json_t **ret,
				      struct err *reterr)
{
	struct request q;

	request_start(&q, NULL, reterr);
	put_endpoint(&q, e);
	return request_end(&q, ret);
}
