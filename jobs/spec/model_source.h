/* SPDX-License-Identifier: MIT */
/*
 * The source of an added model: {"path": DIR} or {"hub": NAME[, "revision": …]}, with the same
 * words as a job's `model`. Pure; the daemon and the API call this.
 */
#pragma once

#include "base/json.h"

#include <stdbool.h>

/* True if the name is valid for an added model: at most SPEC_NAME_MAX bytes. */
bool model_name_ok(const char *name);
/* Check a source as in a spec. *ret is a new reference. -ERR_INVALID: the findings are appended to
 * `problems` (jobs/spec/problems.h). */
int model_source_parse(const json_t *body, json_t **ret, json_t *problems,
		       struct err *reterr) MUSTCHECK;
/* Write "/srv/model", or "the hub's org/name (revision v1)", into buf. Returns buf. */
const char *model_source_text(const json_t *source, char *buf, size_t size);
