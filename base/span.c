/* SPDX-License-Identifier: MIT */
/*
 * A word holds eight bytes. The tests of a word set the highest bit of the bytes that they look
 * for; a byte after such a one may be marked, too, so the bytes of a marked word are looked at one
 * by one.
 */
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD	   sizeof(uint64_t)
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGHEST	   EACH(0x80)

static uint64_t load(const char *s)
{
	uint64_t word;

	memcpy(&word, s, WORD);
	return word;
}

/* Mark the bytes below `limit`, which is at most 0x80. Bytes from 0x80 are not marked. */
static uint64_t below(uint64_t word, unsigned char limit)
{
	return (word - EACH(limit)) & ~word & HIGHEST;
}

static bool has_special(uint64_t word)
{
	return below(word, ' ') | below(word ^ EACH('"'), 1) | below(word ^ EACH('\\'), 1);
}

static bool is_special(char c)
{
	return (unsigned char)c < ' ' || c == '"' || c == '\\';
}

size_t span_ascii(const char *s, size_t len)
{
	size_t n = 0;

	while (len - n >= WORD && !(load(s + n) & HIGHEST))
		n += WORD;
	while (n < len && !((unsigned char)s[n] & 0x80))
		n++;
	return n;
}

size_t span_plain(const char *s, size_t len)
{
	size_t n = 0;

	while (len - n >= WORD && !has_special(load(s + n)))
		n += WORD;
	while (n < len && !is_special(s[n]))
		n++;
	return n;
}
