/* SPDX-License-Identifier: MIT */
/*
 * YAML 1.1 as PyYAML's SafeLoader reads it, as JSON. The one door to libyaml. A value that is
 * neither text, whole number, boolean, list nor mapping (a float, a date) is null. The text is
 * hostile: aliases may name one node a million times.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define CARD_YAML_DEPTH 64
#define CARD_YAML_NODES 1000000 /* with what aliases repeat */

/* One document. -ERR_INVALID with the line: no YAML, several documents, a tag, a merge key, a key
 * that is no scalar; -ERR_LIMIT: too deep or too large. `*ret` is null for an empty text. */
int card_yaml_parse(const char *text, size_t len, json_t **ret, struct err *reterr) MUSTCHECK;
