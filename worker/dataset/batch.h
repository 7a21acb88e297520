/* SPDX-License-Identifier: MIT */
/*
 * Builds Arrow arrays in C: growing columns of one batch, which leave as a struct array through the
 * C data interface. Inside worker/dataset only.
 */
#pragma once

#include "worker/arrow/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_COLUMNS_MAX 7
#define BATCH_BYTES_MAX	  ((size_t)INT32_MAX) /* what int32 offsets can address */

enum batch_type {
	BATCH_STRING,
	BATCH_INT64,
	BATCH_FLOAT32,
	BATCH_INT32_LIST, /* this and those after it are lists */
	BATCH_INT8_LIST,
	BATCH_INT64_LIST,
	BATCH_FLOAT32_LIST
};

struct batch_column {
	enum batch_type type;
	const char *name;
	int32_t *offsets; /* rows + 1; of strings and lists */
	char *values;
	size_t offsets_cap, values_len, values_cap; /* bytes of values */
};

struct batch {
	struct batch_column columns[BATCH_COLUMNS_MAX];
	size_t columns_n;
	int64_t rows;
};

void batch_add_column(struct batch *b, enum batch_type type, const char *name);
/* Append one value of `len` bytes to column i: text, one number, or the numbers of a list. 0,
 * -ENOMEM, or -ERR_LIMIT beyond BATCH_BYTES_MAX. After every column has its value, the caller adds
 * one to b->rows. */
int batch_put(struct batch *b, size_t i, const void *value, size_t len);
/* The schema; `metadata` is one "huggingface" value. 0 or -ENOMEM. */
int batch_schema(const struct batch *b, const char *metadata, struct ArrowSchema *ret);
/* Move the rows out and leave the batch empty. 0 or -ENOMEM. */
int batch_take(struct batch *b, struct ArrowArray *ret);
void batch_done(struct batch *b);
