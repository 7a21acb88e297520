/* SPDX-License-Identifier: MIT */
/*
 * The program's stdout and stderr: a pipe, of which the shim moves into DIR/log no more than fits
 * (log_cap.h). Who writes faster waits, so that the log's cap holds at every moment.
 *
 * What cannot be written (a full disk) is taken and dropped: a log never holds up a program. A line
 * in the log says how much is missing as soon as one can be written again.
 */
#pragma once

#include "base/err.h"
#include "shim/log_cap.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_PIPE_TURN_BYTES (1 << 20) /* moved at once, so that the loop sees signals */

struct log_pipe {
	int fd;		    /* to read; -1: not open, or nobody can write any more */
	int64_t lost_bytes; /* dropped and not told yet */
	int lost_errno;	    /* why */
};

/* Make the pipe. *ret_write_fd is the program's end, close-on-exec, owned by the caller. */
int log_pipe_open(struct log_pipe *p, int *ret_write_fd, struct err *reterr) MUSTCHECK;
/* Move at most LOG_PIPE_TURN_BYTES of what is there. Never waits for a writer. Closes the pipe when
 * it is empty and nobody has its other end. */
void log_pipe_move(struct log_pipe *p, struct log_cap *log);
/* All writers that count are gone: move what they left, and close. */
void log_pipe_close(struct log_pipe *p, struct log_cap *log);
