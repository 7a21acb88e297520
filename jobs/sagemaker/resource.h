/* SPDX-License-Identifier: MIT */
/*
 * Kinds, states and names of the daemon's SageMaker resources. Pure.
 *
 * A resource row is an intent. The daemon commits the row before the first paid call, and keeps it
 * until the resource is verified to be gone or ended. `wanted` is the desired direction:
 *
 *   planned ──create answered──> present ──stop or delete accepted──> ending ──> ended
 *      └── refused (the service refused, or the resource never existed)
 *
 * A planned resource may exist, because the create call's answer may be lost. Only a describe call
 * decides.
 */
#pragma once

#include "base/err.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>

enum resource_kind {
	RESOURCE_TRAINING_JOB,
	RESOURCE_MODEL,
	RESOURCE_ENDPOINT_CONFIG,
	RESOURCE_ENDPOINT,
	RESOURCE_KINDS_,
};

enum resource_state {
	RESOURCE_PLANNED,
	RESOURCE_PRESENT,
	RESOURCE_ENDING,
	RESOURCE_ENDED,	  /* final: deleted, or (training job) over */
	RESOURCE_REFUSED, /* final: never existed */
	RESOURCE_STATES_,
};

const char *resource_kind_str(enum resource_kind kind); /* "training_job", … */
int resource_kind_parse(const char *s, enum resource_kind *ret);
const char *resource_state_str(enum resource_state state);
int resource_state_parse(const char *s, enum resource_state *ret);
bool resource_state_is_final(enum resource_state state);
bool resource_state_may(enum resource_state from, enum resource_state to);

#define RESOURCE_ARN_MAX     2048 /* of an endpoint (botocore: EndpointArn) */
#define RESOURCE_NAME_MAX    63	  /* SageMaker's limit: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62} */
#define RESOURCE_NAME_PREFIX "trainyard-"
#define RESOURCE_NONCE_LEN   13 /* 12 characters and NUL: 60 random bits */

/* Tags of every resource. No other tag may begin with "trainyard:" (SPEC_TAGS_SAGEMAKER_MAX). */
#define RESOURCE_TAG_INSTALL  "trainyard:install"
#define RESOURCE_TAG_NONCE    "trainyard:nonce"
#define RESOURCE_TAG_RUN      "trainyard:run"
#define RESOURCE_TAG_JOB      "trainyard:job"
#define RESOURCE_TAG_ENDPOINT "trainyard:endpoint"
#define RESOURCE_TAG_KIND     "trainyard:resource" /* resource_kind_str */

void resource_nonce_new(char nonce[RESOURCE_NONCE_LEN]);
/* Build "trainyard-WORDS-NONCE". `words` is cut to fit; each run of characters outside [a-zA-Z0-9]
 * becomes one hyphen. */
void resource_name(char name[RESOURCE_NAME_MAX + 1], const char *words, const char *nonce);
