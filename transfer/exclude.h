/* SPDX-License-Identifier: MIT */
/* "exclude" patterns: `*` and `?` within one name, a part `**` for any number of parts. A pattern
 * without '/' is about names at any depth; what lies below an excluded directory is excluded. */
#pragma once

#include "base/json.h"

#include <stdbool.h>

#define EXCLUDE_DEPTH_MAX 64 /* parts of a pattern */

/* patterns: an array of strings or NULL; path: relative, parts joined by '/'. */
bool exclude_matches(const json_t *patterns, const char *path);
