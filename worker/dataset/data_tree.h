/* SPDX-License-Identifier: MIT */
/*
 * A folder with files of data in it or below it: Parquet, CSV or JSON Lines, as in repositories of
 * the hub and S3 prefixes. configs.h decides which files belong to which split. The folder has one
 * kind of file: if it has Parquet files, others are not data.
 */
#pragma once

#include "base/err.h"
#include "worker/dataset/source.h"
#include "worker/dataset/split_names.h"

#include <stdbool.h>

#define DATA_TREE_DEPTH 16    /* folders below each other */
#define DATA_TREE_FILES 20000 /* files of one kind in one tree */

/* Which configuration of a tree is read. */
struct tree_config {
	const char *name; /* NULL: the only one, or the default one of the card */
	bool chosen;	  /* True if the tree holds the files of one configuration alone: the card's
			     `configs` belong to the repository they came from */
};

/* Find the splits of a tree, with the absolute paths of their files; none if it has no file of
 * data, or if it has text files below it, as class folders have, and no Parquet file. *ret_kind
 * reads such a split as the path "DIR/SPLIT" with its files. The caller ends *ret with
 * split_groups_done(), also on failure. -ERR_INVALID: CSV beside JSON Lines; a shard is missing
 * (NAME-00001-of-00003); several configurations exist and none is named, or the named one is
 * missing or has no file. reterr->field is /dataset/config, or `field`. -ERR_LIMIT, -errno. */
int data_tree_splits(const char *dir, const struct tree_config *config, const char *field,
		     struct split_groups *ret, const struct source_kind **ret_kind,
		     struct err *reterr) MUSTCHECK;
