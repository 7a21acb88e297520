/* SPDX-License-Identifier: MIT */
/*
 * Builds the job's SageMaker requests at the submit, with placeholders for names, roles and S3
 * locations. So the submit reports what the builders refuse or warn of, before anything runs.
 */
#include "base/own.h"
#include "base/str.h"
#include "jobs/s3_uri.h"
#include "jobs/sagemaker/requests.h"
#include "jobs/sagemaker/resource.h"
#include "jobs/spec/parse.h"

#include <stdio.h>
#include <string.h>

/* Placeholders with the same form as the real values. */
#define PLACE  "s3://sagemaker-us-east-1-123456789012/trainyard/run/job/"
#define ROLE   "arn:aws:iam::123456789012:role/SageMakerMain"
#define REGION "us-east-1"
#define NONCE  "0123456789ab"

static void stand_in(json_t *object, const char *key, const char *place)
{
	const char *s = json_get_str(object, key, NULL);

	if (json_object_get(object, key) && !s3_uri_is(s ? s : ""))
		json_object_set_new(object, key, json_string(place));
}

/* A copy of the spec with S3 locations in place of local paths and references. */
static json_t *staged(const struct job_spec *job)
{
	json_t *copy = json_deep_copy(job->spec), *channels = json_object_get(copy, "channels");
	bool archive = job->kind == JOB_DEPLOY ||
		       json_object_get(json_object_get(job->spec, "model"), "training_job");
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(channels, next, key, value)
		stand_in(channels, key, PLACE "channels/one/");
	stand_in(copy, "model", archive ? PLACE "model.tar.gz" : PLACE "model/");
	return copy;
}

/* The job's tags and Trainyard's own. */
static json_t *tags_of(const struct job_spec *job)
{
	static const char *const ours[] = {RESOURCE_TAG_INSTALL, RESOURCE_TAG_NONCE,
					   RESOURCE_TAG_RUN,	 RESOURCE_TAG_JOB,
					   RESOURCE_TAG_KIND,	 RESOURCE_TAG_ENDPOINT};
	json_t *tags = json_deep_copy(job->tags);

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		json_object_set_new(tags, ours[i], json_string(NONCE));
	return tags;
}

static int try_training(const struct sagemaker_training *t, json_t *warnings, struct err *reterr)
{
	OWN(json_decrefp) json_t *body = NULL;

	return sagemaker_training_request(t, &body, warnings, reterr);
}

static int try_deploy(const struct sagemaker_model *m, json_t *warnings, struct err *reterr)
{
	const struct sagemaker_endpoint e = {.spec = m->spec,
					     .name = m->name,
					     .config_name = m->name,
					     .model_name = m->name,
					     .tags = m->tags};
	OWN(json_decrefp) json_t *model = NULL, *config = NULL, *endpoint = NULL;
	int r = sagemaker_model_request(m, &model, warnings, reterr);

	if (r >= 0)
		r = sagemaker_endpoint_config_request(&e, &config, warnings, reterr);
	return r < 0 ? r : sagemaker_endpoint_request(&e, &endpoint, reterr);
}

/* Report the refusal or the warnings at the pointers that the builders name
 * ("/sagemaker/image"). */
static void say(struct spec_parse *p, int r, const struct err *err, const json_t *warnings)
{
	size_t mark = strlen(p->pointer);

	for (size_t i = 0; i < json_array_size(warnings); i++)
		spec_warning(p, "%s", json_string_value(json_array_get(warnings, i)));
	if (r == -ENOMEM)
		p->no_memory = true;
	if (r >= 0 || r == -ENOMEM)
		return;
	str_excerpt(p->pointer + mark, sizeof(p->pointer) - mark, err->field);
	spec_problem(p, r == -ERR_LIMIT ? PROBLEM_OUT_OF_RANGE : PROBLEM_INVALID, "%s", err->msg);
	spec_leave(p, mark);
}

void spec_dry_run(struct spec_parse *p, const struct job_spec *job)
{
	OWN(json_decrefp) json_t *spec = staged(job), *tags = tags_of(job);
	OWN(json_decrefp) json_t *warnings = json_array();
	const json_t *s = json_object_get(spec, "sagemaker");
	const char *known = p->ctx->aws_region;
	const char *region = json_get_str(s, "region", known && *known ? known : REGION);
	struct err err = {0};
	int r;

	if (!spec || !tags || !warnings) {
		p->no_memory = true;
		return;
	}
	if (job->kind == JOB_DEPLOY)
		r = try_deploy(
			&(struct sagemaker_model){.spec = spec,
						  .name = RESOURCE_NAME_PREFIX NONCE,
						  .region = region,
						  .role_arn = ROLE,
						  .model_uri = json_get_str(spec, "model", ""),
						  .tags = tags},
			warnings, &err);
	else
		r = try_training(
			&(struct sagemaker_training){.spec = spec,
						     .name = RESOURCE_NAME_PREFIX NONCE,
						     .region = region,
						     .role_arn = ROLE,
						     .source_uri = PLACE "source/sourcedir.tar.gz",
						     .output_uri =
							     json_get_str(spec, "output", PLACE),
						     .checkpoint_uri = PLACE "checkpoints/",
						     .tags = tags},
			warnings, &err);
	say(p, r, &err, warnings);
}
