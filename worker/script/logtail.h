/* SPDX-License-Identifier: MIT */
/* Follows the log that the script writes, line by line ('\n' or '\r' ends one). */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LOGTAIL_READ_MAX (4 << 20) /* bytes of one look, so that its caller sees a stop */

struct logtail {
	int fd;
	int64_t start, at; /* offsets: where the script began, what has been read */
	int64_t cut;	   /* bytes that the log's cap took away before they were read */
	struct buf line;   /* an unfinished one */
};

typedef void (*logtail_line_fn)(void *userdata, const char *line, size_t len);

/* From the present end of DIR/log on. */
int logtail_open(struct logtail *t, int dirfd, struct err *reterr) MUSTCHECK;
/* Hand over the whole lines of the next LOGTAIL_READ_MAX bytes; `last`: all that is there, the
 * unfinished line, too. What the cap has cut out is passed over and counted. Returns how many bytes
 * were read. */
int64_t logtail_read(struct logtail *t, bool last, logtail_line_fn fn, void *userdata);
/* The last at most `max` bytes of what the script has written. */
void logtail_tail(const struct logtail *t, size_t max, struct buf *out);
void logtail_close(struct logtail *t);
