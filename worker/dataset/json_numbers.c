/* SPDX-License-Identifier: MIT */
/* Replaces the numbers in one pass over the text. Invalid JSON stays invalid, and the parser
 * reports it. */
#include "worker/dataset/json_numbers.h"

#include "base/own.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Length of the string that begins at s[0], with its quotes; the whole rest if it has no end. */
static size_t string_len(const char *s, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		if (s[i] == '"')
			return i + 1;
		i += s[i] == '\\';
	}
	return len;
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '+' || c == '.';
}

static size_t word_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && in_word(s[n]))
		n++;
	return n;
}

/* -?(0|[1-9][0-9]*), then anything that strtod takes. */
static bool is_number(const char *word)
{
	const char *digit = word + (*word == '-');
	char *end;

	if (!isdigit((unsigned char)*digit) ||
	    (digit[0] == '0' && isalnum((unsigned char)digit[1])))
		return false;
	strtod(word, &end);
	return !*end;
}

static double clamped(double v)
{
	return isinf(v) ? copysign(DBL_MAX, v) : v;
}

/* True if the word was one of these numbers and is appended in its other form. */
static bool tame_word(const char *word, struct buf *out)
{
	int64_t whole;
	double real;

	if (str_eq(word, "NaN")) {
		buf_puts(out, "null");
		return true;
	}
	if (str_eq(word, "Infinity") || str_eq(word, "-Infinity")) {
		buf_printf(out, "%.17e", *word == '-' ? -DBL_MAX : DBL_MAX);
		return true;
	}
	if (!is_number(word))
		return false;
	real = strtod(word, NULL);
	if (strpbrk(word, ".eE") ? !isinf(real) : str_to_i64(word, &whole) != -ERANGE)
		return false;
	buf_printf(out, "%.17e", clamped(real));
	return true;
}

bool json_numbers_tame(const char *s, size_t len, struct buf *out)
{
	bool any = false;

	for (size_t at = 0; at < len;) {
		size_t n = s[at] == '"' ? string_len(s + at, len - at) : word_len(s + at, len - at);
		OWN(freep) char *word = s[at] == '"' ? NULL : strndup(s + at, n);

		if (word && *word && tame_word(word, out))
			any = true;
		else
			buf_put(out, s + at, n ? n : 1);
		at += n ? n : 1;
	}
	return any;
}

double json_numbers_real(const json_t *real)
{
	double v = json_real_value(real);

	return fabs(v) == DBL_MAX ? copysign(INFINITY, v) : v;
}
