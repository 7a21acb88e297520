/* SPDX-License-Identifier: MIT */
/* Describes the found resources and computes their cost. Called by adopt.c. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/adopt/parts.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/schedule/budget_rate.h"
#include "jobs/sagemaker/requests.h"

static const json_t *variant_of(const struct find *config)
{
	return json_array_get(json_object_get(config->about, "ProductionVariants"), 0);
}

const char *adopt_config_of(const struct find *endpoint)
{
	return json_get_str(endpoint->about, "EndpointConfigName", "");
}

const char *adopt_model_of(const struct find *config)
{
	return json_get_str(variant_of(config), "ModelName", "");
}

/* where the model lies; "" */
static const char *adopt_uri_of(const struct find *model)
{
	const json_t *container = json_object_get(model->about, "PrimaryContainer");
	const json_t *source =
		json_object_get(json_object_get(container, "ModelDataSource"), "S3DataSource");
	const char *hub =
		json_get_str(json_object_get(container, "Environment"), "HF_MODEL_ID", "");

	return json_get_str(container, "ModelDataUrl", json_get_str(source, "S3Uri", hub));
}

/* ---- specs: the fields of a job that the price and the lists need ---- */

static json_t *serverless_of(const json_t *config)
{
	json_t *out = json_pack(
		"{sI sI}", "memory_mb", (json_int_t)json_get_int(config, "MemorySizeInMB", 0),
		"max_concurrency", (json_int_t)json_get_int(config, "MaxConcurrency", 0));

	if (json_object_get(config, "ProvisionedConcurrency"))
		json_object_set(out, "provisioned_concurrency",
				json_object_get(config, "ProvisionedConcurrency"));
	return out;
}

static json_t *machines_of(const struct find *it, const json_t *about, const char *count)
{
	return json_pack("{ss ss sI}", "region", it->region, "instance_type",
			 json_get_str(about, "InstanceType", ""), "instance_count",
			 (json_int_t)json_get_int(about, count, 1));
}

static json_t *training_spec(const struct find *it)
{
	const json_t *resources = json_object_get(it->about, "ResourceConfig");
	const json_t *stop = json_object_get(it->about, "StoppingCondition");
	json_t *machines = machines_of(it, resources, "InstanceCount");
	int64_t warm_s = json_get_int(resources, "KeepAlivePeriodInSeconds", 0);
	int64_t max_s = json_get_int(stop, "MaxRuntimeInSeconds", SAGEMAKER_RUNTIME_DEFAULT);
	char text[32];

	if (warm_s > 0)
		json_set_str(machines, "keep_alive", duration_format(text, warm_s * USEC_PER_SEC));
	return json_pack("{ss ss ss so}", "kind", "train", "target", "sagemaker", "max_runtime",
			 duration_format(text, max_s * USEC_PER_SEC), "sagemaker", machines);
}

static json_t *endpoint_spec(const struct finds *f, const struct find *it)
{
	const struct find *config =
		adopt_lookup(f, RESOURCE_ENDPOINT_CONFIG, it->region, adopt_config_of(it));
	const struct find *model =
		config ? adopt_lookup(f, RESOURCE_MODEL, it->region, adopt_model_of(config)) : NULL;
	const json_t *variant = config ? variant_of(config) : NULL;
	const json_t *serverless = json_object_get(variant, "ServerlessConfig");
	json_t *machines = serverless ? json_pack("{ss so}", "region", it->region, "serverless",
						  serverless_of(serverless))
				      : machines_of(it, variant, "InitialInstanceCount");

	return json_pack("{ss ss ss ss so}", "kind", "deploy", "target", "sagemaker", "model",
			 model ? adopt_uri_of(model) : "", "endpoint", it->endpoint, "sagemaker",
			 machines);
}

static void find_price(struct manager *mgr, struct find *it)
{
	struct budget_rate rate = {0};

	if (str_eq(it->status, "Failed") || str_eq(it->status, "Deleting") ||
	    budget_rate_of(mgr->settings, it->spec, &rate, NULL) < 0 ||
	    budget_amount(&rate, 3600 * USEC_PER_SEC, &it->micro_usd_hour, NULL) < 0)
		it->micro_usd_hour = ADOPT_PRICE_UNKNOWN;
}

static int describe_one(struct manager *mgr, struct find *it, struct err *reterr)
{
	const struct sagemaker_driver *d = sagemaker_drivers[it->kind];
	OWN(json_decrefp) json_t *input = json_pack("{ss}", d->name_key, it->name);
	int r = adopt_ask_listed(mgr, d->describe, it->region, input, &it->about, reterr);

	if (r >= 0 && it->kind == RESOURCE_ENDPOINT)
		str_excerpt(it->status, sizeof(it->status),
			    json_get_str(it->about, "EndpointStatus", it->status));
	if (r >= 0 && it->kind == RESOURCE_TRAINING_JOB)
		str_excerpt(it->status, sizeof(it->status),
			    json_get_str(it->about, "TrainingJobStatus", it->status));
	return r;
}

int adopt_describe(struct manager *mgr, struct finds *f, struct err *reterr)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < f->n; i++) {
		r = describe_one(mgr, &f->items[i], reterr);
		if (r >= 0)
			f->items[kept++] = f->items[i];
		else if (r == -ERR_NOT_FOUND)
			r = 0;
	}
	f->n = kept;
	for (size_t i = 0; r >= 0 && i < f->n; i++) {
		struct find *it = &f->items[i];

		if (it->kind == RESOURCE_TRAINING_JOB)
			it->spec = training_spec(it);
		else if (it->kind == RESOURCE_ENDPOINT)
			it->spec = endpoint_spec(f, it);
		if (it->spec)
			find_price(mgr, it);
	}
	return r;
}
