/* SPDX-License-Identifier: MIT */
/*
 * The process's limit of file descriptors, the number still free, and a reserve for work that must
 * continue if all others are in use. The daemon calls this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DESCRIPTORS_LIMIT_MAX 65536 /* upper bound when the soft limit is raised */
#define DESCRIPTORS_SPARE     48    /* size of the reserve: enough for several process starts */

/* Raise the soft limit to the hard limit, at most DESCRIPTORS_LIMIT_MAX; never lower it. Call
 * before any thread starts. Returns the current soft limit. */
int64_t descriptors_raise(void);
/* After a fork: restore the soft limit from before descriptors_raise(), for programs that use
 * select(2). Async-signal-safe. */
void descriptors_restore(void);
/* True if `n` more descriptors can be opened (n at most DESCRIPTORS_SPARE). Any thread. */
bool descriptors_are_left(int n);

/* Descriptors that are held open as a reserve. Zeroed: none. One thread. */
struct spare_descriptors {
	int fds[DESCRIPTORS_SPARE];
	int n;
};

/* Open the missing descriptors. Returns false if not all could be opened. */
bool spare_fill(struct spare_descriptors *s);
/* Close all, so that the next calls of this thread have free descriptors. */
void spare_release(struct spare_descriptors *s);
