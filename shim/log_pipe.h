/* SPDX-License-Identifier: MIT */
/*
 * The pipe of the program's stdout and stderr. The shim moves into DIR/log only what fits
 * (log_cap.h). A faster writer waits, so the log never passes its cap.
 *
 * If the log cannot be written (a full disk), the output is read and dropped: a log never holds up
 * a program. A line in the log says how many bytes are missing once the log is writable.
 */
#pragma once

#include "base/err.h"
#include "shim/log_cap.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_PIPE_TURN_BYTES (1 << 20) /* most bytes of one move, so that the loop sees signals */

struct log_pipe {
	int fd;		    /* read end; -1: closed, or no writer is left */
	int64_t lost_bytes; /* dropped, and not yet reported in the log */
	int lost_errno;	    /* reason of the last loss */
};

/* Make the pipe. *ret_write_fd is the program's end, close-on-exec, owned by the caller. */
int log_pipe_open(struct log_pipe *p, int *ret_write_fd, struct err *reterr) MUSTCHECK;
/* Move at most LOG_PIPE_TURN_BYTES into the log. Does not wait for a writer. Closes the pipe if it
 * is empty and no write end is open. */
void log_pipe_move(struct log_pipe *p, struct log_cap *log);
/* Move all waiting bytes into the log and close the pipe. Call it after the last writer has
 * ended. */
void log_pipe_close(struct log_pipe *p, struct log_cap *log);
