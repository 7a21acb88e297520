/* SPDX-License-Identifier: MIT */
/* The regular files of a local tree, by sorted relative path. Links to files and directories below
 * the roots (base/roots.h) are followed. A link that leads outside is refused; a link to nothing is
 * left out. Sockets, pipes and devices are left out. */
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

/* Read the tree below the absolute path `root`. exclude: patterns or NULL. Free *ret with
 * tree_done(). -ENOENT, -ERR_LIMIT, -ERR_INVALID (a loop of links). */
int tree_read(const char *root, const json_t *exclude, struct tree *ret,
	      struct err *reterr) MUSTCHECK;
void tree_done(struct tree *t);
