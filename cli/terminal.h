/* SPDX-License-Identifier: MIT */
/*
 * stdout and stderr of the command line. Everything printed goes through base/printable, so that no
 * name, message or log of others can command the user's terminal; only the two functions at the end
 * go past it.
 */
#pragma once

#include <stdio.h>

/* Put the filter before stdout and stderr; once, before anything is printed. */
void terminal_open(void);
/* The descriptor of stdout or stderr, for isatty. */
int terminal_fd(FILE *stream);
/* Send `sequence` to the terminal of stderr, after what was printed. */
void terminal_command(const char *sequence);
/* Write bytes to stdout: as they are if it is no terminal, else filtered. 0 or -errno. */
int terminal_copy(const char *data, size_t len);
