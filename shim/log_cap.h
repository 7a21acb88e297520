/* SPDX-License-Identifier: MIT */
/*
 * Keeps DIR/log within its cap while the child goes on appending: once the bytes on disk pass
 * the cap, a hole is punched in the middle. The first quarter stays, and the newest half; the
 * file's offsets never change. DIR/log.gap says which bytes are gone, before they are.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_CAP_MIN_BYTES 65536 /* smaller caps are raised to this */

struct log_cap {
	int dirfd;	   /* borrowed */
	int fd;		   /* DIR/log, for writing; -1: nothing to do */
	int64_t max_bytes; /* 0: no cap */
	int64_t gap_from, gap_to;
	int64_t seen_bytes; /* size at the last check */
};

/* Open (make) DIR/log. */
int log_cap_open(struct log_cap *c, int dirfd, int64_t max_bytes, struct err *reterr) MUSTCHECK;
/* Look at the size and punch when it is time. 1: the log grows so fast that the next look should
 * come soon, 0: not; -EOPNOTSUPP: this file system cannot punch holes, and later calls do
 * nothing. Other errors are worth a retry at the next tick. */
int log_cap_check(struct log_cap *c, struct err *reterr) MUSTCHECK;
void log_cap_close(struct log_cap *c);
