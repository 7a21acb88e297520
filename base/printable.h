/* SPDX-License-Identifier: MIT */
/*
 * Text of others (names, messages, headers, logs) for a terminal or a log: whatever a terminal
 * would take as a command becomes visible. What JSON says keeps its meaning.
 */
#pragma once

#include <stddef.h>

#define PRINTABLE_GROWTH 6 /* bytes of output for one byte of input, at most */

/* Write n bytes of `in` to `out`, which has room for n * PRINTABLE_GROWTH bytes. Control characters
 * other than line end and tab become \u00XX, a carriage return becomes a line end, bytes that are
 * not UTF-8 become U+FFFD. Returns the bytes written. *ret_left: bytes at the end of `in` that may
 * begin a character, and are not written; NULL: nothing follows. */
size_t printable(char *out, const char *in, size_t n, size_t *ret_left);
