/* SPDX-License-Identifier: MIT */
/* The names of a model's classes: "id2label" of its config.json. */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define CONFIG_JSON_MAX (16 << 20) /* bytes of a config.json */

/* The names by id as a new JSON list of strings; numbers and booleans become the text that Python
 * prints. *ret is NULL if the configuration names none. -ERR_INVALID: an id is missing, or its name
 * is no text. */
int id2label_read(const json_t *config, json_t **ret, struct err *reterr) MUSTCHECK;
/* The same of DIR/config.json; there it is an error if it names none. Blocking. -ENOENT. */
int id2label_load(const char *dir, json_t **ret, struct err *reterr) MUSTCHECK;
