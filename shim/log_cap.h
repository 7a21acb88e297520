/* SPDX-License-Identifier: MIT */
/*
 * DIR/log and its cap. A writer calls log_cap_room() before it appends. If the file would pass the
 * cap, a hole is punched in its middle: the first quarter and the newest half stay.
 * The file's offsets never change. DIR/log.gap names the hole before it is made (on a full disk:
 * right after). If the file system cannot punch holes, the file is truncated and at most its newest
 * LOG_CAP_COPY_BYTES are written again.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_CAP_MIN_BYTES   65536 /* a smaller cap is raised to this */
#define LOG_CAP_BLOCK_BYTES 4096  /* a cap is rounded down to whole blocks */
#define LOG_CAP_COPY_BYTES  (INT64_C(1) << 20)

struct log_cap {
	int dirfd;	   /* borrowed */
	int fd;		   /* DIR/log, open for writing; -1: closed */
	int64_t max_bytes; /* 0: no cap */
	int64_t gap_from, gap_to;
	int64_t seen_bytes; /* file size at the last check */
};

/* Open DIR/log, or create it. `dirfd` must stay open until log_cap_close(). Negative: *c is
 * closed. */
int log_cap_open(struct log_cap *c, int dirfd, int64_t max_bytes, struct err *reterr) MUSTCHECK;
/* Bytes that may be appended now, at least 1; *ret_offset is the place. Punches the hole first if
 * the file is full. Negative: nothing may be appended, because the hole could not be made. */
int64_t log_cap_room(struct log_cap *c, int64_t *ret_offset, struct err *reterr) MUSTCHECK;
/* Apply the cap to a file that the program itself appends to. 1: the log grows fast, check again
 * soon; 0: it does not. After an error, try again at the next tick. */
int log_cap_check(struct log_cap *c, struct err *reterr) MUSTCHECK;
void log_cap_close(struct log_cap *c);
