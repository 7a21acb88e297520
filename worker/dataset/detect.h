/* SPDX-License-Identifier: MIT */
/* Which kind of source a path is: by what lies there first, by its name second. */
#pragma once

#include "worker/dataset/source.h"
#include "worker/dataset/split_names.h"

/* Two sources when the path holds a train and a test part (DatasetDict, aclImdb, Parquet files). */
struct detected {
	const struct source_kind *kind;
	bool has_parts; /* then the sources are path/train and path/test, of this kind */
	/* Names of the parts: "train" and "test", or what the folder has (test: "validation").
	 * Without parts `train` names the only one, or is "" when the source is the path itself. */
	char train[SPLIT_NAME_MAX], test[SPLIT_NAME_MAX];
};

/* `field` is for errors: field/path. -ENOENT, -ERR_INVALID. */
int source_detect(const char *path, const char *field, struct detected *ret,
		  struct err *reterr) MUSTCHECK;
