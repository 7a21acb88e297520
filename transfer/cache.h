/* SPDX-License-Identifier: MIT */
/*
 * The content-keyed cache of fetched things: DATA/cache/KEY/ is a finished tree (a single file lies
 * in it under its own name), DATA/cache/partial/KEY/ one that is being filled. Shared by all
 * transfer processes: a finished entry never changes, filling is locked (flock), the least recently
 * used entries go when all are larger than the maximum. What is taken out is a tree of hard links,
 * so that an entry may go while somebody still reads it.
 */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define CACHE_KEY_LEN 65 /* sha256 in hex and NUL: a hash over what names the content */

struct cache;

/* Makes `dir` when it is missing; max_bytes 0: no limit. */
int cache_open(const char *dir, int64_t max_bytes, struct cache **ret,
	       struct err *reterr) MUSTCHECK;
void cache_close(struct cache *c); /* NULL is allowed */

struct cache_fill {
	char path[PATH_MAX]; /* absolute directory to fill; may hold what an earlier try left */
	char key[CACHE_KEY_LEN];
	int lock_fd;
};

/* 1: the entry is there, nothing is to be filled. 0: *fill is the caller's to fill, then
 * cache_commit or cache_leave; waits while another process fills the same key (then it may be
 * there), looking at *stop. -ERR_CANCELLED, -errno. */
int cache_begin(struct cache *c, const char *key, const volatile sig_atomic_t *stop,
		struct cache_fill *fill, struct err *reterr) MUSTCHECK;
/* The tree is complete: sync it, make it an entry, evict what is too much (never this one). */
int cache_commit(struct cache *c, struct cache_fill *fill, struct err *reterr) MUSTCHECK;
/* Give it up; what is there stays for a later try. */
void cache_leave(struct cache *c, struct cache_fill *fill);
/* The entry's tree as hard links (copies where the file system cannot) in the new directory `into`.
 * Marks it as used. -ERR_NOT_FOUND: it has just been evicted. */
int cache_take(struct cache *c, const char *key, const char *into, struct err *reterr) MUSTCHECK;
