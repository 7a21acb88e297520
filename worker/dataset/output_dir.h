/* SPDX-License-Identifier: MIT */
/*
 * Where preprocess writes: work/output/ of the execution, or the directory that `output` of the
 * spec names (for an s3:// output, files are pushed from work/output/). A part of a named directory
 * is written under a hidden name beside its own, and is renamed when it is complete. Only an older
 * saved data set is ever replaced.
 */
#pragma once

#include "worker/worker.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct output_dir {
	char root[PATH_MAX];
	bool named; /* by the spec */
};

/* -ERR_INVALID at "/output" if something else has the name of a part. */
int output_dir_open(const struct worker *w, struct output_dir *ret, struct err *reterr) MUSTCHECK;
/* Where to write a part ("train", "test"). */
int output_dir_part(const struct output_dir *p, const char *part, char *dir, size_t size,
		    struct err *reterr) MUSTCHECK;
/* Rename a complete part to its place. */
int output_dir_publish(const struct output_dir *p, const char *part, struct err *reterr) MUSTCHECK;
