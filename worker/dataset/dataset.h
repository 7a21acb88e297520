/* SPDX-License-Identifier: MIT */
/*
 * A tokenised data set in memory, read from a directory that preprocess (or Hugging Face
 * `datasets`) has saved. Training and evaluation call this. Rows are ragged: positions whose
 * attention_mask is 0 are dropped, so padded and unpadded data sets read the same.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct dataset_sample {
	int64_t row;
	char *text; /* valid UTF-8, NUL-terminated */
	char *pair; /* NULL if the data set has no second text column */
};

enum dataset_kind {	     /* what the labels are */
	DATASET_CLASSES = 0, /* a class for each row: whole numbers */
	DATASET_NUMBERS,     /* a number for each row: floats, for regression */
	DATASET_VECTORS,     /* a 0 or 1 for each class in each row: lists of floats, multi-label */
};

/* The column with the classes of each row by name, beside the vectors: lists of ClassLabel. */
#define DATASET_CLASSES_COLUMN "classes"

struct dataset {
	enum dataset_kind kind;
	int64_t rows;
	int64_t tokens;	  /* of all rows */
	int64_t longest;  /* tokens of the longest row */
	int64_t *offsets; /* rows + 1: row i is ids[offsets[i]] .. ids[offsets[i + 1] - 1] */
	int32_t *ids;
	int8_t *type_ids; /* parallel to ids; NULL if there is no token_type_ids column */
	int64_t *labels;  /* of classes: rows; each 0 <= label < labels_n */
	float *targets;	  /* of numbers: rows; each is finite. Of vectors: rows * labels_n */
	int labels_n; /* the number of names if they are known; else the largest label + 1; 1 for
		       * numbers; the length of the vectors */
	char **label_names; /* labels_n names (ClassLabel), or NULL */
	struct dataset_sample *samples;
	size_t samples_n; /* 0 if the data set has no text column */
};

/* Read a saved Dataset (of a DatasetDict, its train/ or test/). `samples` texts are kept for parity
 * checks, evenly spaced over the rows. The first string column is the text, the second (if any) the
 * pair. Blocks. -ENOENT: there is no such data set. -ERR_INVALID: it has no rows, or a column is
 * missing or of the wrong type (the message lists the columns). -ERR_CORRUPT: a file is damaged. */
int dataset_open(const char *dir, size_t samples, struct dataset **ret,
		 struct err *reterr) MUSTCHECK;
void dataset_free(struct dataset *d);
void dataset_freep(struct dataset **d);
