/* SPDX-License-Identifier: MIT */
/*
 * A folder with Parquet files in it or below it, as repositories of the hub and S3 prefixes are:
 * which files are which split (split_names.h).
 */
#pragma once

#include "base/err.h"
#include "worker/dataset/split_names.h"

#define PARQUET_TREE_DEPTH 16	 /* folders below each other */
#define PARQUET_TREE_FILES 20000 /* Parquet files of one tree */

/* The splits of a tree, files relative to dir; none when it has no Parquet file. The caller ends
 * *ret with split_groups_done, also on failure. -ERR_LIMIT, -errno. */
int parquet_tree_splits(const char *dir, struct split_groups *ret, struct err *reterr) MUSTCHECK;
/* Absolute paths of the files of "DIR/SPLIT"; caller frees with saved_files_free. */
int parquet_tree_files(const char *path, char ***ret, size_t *ret_n, struct err *reterr) MUSTCHECK;
