/* SPDX-License-Identifier: MIT */
/* Directory trees of the cache: sealed once, then only linked, measured and removed. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Modification time of every sealed file. Another one means that somebody wrote into the file
 * through a link that was handed out. */
#define TREE_SEAL_SECONDS 946684800 /* 2000-01-01 */

struct cache_facts {
	int64_t bytes; /* of the disk */
	bool linked;   /* a file has a link outside of the tree */
	bool spoiled;  /* a file is not as it was sealed */
};

/* Write-protect, stamp and sync every file and folder. Only regular files and folders may be there:
 * -ERR_CORRUPT else. */
int cache_tree_seal(const char *dir, struct err *reterr) MUSTCHECK;
/* Hard links to the files of `from` in the new folder `into`; copies (writable by the owner) where
 * a link cannot be had. */
int cache_tree_link(const char *from, const char *into, struct err *reterr) MUSTCHECK;
/* Walk it. What vanishes meanwhile does not count. */
void cache_tree_measure(const char *dir, struct cache_facts *ret);
/* One file: a hard link, else a copy. */
int cache_tree_link_file(const char *from, const char *to, struct err *reterr) MUSTCHECK;
