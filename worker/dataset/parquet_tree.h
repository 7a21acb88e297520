/* SPDX-License-Identifier: MIT */
/*
 * A folder with Parquet files in it or below it, as in repositories of the hub and S3 prefixes.
 * configs.h decides which files belong to which split.
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
	bool chosen;	  /* True if the tree holds the files of one configuration alone: the card's
			     `configs` belong to the repository they came from */
};

/* Find the splits of a tree, with files relative to dir; none if it has no Parquet file. The caller
 * ends *ret with split_groups_done(), also on failure. -ERR_INVALID: several configurations exist
 * and none is named, or the named one is missing or has no file; reterr->field is /dataset/config.
 * -ERR_LIMIT, -errno. */
int parquet_tree_splits(const char *dir, const struct tree_config *config, struct split_groups *ret,
			struct err *reterr) MUSTCHECK;
/* The absolute paths of the files of "DIR/SPLIT". The caller frees them with saved_files_free(). */
int parquet_tree_files(const char *path, const struct tree_config *config, char ***ret,
		       size_t *ret_n, struct err *reterr) MUSTCHECK;
