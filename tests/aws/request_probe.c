/* SPDX-License-Identifier: MIT */
/*
 * The request builders (jobs/sagemaker/requests.h) on stdin and stdout, one JSON object a line:
 *   {"op": "training" | "model" | "config" | "endpoint" | "update", "spec": {}, "name": …}
 *   {"op": "image", "role": 0 | 1, "version", "region", "instance_type"}
 *   {"op": "dumps", "value": …}
 * Answers {"body": {}, "warnings": []} ({"body": "text"} for the last two) or {"code", "field",
 * "error"}.
 */
#include "base/own.h"
#include "base/pytext.h"
#include "base/str.h"
#include "jobs/sagemaker/requests.h"

#define LINE_MAX_BYTES (1 << 24)

static const char *text(const json_t *in, const char *key)
{
	return json_get_str(in, key, NULL);
}

static int training(const json_t *in, json_t **ret, json_t *warnings, struct err *e)
{
	struct sagemaker_training t = {
		.spec = json_object_get(in, "spec"),
		.name = text(in, "name"),
		.region = text(in, "region"),
		.role_arn = text(in, "role_arn"),
		.image = text(in, "image"),
		.source_uri = text(in, "source_uri"),
		.program = text(in, "program"),
		.output_uri = text(in, "output_uri"),
		.checkpoint_uri = text(in, "checkpoint_uri"),
		.checkpoint_path = text(in, "checkpoint_path"),
		.tags = json_object_get(in, "tags"),
		.service_retries = (int)json_get_int(in, "service_retries", 0),
	};

	return sagemaker_training_request(&t, ret, warnings, e);
}

static int model(const json_t *in, json_t **ret, json_t *warnings, struct err *e)
{
	struct sagemaker_model m = {
		.spec = json_object_get(in, "spec"),
		.name = text(in, "name"),
		.region = text(in, "region"),
		.role_arn = text(in, "role_arn"),
		.image = text(in, "image"),
		.model_uri = text(in, "model_uri"),
		.hub_id = text(in, "hub_id"),
		.hub_revision = text(in, "hub_revision"),
		.tags = json_object_get(in, "tags"),
	};

	return sagemaker_model_request(&m, ret, warnings, e);
}

static int endpoint(const json_t *in, const char *op, json_t **ret, json_t *warnings, struct err *e)
{
	struct sagemaker_endpoint p = {
		.spec = json_object_get(in, "spec"),
		.name = text(in, "name"),
		.config_name = text(in, "config_name"),
		.model_name = text(in, "model_name"),
		.tags = json_object_get(in, "tags"),
	};

	if (str_eq(op, "config"))
		return sagemaker_endpoint_config_request(&p, ret, warnings, e);
	return str_eq(op, "endpoint") ? sagemaker_endpoint_request(&p, ret, e)
				      : sagemaker_endpoint_update_request(&p, ret, e);
}

static int image(const json_t *in, json_t **ret, struct err *e)
{
	char uri[SAGEMAKER_IMAGE_MAX + 1];
	int r = sagemaker_image((enum sagemaker_role)json_get_int(in, "role", 0),
				text(in, "version"), text(in, "region"), text(in, "instance_type"),
				uri, e);

	if (r >= 0)
		*ret = json_string(uri);
	return r;
}

static int dumps(const json_t *in, json_t **ret)
{
	OWN(buf_done) struct buf out = BUF_INIT(LINE_MAX_BYTES);

	py_json(&out, json_object_get(in, "value"), PY_JSON_DUMPS);
	*ret = json_string(buf_str(&out));
	return 0;
}

static json_t *answer(const json_t *in)
{
	OWN(json_decrefp) json_t *body = NULL;
	OWN(json_decrefp) json_t *warnings = json_array();
	const char *op = json_get_str(in, "op", "");
	struct err e = {0};
	int r;

	if (str_eq(op, "training"))
		r = training(in, &body, warnings, &e);
	else if (str_eq(op, "model"))
		r = model(in, &body, warnings, &e);
	else if (str_eq(op, "image"))
		r = image(in, &body, &e);
	else if (str_eq(op, "dumps"))
		r = dumps(in, &body);
	else
		r = endpoint(in, op, &body, warnings, &e);
	return r < 0 ? json_pack("{s:i, s:s, s:s}", "code", r, "field", e.field, "error", e.msg)
		     : json_pack("{s:O, s:O}", "body", body, "warnings", warnings);
}

int main(void)
{
	OWN(freep) char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		OWN(json_decrefp) json_t *in = NULL;
		OWN(json_decrefp) json_t *out = NULL;
		OWN(freep) char *out_text = NULL;
		struct err e = {0};

		if (json_parse(line, (size_t)n, &in, &e) < 0) {
			fprintf(stderr, "%s\n", e.msg);
			return 1;
		}
		out = answer(in);
		out_text = out ? json_text(out) : NULL;
		if (!out_text)
			return 1;
		puts(out_text);
		fflush(stdout);
	}
	return 0;
}
