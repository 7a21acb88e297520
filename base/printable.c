/* SPDX-License-Identifier: MIT */
/*
 * Replaces control bytes, invalid UTF-8 and characters that a terminal interprets by visible
 * escapes.
 */
#include "base/printable.h"

#include "base/str.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Length of the character with this first byte; 0 if no character starts with it. */
static size_t length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* True if the n bytes at `s` are the beginning of a longer character. */
static bool is_begun(const char *s, size_t n)
{
	size_t len = length_of((unsigned char)*s);

	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return false;
	return len > n;
}

static size_t escape(char *out, unsigned code)
{
	char text[PRINTABLE_GROWTH + 1];

	if (code == '\n' || code == '\t') {
		*out = (char)code;
		return 1;
	}
	snprintf(text, sizeof(text), "\\u%04x", code);
	memcpy(out, text, PRINTABLE_GROWTH);
	return PRINTABLE_GROWTH;
}

/* Write one character of `len` bytes, or one invalid byte (len 0). */
static size_t put(char *out, const char *s, size_t len)
{
	unsigned char first = (unsigned char)*s;

	if (!len) {
		memcpy(out, "\xef\xbf\xbd", 3);
		return 3;
	}
	if (len == 1 && (first < ' ' || first == 0x7f))
		return escape(out, first);
	if (len == 2 && first == 0xc2 && (unsigned char)s[1] < 0xa0) /* a C1 control character */
		return escape(out, (unsigned char)s[1]);
	memcpy(out, s, len);
	return len;
}

size_t printable(char *out, const char *in, size_t n, size_t *ret_left)
{
	size_t written = 0, len;

	if (ret_left)
		*ret_left = 0;
	for (size_t i = 0; i < n; i += len ? len : 1) {
		len = length_of((unsigned char)in[i]);
		if (in[i] == '\r') {
			if (i + 1 == n || in[i + 1] != '\n')
				out[written++] = '\n';
			continue;
		}
		if (len > n - i && ret_left && is_begun(in + i, n - i)) {
			*ret_left = n - i;
			return written;
		}
		if (len > n - i || (len > 1 && !str_utf8_valid(in + i, len)))
			len = 0;
		written += put(out + written, in + i, len);
	}
	return written;
}
