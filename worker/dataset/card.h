/* SPDX-License-Identifier: MIT */
/*
 * Reads what the card of a data set says about its columns: the folder's README.md (the YAML at its
 * head), .huggingface.yaml and the older dataset_infos.json, combined as `datasets` does. All three
 * are hostile.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define CARD_MAX (4u << 20) /* bytes of one of the files */

/* Give the class names of a column of a source "DIR/SPLIT", from DIR's card: a new reference to an
 * array of texts; NULL: the card does not name the classes. `*ret_decides`: True if the card, not
 * the files, decides what the column is. `config` NULL: the default one. -ERR_INVALID, -ERR_LIMIT:
 * the card cannot be read; one sentence. */
int card_class_names(const char *path, const char *config, const char *column, json_t **ret,
		     bool *ret_decides, struct err *reterr) MUSTCHECK;
/* The card's `configs`, a new reference, or NULL if it has none (configs.h). Errors as above. */
int card_configs(const char *dir, json_t **ret, struct err *reterr) MUSTCHECK;
