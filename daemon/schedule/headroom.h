/* SPDX-License-Identifier: MIT */
/*
 * Headroom: the disk space, inodes and descriptors without which nothing new is begun, and a data
 * directory that is where it was. What runs already goes on; a job that is queued waits, a submit
 * is refused.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

struct manager;

#define HEADROOM_INODES	     256 /* an execution needs about ten, a source_dir up to 10,000 */
#define HEADROOM_DESCRIPTORS 16

/* Any thread. -ENOSPC: the data directory's disk has less than local.disk_free_min_bytes, or too
 * few inodes; -ERR_UNAVAILABLE: descriptors are used up, or the directory was renamed or deleted.
 * The sentence says what is missing. */
int headroom_check(const struct manager *mgr, struct err *reterr) MUSTCHECK;
/* The part about the disk, of what statvfs(3) said about `dir`. */
int headroom_check_disk(const char *dir, const struct statvfs *vfs, int64_t free_min_bytes,
			struct err *reterr) MUSTCHECK;
/* True if this result (-errno) means that disk, descriptors, processes or memory are used up: a
 * thing to wait for, not one that the job did wrong. */
bool headroom_is_missing(int r);
/* True if an error says nothing of what lies there: the machine has no room to look, or the disk
 * does not answer. What a job can do to its files is no such error. */
bool headroom_look_failed(int r);
/* The same result as a submit answers it: -ENOSPC or -ERR_UNAVAILABLE. */
int headroom_code(int r);
