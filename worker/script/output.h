/* SPDX-License-Identifier: MIT */
/*
 * The script's stdout and stderr. Bytes are passed on to our stdout, which is the log, and are also
 * read as lines (at line feeds and carriage returns). The script waits for us, so no line is
 * missed, however fast it writes and whatever the log's cap removes later.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define OUTPUT_LINE_MAX 65536 /* bytes; a longer line arrives in parts */
#define OUTPUT_TAIL_MAX 16384 /* last bytes, for the message of a failure */

struct output {
	int fd;		 /* read end; -1: closed, or no writer is left */
	struct buf line; /* an unfinished line */
	struct buf tail; /* at most twice OUTPUT_TAIL_MAX */
};

typedef void (*output_line_fn)(void *userdata, const char *line, size_t len);

/* Open the pipe. *ret_write_fd is the script's end, close-on-exec, owned by the caller. */
int output_open(struct output *o, int *ret_write_fd, struct err *reterr) MUSTCHECK;
/* Pass on one part of the waiting bytes; whole lines go to `fn`. Does not wait for the script.
 * Closes the pipe if it is empty and no write end is open. */
void output_pass(struct output *o, output_line_fn fn, void *userdata);
/* Call it after the script's end: passes on all waiting bytes and the unfinished line, then closes.
 * Does not wait for processes that the script has started. */
void output_end(struct output *o, output_line_fn fn, void *userdata);
/* The last bytes of the script's output, at most OUTPUT_TAIL_MAX. */
const char *output_tail(const struct output *o, size_t *ret_len);
/* Free it. A second call does nothing, nor a call for zeros with fd -1. */
void output_done(struct output *o);
