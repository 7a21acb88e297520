/* SPDX-License-Identifier: MIT */
/*
 * The character properties that the BERT normaliser and the byte-level pattern need.
 * tools/unicode_tables.py writes the tables in unicode_tables.c. Inside worker/ only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNICODE_MAX	    0x10FFFF
#define UNICODE_REPLACEMENT 0xFFFD

enum unicode_flag {
	UNICODE_DROP = 1,	 /* NUL, U+FFFD, Cc, Cf, Co but not tab, LF, CR */
	UNICODE_SPACE = 2,	 /* White_Space */
	UNICODE_PUNCT = 4,	 /* ASCII punctuation and P* */
	UNICODE_MARK = 8,	 /* Mn */
	UNICODE_DECOMPOSES = 16, /* has a canonical decomposition */
	UNICODE_LOWERS = 32,	 /* its lower case is another character */
	UNICODE_REORDERS = 64,	 /* combining class is not 0 */
	UNICODE_IDEOGRAPH = 128, /* isolated by tokenize_chinese_chars */
	UNICODE_LETTER = 256,	 /* L* */
	UNICODE_NUMBER = 512,	 /* N* */
};

struct unicode_decomposed {
	uint32_t cp;
	uint16_t at, n; /* unicode_decomposed_chars[at .. at + n) */
};

struct unicode_pair {
	uint32_t cp, value;
};

extern const uint8_t unicode_block[0x1100];
extern const uint16_t unicode_flags[][256];
extern const uint32_t unicode_decomposed_chars[];
extern const struct unicode_decomposed unicode_decomposed[];
extern const size_t unicode_decomposed_n;
extern const struct unicode_pair unicode_lowered[];
extern const size_t unicode_lowered_n;
extern const struct unicode_pair unicode_combining[];
extern const size_t unicode_combining_n;

#define UNICODE_DECOMPOSED_MAX 4 /* the longest full decomposition */

static inline unsigned unicode_flags_of(uint32_t cp)
{
	return unicode_flags[unicode_block[cp >> 8]][cp & 255];
}

/* Write the full canonical decomposition to out[UNICODE_DECOMPOSED_MAX]. Returns the number of
 * characters. */
size_t unicode_decompose(uint32_t cp, uint32_t *out);
/* Lower case of one character, one character. */
uint32_t unicode_lower(uint32_t cp);
/* Canonical combining class. */
uint32_t unicode_class(uint32_t cp);

/* Decode one character of s[0..len), len > 0: its length in bytes, or for an ill-formed sequence
 * the length of its maximal subpart (at least 1) with *ret = UNICODE_REPLACEMENT and *bad = 1. */
size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *ret, size_t *bad);
/* True if all characters are white space, or if the text is NULL: no token results. */
bool unicode_is_blank(const char *text, size_t len);
/* Write one character into out[4]; returns its length. */
size_t utf8_encode(uint32_t cp, unsigned char *out);
