/* SPDX-License-Identifier: MIT */
/*
 * DIR/log and its cap. Who appends asks first how much fits: before the file would pass the cap, a
 * hole is punched in its middle. The first quarter stays, and the newest half; the file's offsets
 * never change. DIR/log.gap says which bytes are gone, before they are. Where the file system
 * punches no holes, the file is cut and its newest LOG_CAP_COPY_BYTES at most are written again.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_CAP_MIN_BYTES   65536 /* smaller caps are raised to this */
#define LOG_CAP_BLOCK_BYTES 4096  /* caps are cut down to whole blocks */
#define LOG_CAP_COPY_BYTES  (INT64_C(1) << 20)

struct log_cap {
	int dirfd;	   /* borrowed */
	int fd;		   /* DIR/log, for writing; -1: closed */
	int64_t max_bytes; /* 0: no cap */
	int64_t gap_from, gap_to;
	int64_t seen_bytes; /* size at the last check */
};

/* Open (make) DIR/log. */
int log_cap_open(struct log_cap *c, int dirfd, int64_t max_bytes, struct err *reterr) MUSTCHECK;
/* How many bytes may be appended now, at least 1, and at which offset; makes room first if there
 * is none. Negative: nothing may be, because no room can be made. */
int64_t log_cap_room(struct log_cap *c, int64_t *ret_offset, struct err *reterr) MUSTCHECK;
/* The same look for what a program appends to the file by itself. 1: the log grows so fast that
 * the next look should come soon, 0: not. Errors are worth a retry at the next tick. */
int log_cap_check(struct log_cap *c, struct err *reterr) MUSTCHECK;
void log_cap_close(struct log_cap *c);
