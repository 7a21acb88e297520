/* SPDX-License-Identifier: MIT */
/*
 * GPT-2's pattern, which cuts a text into words for byte-level BPE:
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * Each match begins where the one before ended, so a text is cut in one pass from left to right.
 */
#include "base/own.h"
#include "worker/tokenizer/internal.h"
#include "worker/tokenizer/unicode.h"

#include <string.h>

#define CLASSES (UNICODE_LETTER | UNICODE_NUMBER | UNICODE_SPACE) /* 0: any other character */

/* The class of the character at s; adds to *invalid if the bytes are ill-formed. */
static unsigned class_at(const unsigned char *s, size_t len, size_t *ret_n, size_t *invalid)
{
	uint32_t cp = *s;
	size_t bad = 0;

	*ret_n = *s < 0x80 ? 1 : utf8_decode(s, len, &cp, &bad);
	*invalid = bad;
	return unicode_flags_of(cp) & CLASSES;
}

/* The length of 's, 't, 're, 've, 'm, 'll or 'd; 0 for any other text. */
static size_t contraction(const unsigned char *s, size_t len)
{
	static const char *const two[] = {"re", "ve", "ll"};

	if (len < 2 || *s != '\'')
		return 0;
	if (s[1] == 's' || s[1] == 't' || s[1] == 'm' || s[1] == 'd')
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(two) && len >= 3; i++)
		if (memcmp(s + 1, two[i], 2) == 0)
			return 3;
	return 0;
}

/* The end of the characters of one class from `at` on. *ret_last is where the last one begins. */
static size_t run_end(const unsigned char *s, size_t len, size_t at, unsigned class,
		      size_t *ret_last, size_t *ret_invalid)
{
	size_t n, bad;

	*ret_last = at;
	*ret_invalid = 0;
	while (at < len && class_at(s + at, len - at, &n, &bad) == class) {
		*ret_last = at;
		*ret_invalid += bad;
		at += n;
	}
	return at;
}

size_t word_length(const unsigned char *s, size_t len, size_t *ret_invalid)
{
	size_t n = contraction(s, len), at = *s == ' ', end, last;
	unsigned class = UNICODE_SPACE;

	*ret_invalid = 0;
	if (n)
		return n;
	if (at < len)
		class = class_at(s + at, len - at, &n, &end);
	if (class != UNICODE_SPACE)
		return run_end(s, len, at, class, &last, ret_invalid);
	end = run_end(s, len, 0, UNICODE_SPACE, &last, ret_invalid);
	/* the last space goes to the word that follows, unless it is the only one */
	return end < len && last ? last : end;
}
