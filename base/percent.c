/* SPDX-License-Identifier: MIT */
/* Encodes and decodes percent-encoded text. */
#include "base/percent.h"

#include "base/str.h"

#include <string.h>

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

int percent_encode(struct buf *out, const char *text, const char *keep)
{
	static const char hex[] = "0123456789ABCDEF";
	int r = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c && r >= 0; c++) {
		char coded[3] = {'%', hex[*c >> 4], hex[*c & 15]};

		if (strchr(UNRESERVED, *c) || strchr(keep, *c))
			r = buf_put(out, c, 1);
		else
			r = buf_put(out, coded, sizeof(coded));
	}
	return r;
}

bool percent_decode(const char *text, bool plus, char *ret, size_t size)
{
	size_t at = 0;

	for (; *text && at + 1 < size; text++) {
		int byte = *text == '%' ? str_hex_byte(text + 1) : -1;

		if (byte >= 0) {
			ret[at++] = (char)byte;
			text += 2;
		} else {
			ret[at++] = plus && *text == '+' ? ' ' : *text;
		}
	}
	ret[at] = '\0';
	return !*text;
}
