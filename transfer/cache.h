/* SPDX-License-Identifier: MIT */
/*
 * The cache of fetched content, by key. DATA/cache/KEY/ is a finished tree (a single file lies in
 * it under its own name); DATA/cache/partial/KEY/ is being filled.
 * All transfer processes share the cache. A finished entry never changes; filling takes a lock
 * (flock). If the entries are larger than the maximum, the least recently used ones are removed. A
 * job gets a tree of hard links, so an entry may be removed while a job still reads its files.
 */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define CACHE_KEY_LEN 65 /* SHA-256 in hex and NUL: a hash over what names the content */

struct cache;

/* Open the cache and create `dir` if needed. max_bytes 0: no limit. Free *ret with
 * cache_close(). */
int cache_open(const char *dir, int64_t max_bytes, struct cache **ret,
	       struct err *reterr) MUSTCHECK;
void cache_close(struct cache *c); /* NULL is allowed */

struct cache_fill {
	char path[PATH_MAX]; /* absolute directory to fill; may hold files of an earlier attempt */
	char key[CACHE_KEY_LEN];
	int lock_fd;
};

/* 1: the entry exists, nothing is to be filled. 0: the caller fills fill->path, then calls
 * cache_commit() or cache_leave(). Blocks while another process fills the same key; checks *stop
 * meanwhile. -ERR_CANCELLED: stopped; -errno. */
int cache_begin(struct cache *c, const char *key, const volatile sig_atomic_t *stop,
		struct cache_fill *fill, struct err *reterr) MUSTCHECK;
/* Call it when the tree is complete: syncs it, makes it an entry and evicts other entries above the
 * maximum. */
int cache_commit(struct cache *c, struct cache_fill *fill, struct err *reterr) MUSTCHECK;
/* Give up the fill. The files stay for a later attempt. */
void cache_leave(struct cache *c, struct cache_fill *fill);
/* Make the entry's tree in the new directory `into`, from hard links (copies if the file system has
 * none). Marks the entry as used. -ERR_NOT_FOUND: the entry was evicted meanwhile. */
int cache_take(struct cache *c, const char *key, const char *into, struct err *reterr) MUSTCHECK;
