/* SPDX-License-Identifier: MIT */
/*
 * Directory trees that belong to somebody else: a job may have made them deep, wide, without
 * permissions, full of links, and may still write into them. Nothing here follows a link, crosses a
 * mount or opens more than TREE_DEPTH_MAX descriptors, however deep a tree is. All calls block on
 * the disk: not for the manager's thread.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TREE_DEPTH_MAX 64 /* directories below the top that are measured */

struct tree_size {
	int64_t bytes;	/* on the disk, of what has no other name elsewhere: what a removal frees */
	int64_t files;	/* regular files, links and other things that are no directories */
	bool partial;	/* too deep, too many entries or unreadable: there is more */
	int64_t budget; /* in: entries that may still be looked at; out: what is left of them */
};

/* Add what lies below the directory `name` in `at`. A missing one adds nothing. */
void tree_measure(int at, const char *name, struct tree_size *size);
/* Open the directory `name` in `at` for reading, and make it readable and writable if it is ours
 * and was not. The caller's descriptor. -ERR_INVALID: a link or another file system. */
int tree_open(int at, const char *name, int *ret_fd, struct err *reterr) MUSTCHECK;
/* Remove the tree, or the file, `name` in `at`, at most about max_entries of it: 1: there is more;
 * 0: it is gone; negative: something in it cannot be removed (the rest is gone). Directories move
 * up while it works, so that their depth does not matter. */
int tree_remove_some(int at, const char *name, int64_t max_entries, struct err *reterr) MUSTCHECK;
/* The same of all that lies in the open directory `dirfd`; `name` is for the message. 0: it is
 * empty. */
int tree_clear(int dirfd, const char *name, int64_t max_entries, struct err *reterr) MUSTCHECK;
/* rm -rf; never follows links; a missing path is success. */
int tree_remove(int at, const char *path, struct err *reterr) MUSTCHECK;
