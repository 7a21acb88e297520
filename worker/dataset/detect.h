/* SPDX-License-Identifier: MIT */
/* Which kind of source a path is: by what lies there first, by its name second. */
#pragma once

#include "worker/dataset/source.h"

/* Two sources when the path holds a train and a test part (DatasetDict, aclImdb). */
struct detected {
	const struct source_kind *kind;
	bool has_parts; /* then the sources are path/train and path/test, of this kind */
};

/* `field` is for errors: field/path. -ENOENT, -ERR_INVALID. */
int source_detect(const char *path, const char *field, struct detected *ret,
		  struct err *reterr) MUSTCHECK;
