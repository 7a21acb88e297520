/* SPDX-License-Identifier: MIT */
/* The names of a model's classes: "id2label" of its config.json. */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define CONFIG_JSON_MAX (16 << 20) /* bytes of a config.json */

/* Read the names by id into a new JSON list of strings. Numbers and booleans become the text that
 * Python prints. *ret is NULL if the configuration has no names. -ERR_INVALID: an id is missing, or
 * its name is no text. */
int id2label_read(const json_t *config, json_t **ret, struct err *reterr) MUSTCHECK;
/* Read DIR/config.json likewise; a file without names is an error. Blocking. -ENOENT. */
int id2label_load(const char *dir, json_t **ret, struct err *reterr) MUSTCHECK;
