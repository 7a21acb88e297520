/* SPDX-License-Identifier: MIT */
/* The directory of a saved Hugging Face data set: which Arrow files it has, in order. */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

enum saved_kind {
	SAVED_NONE, /* not a saved data set */
	SAVED_DATASET,
	SAVED_DICT, /* a DatasetDict: one data set per split below it */
};

enum saved_kind saved_kind(const char *dir);
/* The absolute paths of the data files, in order; caller frees with saved_files_free. -ENOENT: no
 * such data set; -ERR_CORRUPT: state.json is not what it must be or a file is missing. */
int saved_files(const char *dir, char ***ret, size_t *ret_n, struct err *reterr) MUSTCHECK;
void saved_files_free(char **files, size_t n);
