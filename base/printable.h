/* SPDX-License-Identifier: MIT */
/*
 * Makes foreign text (names, messages, headers, logs) safe for a terminal or a log: bytes that a
 * terminal would execute become visible. The meaning of JSON text does not change. Pure.
 */
#pragma once

#include <stddef.h>

#define PRINTABLE_GROWTH 6 /* maximum bytes of output for one byte of input */

/* Write n bytes of `in` to `out`, which has room for n * PRINTABLE_GROWTH bytes. Control characters
 * become \u00XX, except line end and tab; a carriage return becomes a line end; bytes that are not
 * UTF-8 become U+FFFD. Returns the number of bytes written. *ret_left counts the bytes at the end
 * of `in` that may begin a character; they are not written. ret_left NULL: no more input
 * follows. */
size_t printable(char *out, const char *in, size_t n, size_t *ret_left);
