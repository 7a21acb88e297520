/* SPDX-License-Identifier: MIT */
/*
 * Headroom: the disk space, inodes and descriptors that new work needs, and a data directory that
 * has not moved. Without it running work continues, a queued job waits, and a submit is refused.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

struct manager;

#define HEADROOM_INODES	     256 /* an execution needs about ten; a source_dir up to 10,000 */
#define HEADROOM_DESCRIPTORS 16

/* Any thread. -ENOSPC if the data directory's disk has less than local.disk_free_min_bytes or too
 * few inodes. -ERR_UNAVAILABLE if descriptors are used up, or the directory was renamed or deleted.
 * The message says what is missing. */
int headroom_check(const struct manager *mgr, struct err *reterr) MUSTCHECK;
/* The disk part of headroom_check(), for the result of statvfs(3) on `dir`. */
int headroom_check_disk(const char *dir, const struct statvfs *vfs, int64_t free_min_bytes,
			struct err *reterr) MUSTCHECK;
/* True if this result (-errno) means that disk, descriptors, processes or memory are used up. Such
 * an error makes a job wait; it is not the job's fault. */
bool headroom_is_missing(int r);
/* True if an error proves nothing about a file, because resources are used up or the disk does not
 * answer. An error that a job can cause in its own files does not count. */
bool headroom_look_failed(int r);
/* The code for a submit: -ENOSPC or -ERR_UNAVAILABLE. */
int headroom_code(int r);
