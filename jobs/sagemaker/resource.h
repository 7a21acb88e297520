/* SPDX-License-Identifier: MIT */
/*
 * What the daemon makes in the cloud: kinds, states and names of resources. Pure.
 *
 * A resource row is an intent that is committed before the first paid call and kept until the thing
 * is verified to be gone or to have ended by itself; `wanted` says which way it goes:
 *
 *   planned ──create answered──> present ──stop or delete accepted──> ending ──> ended
 *      └── refused (the service said no, or it never came to be)
 *
 * A planned row may exist in the cloud or not (its answer may be lost): only a describe decides.
 */
#pragma once

#include "base/err.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>

enum cloud_kind {
	CLOUD_TRAINING_JOB,
	CLOUD_MODEL,
	CLOUD_ENDPOINT_CONFIG,
	CLOUD_ENDPOINT,
	CLOUD_KINDS_,
};

enum cloud_state {
	CLOUD_PLANNED,
	CLOUD_PRESENT,
	CLOUD_ENDING,
	CLOUD_ENDED,   /* final: gone, or (training job) over */
	CLOUD_REFUSED, /* final: never came to be */
	CLOUD_STATES_,
};

const char *cloud_kind_str(enum cloud_kind kind); /* "training_job", … */
int cloud_kind_parse(const char *s, enum cloud_kind *ret);
const char *cloud_state_str(enum cloud_state state);
int cloud_state_parse(const char *s, enum cloud_state *ret);
bool cloud_state_is_final(enum cloud_state state);
bool cloud_state_may(enum cloud_state from, enum cloud_state to);

#define CLOUD_NAME_MAX	  63 /* SageMaker's: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62} */
#define CLOUD_NAME_PREFIX "trainyard-"
#define CLOUD_NONCE_LEN	  13 /* 12 characters and NUL: 60 random bits */

/* Tags that every resource carries, and no other that begins so (SPEC_TAGS_CLOUD_MAX). */
#define CLOUD_TAG_INSTALL  "trainyard:install"
#define CLOUD_TAG_NONCE	   "trainyard:nonce"
#define CLOUD_TAG_RUN	   "trainyard:run"
#define CLOUD_TAG_JOB	   "trainyard:job"
#define CLOUD_TAG_ENDPOINT "trainyard:endpoint"
#define CLOUD_TAG_ROLE	   "trainyard:resource" /* cloud_kind_str */

void cloud_nonce_new(char nonce[CLOUD_NONCE_LEN]);
/* "trainyard-WORDS-NONCE": words cut so that it fits, other characters than [a-zA-Z0-9] become
 * single hyphens. */
void cloud_name(char name[CLOUD_NAME_MAX + 1], const char *words, const char *nonce);
