/* SPDX-License-Identifier: MIT */
/*
 * A tokenised data set in memory, read from a directory that preprocess (or Hugging Face
 * `datasets`) saved: the door for training and evaluation. Rows are ragged: positions whose
 * attention_mask is 0 are dropped, so padded and unpadded data sets read the same.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct dataset_sample {
	int64_t row;
	char *text; /* valid UTF-8, NUL-terminated */
	char *pair; /* NULL when the data set has no second text column */
};

struct dataset {
	int64_t rows;
	int64_t tokens;	  /* of all rows */
	int64_t longest;  /* tokens of the longest row */
	int64_t *offsets; /* rows + 1: row i is ids[offsets[i]] .. ids[offsets[i + 1] - 1] */
	int32_t *ids;
	int8_t *type_ids;   /* parallel to ids; NULL when there is no token_type_ids column */
	int64_t *labels;    /* rows; each 0 <= label < labels_n */
	int labels_n;	    /* names known: their number; else the largest label + 1 */
	char **label_names; /* labels_n names (ClassLabel), or NULL */
	struct dataset_sample *samples;
	size_t samples_n; /* 0 when the data set has no text column */
};

/* Read a saved Dataset (not a DatasetDict: name its train/ or test/). `samples` texts are kept,
 * evenly spaced over the rows, for parity checks: the first string column is the text, the second,
 * if any, the pair. Blocking. -ENOENT: no such data set; -ERR_INVALID: a column is missing or of
 * the wrong type (the message names the columns there are), no rows; -ERR_CORRUPT: broken file. */
int dataset_open(const char *dir, size_t samples, struct dataset **ret,
		 struct err *reterr) MUSTCHECK;
void dataset_free(struct dataset *d);
void dataset_freep(struct dataset **d);
