/* SPDX-License-Identifier: MIT */
/*
 * Look-ups in the generated tables, and UTF-8. Called for every non-ASCII character. The flags tell
 * first if a binary search is needed.
 */
#include "worker/tokenizer/unicode.h"

#define HANGUL_FIRST 0xAC00
#define HANGUL_LAST  0xD7A3
#define JAMO_L	     0x1100
#define JAMO_V	     0x1161
#define JAMO_T	     0x11A7
#define JAMO_V_N     21
#define JAMO_T_N     28

static size_t decompose_hangul(uint32_t cp, uint32_t *out)
{
	uint32_t index = cp - HANGUL_FIRST;
	uint32_t tail = index % JAMO_T_N;

	out[0] = JAMO_L + index / (JAMO_V_N * JAMO_T_N);
	out[1] = JAMO_V + index / JAMO_T_N % JAMO_V_N;
	out[2] = JAMO_T + tail;
	return tail ? 3 : 2;
}

size_t unicode_decompose(uint32_t cp, uint32_t *out)
{
	size_t lo = 0, hi = unicode_decomposed_n;

	if (cp >= HANGUL_FIRST && cp <= HANGUL_LAST)
		return decompose_hangul(cp, out);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct unicode_decomposed *d = &unicode_decomposed[mid];

		if (d->cp == cp) {
			for (size_t i = 0; i < d->n; i++)
				out[i] = unicode_decomposed_chars[d->at + i];
			return d->n;
		}
		if (d->cp < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	out[0] = cp;
	return 1;
}

static uint32_t find_pair(const struct unicode_pair *pairs, size_t n, uint32_t cp,
			  uint32_t fallback)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (pairs[mid].cp == cp)
			return pairs[mid].value;
		if (pairs[mid].cp < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	return fallback;
}

uint32_t unicode_lower(uint32_t cp)
{
	return find_pair(unicode_lowered, unicode_lowered_n, cp, cp);
}

uint32_t unicode_class(uint32_t cp)
{
	return find_pair(unicode_combining, unicode_combining_n, cp, 0);
}

/* Length of the sequence that `lead` starts, and the range of its second byte (RFC 3629). */
static size_t lead_length(unsigned char lead, unsigned char *lo, unsigned char *hi)
{
	*lo = 0x80;
	*hi = 0xBF;
	if (lead >= 0xC2 && lead <= 0xDF)
		return 2;
	if (lead >= 0xE0 && lead <= 0xEF) {
		if (lead == 0xE0)
			*lo = 0xA0;
		if (lead == 0xED)
			*hi = 0x9F;
		return 3;
	}
	if (lead >= 0xF0 && lead <= 0xF4) {
		if (lead == 0xF0)
			*lo = 0x90;
		if (lead == 0xF4)
			*hi = 0x8F;
		return 4;
	}
	return 0;
}

size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *ret, size_t *bad)
{
	unsigned char lo, hi;
	size_t want, i;
	uint32_t cp;

	*bad = 0;
	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	want = lead_length(s[0], &lo, &hi);
	cp = s[0] & (0x7Fu >> want);
	for (i = 1; i < want && i < len && s[i] >= lo && s[i] <= hi; i++) {
		cp = cp << 6 | (s[i] & 0x3F);
		lo = 0x80;
		hi = 0xBF;
	}
	if (want && i == want) {
		*ret = cp;
		return want;
	}
	*ret = UNICODE_REPLACEMENT;
	*bad = 1;
	return i;
}

bool unicode_is_blank(const char *text, size_t len)
{
	size_t bad;
	uint32_t cp;

	for (size_t at = 0; text && at < len;) {
		at += utf8_decode((const unsigned char *)text + at, len - at, &cp, &bad);
		if (!(unicode_flags_of(cp) & UNICODE_SPACE))
			return false;
	}
	return true;
}

size_t utf8_encode(uint32_t cp, unsigned char *out)
{
	if (cp < 0x80) {
		out[0] = (unsigned char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (unsigned char)(0xC0 | cp >> 6);
		out[1] = (unsigned char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (unsigned char)(0xE0 | cp >> 12);
		out[1] = (unsigned char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (unsigned char)(0x80 | (cp & 0x3F));
		return 3;
	}
	out[0] = (unsigned char)(0xF0 | cp >> 18);
	out[1] = (unsigned char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (unsigned char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (unsigned char)(0x80 | (cp & 0x3F));
	return 4;
}
