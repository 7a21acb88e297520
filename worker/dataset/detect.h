/* SPDX-License-Identifier: MIT */
/* Decides which kind of source a path is: first by its content, then by its name. */
#pragma once

#include "worker/dataset/source.h"
#include "worker/dataset/split_names.h"

/* Two sources if the path holds several splits (DatasetDict, aclImdb, a folder of files). */
struct detected {
	const struct source_kind *kind;
	bool has_parts; /* True if the sources are path/train and path/test, of this kind */
	/* Names of the parts: "train", and the requested one, "test" or "validation". Without parts
	 * `train` names the only one, or is "" if the source is the path itself. */
	char train[SPLIT_NAME_MAX], test[SPLIT_NAME_MAX];
	/* Replaces "test" if no row of "test" has a label. "": there is none, or the job names its
	 * test split. */
	char spare[SPLIT_NAME_MAX];
	struct split_groups files; /* of a folder of files of data: those of all splits */
};

/* `field` is for errors: field/path. `test_split`: the split that the job names as its test set, or
 * NULL. Of the columns only the configuration is used. The caller ends *ret with detected_done(),
 * also on failure. -ENOENT, -ERR_INVALID. */
int source_detect(const char *path, const char *field, const char *test_split,
		  const struct source_columns *columns, struct detected *ret,
		  struct err *reterr) MUSTCHECK;
void detected_done(struct detected *d);
