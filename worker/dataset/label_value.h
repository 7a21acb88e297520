/* SPDX-License-Identifier: MIT */
/*
 * What a row says about its class. One rule turns a text, a number or a boolean into a value, for
 * every kind of source. So the same data has the same classes as CSV, JSONL, Parquet or saved data
 * set. labels.h decides what the values mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABEL_NUMBER_LEN 88		    /* of a decimal of 256 bits: decimal.h */
#define LABEL_WHOLE_MAX	 9007199254740992.0 /* 2^53: every whole number below is a double */

enum label_type {
	LABEL_NULL,   /* nothing: null, empty, NaN */
	LABEL_ABSENT, /* a word that means a missing value, unless it is the name of a class */
	LABEL_TEXT,
	LABEL_BOOL,  /* number is 0 or 1 */
	LABEL_INT,   /* also a float that is whole */
	LABEL_FLOAT, /* a number that cannot be a class: not whole, or beyond 2^53 as a float */
	LABEL_CLASS, /* number is an index of the source's class names */
};

struct label_value {
	enum label_type type;
	const char *text; /* as the source has it, borrowed; NULL: see digits */
	size_t len;
	int64_t number;
	char digits[LABEL_NUMBER_LEN]; /* its text when the source has none */
};

/* Make a value of a text. If `csv`, the words for missing values are absent, and True and False are
 * booleans, as pandas reads them. Numbers are numbers in every source. */
void label_from_text(struct label_value *v, const char *text, size_t len, bool csv);
void label_from_int(struct label_value *v, int64_t number);
void label_from_unsigned(struct label_value *v, uint64_t number);
void label_from_double(struct label_value *v, double number);
void label_from_bool(struct label_value *v, bool value);
/* Its text, borrowed from v. */
const char *label_text(const struct label_value *v, size_t *ret_len);
