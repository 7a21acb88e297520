/* SPDX-License-Identifier: MIT */
/*
 * File descriptors of this process: its limit, what is left of it, and a few that are kept back
 * for work that must go on when all others are in use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DESCRIPTORS_LIMIT_MAX 65536 /* the soft limit is raised to at most this */
#define DESCRIPTORS_SPARE     48    /* kept back: several starts of a process */

/* Raise the soft limit to the hard one, at most DESCRIPTORS_LIMIT_MAX; it is never lowered. Call it
 * before any thread starts. Returns the soft limit that holds now. */
int64_t descriptors_raise(void);
/* After a fork: the soft limit from before descriptors_raise(), for programs that use select(2).
 * Async-signal-safe. */
void descriptors_restore(void);
/* True if `n` more descriptors can be opened now (n at most DESCRIPTORS_SPARE). Any thread. */
bool descriptors_are_left(int n);

/* Descriptors that are open only to be closed. Zeroed: none. One thread. */
struct spare_descriptors {
	int fds[DESCRIPTORS_SPARE];
	int n;
};

/* Open those that are missing; false if not all can be had. */
bool spare_fill(struct spare_descriptors *s);
/* Close all, so that the next calls of this thread find room. */
void spare_release(struct spare_descriptors *s);
