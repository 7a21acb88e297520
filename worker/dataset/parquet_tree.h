/* SPDX-License-Identifier: MIT */
/*
 * A folder with Parquet files in it or below it, as repositories of the hub and S3 prefixes are:
 * which files are which split (configs.h).
 */
#pragma once

#include "base/err.h"
#include "worker/dataset/split_names.h"

#include <stdbool.h>

#define PARQUET_TREE_DEPTH 16	 /* folders below each other */
#define PARQUET_TREE_FILES 20000 /* Parquet files of one tree */

/* Which configuration of a tree is read. */
struct tree_config {
	const char *name; /* NULL: the only one, or the default one of the card */
	bool chosen;	  /* True if the tree holds the files of one alone: the card's `configs` are
			     of the repository that they come from */
};

/* The splits of a tree, files relative to dir; none when it has no Parquet file. The caller ends
 * *ret with split_groups_done, also on failure. -ERR_INVALID: several configurations and none is
 * named, or none has that name or a file; reterr->field is /dataset/config. -ERR_LIMIT, -errno. */
int parquet_tree_splits(const char *dir, const struct tree_config *config, struct split_groups *ret,
			struct err *reterr) MUSTCHECK;
/* Absolute paths of the files of "DIR/SPLIT"; caller frees with saved_files_free. */
int parquet_tree_files(const char *path, const struct tree_config *config, char ***ret,
		       size_t *ret_n, struct err *reterr) MUSTCHECK;
