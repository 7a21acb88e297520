/* SPDX-License-Identifier: MIT */
/* The directory of a saved Hugging Face data set: its Arrow files, in order. */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/arrow/abi.h"

#include <stdbool.h>
#include <stddef.h>

enum saved_kind {
	SAVED_NONE, /* not a saved data set */
	SAVED_DATASET,
	SAVED_DICT, /* a DatasetDict: one data set per split below it */
};

enum saved_kind saved_kind(const char *dir);
/* The absolute paths of the data files, in order. The caller frees them with saved_files_free().
 * -ENOENT: there is no such data set. -ERR_CORRUPT: state.json is invalid, or a file is missing. */
int saved_files(const char *dir, char ***ret, size_t *ret_n, struct err *reterr) MUSTCHECK;
void saved_files_free(char **files, size_t n);
/* Find the class names of a column as `datasets` does: in dataset_info.json if it describes the
 * column, else in the schema of the files. Gives a new reference to an array; NULL: none.
 * -ERR_CORRUPT: dataset_info.json is not JSON. */
int saved_class_names(const char *dir, const struct ArrowSchema *schema, const char *column,
		      json_t **ret, struct err *reterr) MUSTCHECK;
