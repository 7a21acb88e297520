/* SPDX-License-Identifier: MIT */
/*
 * Reads YAML 1.1 as PyYAML's SafeLoader does, and gives JSON. The only interface to libyaml. A
 * value that is neither text, whole number, boolean, list nor mapping (a float, a date) is null.
 * The text is hostile: aliases may name one node a million times.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define CARD_YAML_DEPTH 64
#define CARD_YAML_NODES 1000000 /* with what aliases repeat */

/* Parse one document. -ERR_INVALID with the line: no YAML, several documents, a tag, a merge key,
 * or a key that is no scalar. -ERR_LIMIT: too deep or too large. `*ret` is null for an empty
 * text. */
int card_yaml_parse(const char *text, size_t len, json_t **ret, struct err *reterr) MUSTCHECK;
