/* SPDX-License-Identifier: MIT */
/* Directory trees of the cache. A tree is sealed once; later it is only linked, measured and
 * removed. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* The modification time of every sealed file. Another time shows that a job wrote into the file
 * through its link. */
#define TREE_SEAL_SECONDS 946684800 /* 2000-01-01 */

struct cache_facts {
	int64_t bytes; /* on the disk */
	bool linked;   /* True if a file has a link outside of the tree */
	bool spoiled;  /* True if a file has changed since the seal */
};

/* Write-protect, stamp and sync every file and folder. -ERR_CORRUPT: the tree has something other
 * than regular files and folders. */
int cache_tree_seal(const char *dir, struct err *reterr) MUSTCHECK;
/* Make hard links to the files of `from` in the new folder `into`. If a link is impossible, make a
 * copy that the owner may write. */
int cache_tree_link(const char *from, const char *into, struct err *reterr) MUSTCHECK;
/* Measure the tree. Files that vanish meanwhile do not count. */
void cache_tree_measure(const char *dir, struct cache_facts *ret);
/* The same for one file: a hard link, or else a copy. */
int cache_tree_link_file(const char *from, const char *to, struct err *reterr) MUSTCHECK;
