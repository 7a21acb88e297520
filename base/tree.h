/* SPDX-License-Identifier: MIT */
/*
 * Measures and removes directory trees of another user. A job may have made a tree deep, wide,
 * without permissions and full of links, and may still write into it. No function follows a link,
 * crosses a mount, or opens more than TREE_DEPTH_MAX descriptors. All calls block on the disk, so
 * the manager's thread must not call them.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TREE_DEPTH_MAX 64 /* depth below the top that is measured */

struct tree_size {
	int64_t bytes;	/* disk space that a removal would free: files without another hard link */
	int64_t files;	/* regular files, links and other entries that are not directories */
	bool partial;	/* True if incomplete: too deep, too many entries or unreadable */
	int64_t budget; /* in: entries that may be examined; out: the rest of that number */
};

/* Add the content of the directory `name` in `at`. A missing directory adds nothing. */
void tree_measure(int at, const char *name, struct tree_size *size);
/* Open the directory `name` in `at` for reading. If this user owns the directory and it is not
 * accessible, its mode is changed. The caller owns the descriptor. -ERR_INVALID: a link or another
 * file system. */
int tree_open(int at, const char *name, int *ret_fd, struct err *reterr) MUSTCHECK;
/* Remove the tree or file `name` in `at`, at most about max_entries entries. Returns 1 if more is
 * left, 0 if it is gone, negative if an entry cannot be removed (the others are gone). Directories
 * are moved up during the removal, so that depth does not matter. */
int tree_remove_some(int at, const char *name, int64_t max_entries, struct err *reterr) MUSTCHECK;
/* As rm -rf; never follows links; a missing path is success. */
int tree_remove(int at, const char *path, struct err *reterr) MUSTCHECK;
