/* SPDX-License-Identifier: MIT */
/*
 * What the script writes to stdout and stderr: passed on to ours, which is the log, and read line
 * by line on the way ('\n' or '\r' ends one). No line is missed, however fast the script writes and
 * whatever the log's cap takes away later: it waits for us.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define OUTPUT_LINE_MAX 65536 /* what is longer comes in parts */
#define OUTPUT_TAIL_MAX 16384 /* the last bytes, for the message of a failure */

struct output {
	int fd;		 /* to read; -1: not open, or nobody can write any more */
	struct buf line; /* an unfinished one */
	struct buf tail; /* at most twice OUTPUT_TAIL_MAX */
};

typedef void (*output_line_fn)(void *userdata, const char *line, size_t len);

/* *ret_write_fd is the script's end, close-on-exec, owned by the caller. */
int output_open(struct output *o, int *ret_write_fd, struct err *reterr) MUSTCHECK;
/* Pass on one part of what is there, if anything is; whole lines go to `fn`. Never waits for the
 * script. Closes the pipe when it is empty and nobody has its other end. */
void output_pass(struct output *o, output_line_fn fn, void *userdata);
/* The script has ended: pass on all that is there, the unfinished line, too, and close. Never waits
 * for what the script has started and that may still write. */
void output_end(struct output *o, output_line_fn fn, void *userdata);
/* The last at most OUTPUT_TAIL_MAX bytes of what the script has written. */
const char *output_tail(const struct output *o, size_t *ret_len);
/* Free it; again, or of zeros with fd -1: nothing. */
void output_done(struct output *o);
