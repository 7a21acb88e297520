/* SPDX-License-Identifier: MIT */
/*
 * stdout and stderr of the command line. All output passes base/printable, so that names, messages
 * and logs of others cannot control the user's terminal. Only the last two functions bypass it.
 */
#pragma once

#include <stdio.h>

/* Install the filter before stdout and stderr. Call it once, before anything is printed. */
void terminal_open(void);
/* The descriptor of stdout or stderr, for isatty(). */
int terminal_fd(FILE *stream);
/* Send `sequence` to the terminal of stderr, after the text printed so far. */
void terminal_command(const char *sequence);
/* Write bytes to stdout: filtered if it is a terminal, else unchanged. 0 or -errno. */
int terminal_copy(const char *data, size_t len);
