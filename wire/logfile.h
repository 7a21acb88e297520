/* SPDX-License-Identifier: MIT */
/*
 * Reads an execution's log. Offsets are those of the file. A gap (DIR/log.gap), whose bytes were
 * removed from the middle, is shown as one line with its size. Server threads call this; reads of
 * local files block.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOGFILE_TAIL_MAX   10000   /* lines */
#define LOGFILE_TAIL_BYTES 4194304 /* bytes that are searched for these lines */

struct logfile {
	int dirfd, fd;
	int64_t offset;	 /* of the next byte */
	char notice[96]; /* a notice that is not fully read yet */
	size_t notice_len, notice_shown;
};

#define LOGFILE_CLOSED                \
	{                             \
		.dirfd = -1, .fd = -1 \
	}

/* Open DIR/log. -ENOENT if nothing has run there yet. */
int logfile_open(struct logfile *lf, const char *dir, struct err *reterr) MUSTCHECK;
void logfile_close(struct logfile *lf);
int64_t logfile_size(const struct logfile *lf); /* or -errno */
/* The offset of the first kept byte: 0, or the end of a gap that begins at 0. */
int64_t logfile_start(const struct logfile *lf);
/* The offset of the last `lines` lines: at most LOGFILE_TAIL_BYTES before the end, and not before a
 * gap. */
int64_t logfile_tail(const struct logfile *lf, int64_t lines);
/* Insert a notice line before the next bytes. */
void logfile_say(struct logfile *lf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Read the next bytes, at most `max` and not beyond the file offset `end`, and advance the offset.
 * Returns the number of bytes, 0 if all bytes were read, or -errno. */
ssize_t logfile_read(struct logfile *lf, int64_t end, char *buf, size_t max);
