/* SPDX-License-Identifier: MIT */
/*
 * Writing a tokenised data set as `datasets` saves it: data-00000-of-00001.arrow (an IPC stream of
 * batches of 1000 rows), dataset_info.json, state.json (torch format). Columns, in this order:
 *
 * - the text; the pair if there is one; labels (int64, ClassLabel if names are known; float32 for a
 *   regression; list<float32> of 0 and 1 for several classes a row, and if their names are known
 *   the column of DATASET_CLASSES_COLUMN);
 * - input_ids (list<int32>); token_type_ids (list<int8>, if the model has them); attention_mask
 *   (list<int8>).
 */
#pragma once

#include "base/err.h"

#include "worker/dataset/dataset.h"
#include "worker/dataset/encoder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRITER_BATCH_ROWS 1000

struct writer_columns {
	const char *text, *pair; /* names; pair may be NULL */
	bool type_ids;
	char *const *label_names; /* NULL: plain integers */
	size_t label_names_n;
	enum dataset_kind kind;
	size_t classes;	   /* the length of vectors */
	const char *split; /* "train": kept in state.json */
};

struct writer_row {
	const char *text, *pair; /* valid UTF-8 */
	size_t text_len, pair_len;
	const struct row_label *label;
	const int32_t *ids;
	const int8_t *type_ids;
	size_t n;   /* tokens */
	size_t pad; /* positions after them: pad_id, type 0, mask 0 */
	int32_t pad_id;
};

struct writer;

/* Create or replace the directory `dir`. The columns' strings are copied. */
int writer_open(const char *dir, const struct writer_columns *columns, struct writer **ret,
		struct err *reterr) MUSTCHECK;
/* Copy the row, and write a batch if it is full. -ENOSPC and similar; -ERR_LIMIT: a batch over 2
 * GiB. */
int writer_add(struct writer *w, const struct writer_row *row, struct err *reterr) MUSTCHECK;
/* Write the last batch and the JSON files; durable. */
int writer_finish(struct writer *w, struct err *reterr) MUSTCHECK;
void writer_free(struct writer *w);
