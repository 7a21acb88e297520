/* SPDX-License-Identifier: MIT */
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

size_t spec_inputs_over(const json_t *spec, enum job_target target)
{
	size_t n = json_array_size(json_object_get(spec, "inputs"));

	return target == TARGET_LOCAL && n > SPEC_INPUTS_LOCAL_MAX ? n : 0;
}
