/* SPDX-License-Identifier: MIT */
/* The request of a predict job, and the limits of endpoints. Pure; spec checks and the daemon call
 * this. */
#pragma once

#include "jobs/spec/spec.h"

/* bytes of one request; the limit of SageMaker's InvokeEndpoint */
#define SPEC_PREDICT_BODY_MAX	    6291456
/* of one request to a serverless endpoint */
#define SPEC_PREDICT_SERVERLESS_MAX 4194304

/* The body of the request: {"inputs"[, "parameters"]} of the spec as compact text. The caller frees
 * it; NULL if memory is out. */
char *spec_predict_body(const json_t *spec);
/* Returns the largest request to an endpoint of that deploy job. */
size_t spec_predict_body_max(const json_t *deploy);
/* Format SPEC_BODY_TEXT with the size, spec_predict_taker() and the limit. */
#define SPEC_BODY_TEXT                                                                          \
	"'inputs' and 'parameters' have %zu bytes as one request, and %s takes %zu; split the " \
	"inputs into several jobs"
/* Returns words for the endpoints that have that limit. */
const char *spec_predict_taker(size_t body_max);
/* Returns the number of inputs of a predict job if an endpoint of `target` refuses so many, else 0.
 * Format SPEC_INPUTS_TEXT with that number and SPEC_INPUTS_LOCAL_MAX. */
size_t spec_inputs_over(const json_t *spec, enum job_target target);
#define SPEC_INPUTS_TEXT                                                                      \
	"'inputs' has %zu entries, and an endpoint of this machine takes %d in one request; " \
	"split it into several jobs"
