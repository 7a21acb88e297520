/* SPDX-License-Identifier: MIT */
/* What a local tree holds: regular files by sorted relative path. Links are followed as far as they
 * lead to files and directories below the roots (base/roots.h): one that leads out is refused, one
 * that leads nowhere is left out. Sockets, pipes and devices are not taken. */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

#define TREE_FILES_MAX 250000 /* about 25 MiB of memory */

struct tree_file {
	char *path; /* relative */
	int64_t size;
	unsigned mode;
};

struct tree {
	struct tree_file *files;
	size_t n;
	int64_t bytes;
};

/* root: absolute. exclude: patterns or NULL. -ENOENT, -ERR_LIMIT, -ERR_INVALID (a loop of links).
 */
int tree_read(const char *root, const json_t *exclude, struct tree *ret,
	      struct err *reterr) MUSTCHECK;
void tree_done(struct tree *t);
