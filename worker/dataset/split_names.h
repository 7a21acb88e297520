/* SPDX-License-Identifier: MIT */
/*
 * Assigns files to splits by their names alone, by the rules of `datasets`
 * (datasets/data_files.py): data/SPLIT-00000-of-00001.x, else a folder named after a split, else a
 * file named after one, else everything is "train". Folders of Parquet files here and repositories
 * of the hub (transfer) use this.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SPLIT_NAME_MAX 64

struct split_group {
	char name[SPLIT_NAME_MAX]; /* "train", "validation", "test" or as data/ names it */
	char **files;		   /* sorted; copies */
	size_t n;
};

struct split_groups {
	struct split_group *items; /* train, validation, test, then others by name */
	size_t n;
};

/* Group n relative paths; hidden ones and those below a "__" folder are left out. 0 or -ENOMEM; the
 * caller ends *ret with split_groups_done, also on failure. */
int split_groups_init(struct split_groups *ret, const char *const *paths, size_t n);
/* Add one path to the group of that name, which is made if it is missing; a name of SPLIT_NAME_MAX
 * bytes or more is no split, and its path is left out. 0 or -ENOMEM. */
int split_groups_add(struct split_groups *g, const char *split, const char *path);
/* Sort the groups and their files. */
void split_groups_sort(struct split_groups *g);
/* Take the group of that name out of *g; the caller ends it with split_group_done(). It has no
 * files if there is none. */
struct split_group split_groups_take(struct split_groups *g, const char *name);
void split_group_done(struct split_group *group);
const struct split_group *split_groups_find(const struct split_groups *g, const char *name);
/* Put a folder before the path of each file; "" changes nothing. 0 or -ENOMEM. */
int split_groups_prefix(struct split_groups *g, const char *dir);
void split_groups_done(struct split_groups *g);
/* The first word that names a split, in a folder or the file's name of the path; else NULL. */
const char *split_word(const char *path);
/* True if the pattern of a data set's card matches the path: `*`, `?` and [..] stay within a
 * folder,
 * `**` does not; hidden parts and "__" folders match only where the pattern has them too. */
bool split_pattern_match(const char *pattern, const char *path);
