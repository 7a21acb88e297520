/* SPDX-License-Identifier: MIT */
/* "exclude" patterns. `*` and `?` match within one name, a part `**` matches any number of parts. A
 * pattern without '/' matches names at any depth. Everything below an excluded directory is
 * excluded. */
#pragma once

#include "base/json.h"

#include <stdbool.h>

#define EXCLUDE_DEPTH_MAX 64 /* parts of a pattern */

/* True if a pattern matches `path` or a directory above it. patterns: an array of strings or NULL;
 * path: relative, its parts joined by '/'. */
bool exclude_matches(const json_t *patterns, const char *path);
