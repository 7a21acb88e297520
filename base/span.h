/* SPDX-License-Identifier: MIT */
/* How far a text is of one kind: looks at eight bytes at a time. Any thread. */
#pragma once

#include <stddef.h>

/* The number of ASCII bytes at the beginning of `s`. */
size_t span_ascii(const char *s, size_t len);
/* The number of bytes at the beginning of `s` that stand for themselves in a JSON string: up to the
 * first quote, backslash or control character. */
size_t span_plain(const char *s, size_t len);
