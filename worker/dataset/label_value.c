/* SPDX-License-Identifier: MIT */
/* The words and numbers that a text may be. The words are those of pandas.read_csv, with which
 * `datasets` reads CSV. */
#include "worker/dataset/label_value.h"

#include "base/own.h"
#include "base/pytext.h"
#include "base/str.h"
#include "worker/tokenizer/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_TEXT_MAX 64 /* bytes of a text that may be a number */

static const char *const absent_words[] = {
	"NA",	"N/A",	"NaN",	"null",	    "None", "NULL",   "nan",	 "n/a",	    "<NA>",
	"-NaN", "-nan", "#N/A", "#N/A N/A", "#NA",  "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"};
static const char *const true_words[] = {"True", "TRUE", "true"};
static const char *const false_words[] = {"False", "FALSE", "false"};

static bool is_one_of(const char *s, size_t len, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) == len && memcmp(words[i], s, len) == 0)
			return true;
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* True for "7", "-1", "+1", "1.0", ".5", "2.5e3": decimal, without a leading zero (a text with one
 * is a code). */
static bool is_number(const char *s, bool *ret_whole)
{
	size_t n;

	s += *s == '-' || *s == '+';
	n = digits(s);
	if ((!n && (s[0] != '.' || !digits(s + 1))) || (n > 1 && s[0] == '0'))
		return false;
	s += n;
	*ret_whole = !*s;
	if (*s == '.')
		s += 1 + digits(s + 1);
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		n = digits(s);
		if (!n)
			return false;
		s += n;
	}
	return !*s;
}

/* "inf", "-Infinity": words that pandas reads as a float in a column of numbers. */
static bool is_infinity(const char *s)
{
	s += *s == '-' || *s == '+';
	return strcasecmp(s, "inf") == 0 || strcasecmp(s, "infinity") == 0;
}

static void number_from_text(struct label_value *v)
{
	char copy[NUMBER_TEXT_MAX];
	const char *s = v->text, *end = v->text + v->len;
	struct label_value number;
	bool whole;

	if (unicode_is_blank(s, v->len)) {
		v->type = LABEL_NULL;
		return;
	}
	while (s < end && is_space(*s))
		s++;
	while (end > s && is_space(end[-1]))
		end--;
	if ((size_t)(end - s) >= sizeof(copy) || memchr(s, 0, (size_t)(end - s)))
		return;
	memcpy(copy, s, (size_t)(end - s));
	copy[end - s] = '\0';
	if (is_infinity(copy))
		v->type = LABEL_FLOAT;
	if (!is_number(copy, &whole))
		return;
	if (whole && str_to_i64(copy + (copy[0] == '+'), &v->number) == 0) {
		v->type = LABEL_INT;
		return;
	}
	label_from_double(&number, strtod(copy, NULL));
	v->type = number.type;
	v->number = number.number;
}

void label_from_text(struct label_value *v, const char *text, size_t len, bool csv)
{
	*v = (struct label_value){.type = LABEL_TEXT, .text = text, .len = len};
	if (csv && is_one_of(text, len, absent_words, ARRAY_LEN(absent_words))) {
		v->type = LABEL_ABSENT;
	} else if (csv && is_one_of(text, len, true_words, ARRAY_LEN(true_words))) {
		v->type = LABEL_BOOL;
		v->number = 1;
	} else if (csv && is_one_of(text, len, false_words, ARRAY_LEN(false_words))) {
		v->type = LABEL_BOOL;
	} else {
		number_from_text(v);
	}
}

void label_from_int(struct label_value *v, int64_t number)
{
	*v = (struct label_value){.type = LABEL_INT, .number = number};
	v->len = (size_t)snprintf(v->digits, sizeof(v->digits), "%lld", (long long)number);
}

void label_from_unsigned(struct label_value *v, uint64_t number)
{
	if (number <= INT64_MAX) {
		label_from_int(v, (int64_t)number);
		return;
	}
	*v = (struct label_value){.type = LABEL_FLOAT};
	v->len = (size_t)snprintf(v->digits, sizeof(v->digits), "%llu", (unsigned long long)number);
}

void label_from_double(struct label_value *v, double number)
{
	*v = (struct label_value){.type = LABEL_FLOAT};
	if (isnan(number)) {
		v->type = LABEL_NULL;
	} else if (trunc(number) == number && fabs(number) < LABEL_WHOLE_MAX) {
		label_from_int(v, (int64_t)number);
	} else {
		py_float_repr(number, v->digits);
		v->len = strlen(v->digits);
	}
}

void label_from_bool(struct label_value *v, bool value)
{
	*v = (struct label_value){.type = LABEL_BOOL, .number = value};
	v->len = (size_t)snprintf(v->digits, sizeof(v->digits), value ? "True" : "False");
}

const char *label_text(const struct label_value *v, size_t *ret_len)
{
	*ret_len = v->len;
	return v->text ? v->text : v->digits;
}
