/* SPDX-License-Identifier: MIT */
/* Makes the request of a predict job, and knows the size limits of each kind of endpoint. */
#include "jobs/spec/predict.h"

#include "base/own.h"

char *spec_predict_body(const json_t *spec)
{
	OWN(json_decrefp) json_t *body = json_object();
	const json_t *parameters = json_object_get(spec, "parameters");

	if (json_object_set(body, "inputs", json_object_get(spec, "inputs")) < 0 ||
	    (parameters && json_object_set(body, "parameters", (json_t *)parameters) < 0))
		return NULL;
	return json_text(body);
}

size_t spec_predict_body_max(const json_t *deploy)
{
	const json_t *sagemaker = json_object_get(deploy, "sagemaker");

	return json_is_object(json_object_get(sagemaker, "serverless"))
		       ? SPEC_PREDICT_SERVERLESS_MAX
		       : SPEC_PREDICT_BODY_MAX;
}

const char *spec_predict_taker(size_t body_max)
{
	return body_max == SPEC_PREDICT_SERVERLESS_MAX ? "a serverless endpoint" : "an endpoint";
}

size_t spec_inputs_over(const json_t *spec, enum job_target target)
{
	size_t n = json_array_size(json_object_get(spec, "inputs"));

	return target == TARGET_LOCAL && n > SPEC_INPUTS_LOCAL_MAX ? n : 0;
}
