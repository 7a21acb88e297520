/* SPDX-License-Identifier: MIT */
/*
 * What the name of an added model stands for: {"path": DIR} or {"hub": NAME[, "revision": …]}, in
 * the words of a job's `model`.
 */
#pragma once

#include "base/json.h"

#include <stdbool.h>

/* True for a name that a model may have: at most SPEC_NAME_MAX bytes. */
bool model_name_ok(const char *name);
/* By the same checks as in a spec; *ret: a new reference. -ERR_INVALID: findings are appended to
 * `problems` (jobs/spec/problems.h). */
int model_source_parse(const json_t *body, json_t **ret, json_t *problems,
		       struct err *reterr) MUSTCHECK;
/* "/srv/model", or "the hub's org/name (revision v1)", into buf; returns buf. */
const char *model_source_text(const json_t *source, char *buf, size_t size);
