/* SPDX-License-Identifier: MIT */
/* What a predict job sends to its endpoint, and what endpoints take. */
#pragma once

#include "jobs/spec/spec.h"

#define SPEC_PREDICT_BODY_MAX 6291456 /* bytes of one request, as SageMaker's InvokeEndpoint */

/* The body of the request: {"inputs"[, "parameters"]} of the spec, as compact text. The caller
 * frees; NULL if memory is out. */
char *spec_predict_body(const json_t *spec);
/* How many inputs a predict job has if an endpoint of `target` does not take so many; else 0. The
 * sentence about it takes that number and SPEC_INPUTS_LOCAL_MAX. */
size_t spec_inputs_over(const json_t *spec, enum job_target target);
#define SPEC_INPUTS_TEXT                                                                      \
	"'inputs' has %zu entries, and an endpoint of this machine takes %d in one request; " \
	"split it into several jobs"
