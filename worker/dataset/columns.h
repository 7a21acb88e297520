/* SPDX-License-Identifier: MIT */
/*
 * Reads columns of Arrow batches in C: strings, integers and lists of integers of any width, with
 * nulls and dictionaries. worker/arrow has checked the batches.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/arrow/arrow.h"
#include "worker/dataset/label_value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum column_type {
	COLUMN_STRING,
	COLUMN_BINARY, /* read like strings; also of a fixed size */
	COLUMN_INT,    /* and booleans */
	COLUMN_FLOAT,
	COLUMN_DECIMAL,
	COLUMN_INT_LIST,
	COLUMN_FLOAT_LIST,
	COLUMN_NULL, /* no value in any row */
	COLUMN_OTHER
};

enum column_type column_type(const struct ArrowSchema *schema);
const char *column_type_str(enum column_type type);
/* The type of the elements of a column of lists; COLUMN_OTHER if it has none. */
enum column_type column_item_type(const struct ArrowSchema *schema);
/* Index of the column of that name in a struct schema, -1 if there is none. */
int64_t column_find(const struct ArrowSchema *table, const char *name);

/* True if the row, or its entry of the dictionary, is null. */
bool column_is_null(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row);
/* Borrowed from the batch; not NUL-terminated. For COLUMN_STRING, COLUMN_BINARY, rows not null. */
const char *column_string(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row,
			  size_t *ret_len);
/* For COLUMN_INT. An unsigned number beyond INT64_MAX becomes negative. */
int64_t column_int(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row);
/* For COLUMN_FLOAT; NaN for a null. */
double column_float(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row);
/* Rows [*ret_start, *ret_start + *ret_n) of a->children[0] are the list. For columns with a
 * column_item_type(). */
void column_list(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row,
		 int64_t *ret_start, int64_t *ret_n);

/* What the row says about its class. For any column except COLUMN_INT_LIST and COLUMN_OTHER. */
void column_label(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row,
		  struct label_value *ret);

/* The class names of a ClassLabel column, or of lists of them, by the `features` of a data set: a
 * new reference to an array, or NULL if there are none. */
json_t *feature_class_names(const json_t *features, const char *column);
/* The same by the schema's "huggingface" metadata. */
json_t *schema_class_names(const struct ArrowSchema *schema, const char *column);
/* Make a struct err of `e`; the message begins with `what`. Returns a negative code. */
int arrow_error(const struct arw_error *e, struct err *reterr, const char *what);
