/* SPDX-License-Identifier: MIT */
/*
 * An execution's log as readers see it: offsets are those of the file; bytes that were punched out
 * of its middle (DIR/log.gap) are shown as one line that says how many. Blocking reads of local
 * files.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOGFILE_TAIL_MAX   10000   /* lines */
#define LOGFILE_TAIL_BYTES 4194304 /* looked at for them */

struct logfile {
	int dirfd, fd;
	int64_t offset;	 /* of the next byte to show */
	char notice[96]; /* a line of ours, part of which is still to be shown */
	size_t notice_len, notice_shown;
};

#define LOGFILE_CLOSED                \
	{                             \
		.dirfd = -1, .fd = -1 \
	}

/* Open DIR/log. -ENOENT: nothing has run there yet. */
int logfile_open(struct logfile *lf, const char *dir, struct err *reterr) MUSTCHECK;
void logfile_close(struct logfile *lf);
int64_t logfile_size(const struct logfile *lf); /* or -errno */
/* The offset at which what is kept begins: 0, or the end of a gap that begins at 0. */
int64_t logfile_start(const struct logfile *lf);
/* Where the last `lines` lines start: at most LOGFILE_TAIL_BYTES from the end, never before a gap.
 */
int64_t logfile_tail(const struct logfile *lf, int64_t lines);
/* Show a line of our own before what comes next. */
void logfile_say(struct logfile *lf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What comes next, up to max bytes and not beyond the file offset `end`; moves the offset. 0: all
 * that is there was shown; -errno. */
ssize_t logfile_read(struct logfile *lf, int64_t end, char *buf, size_t max);
