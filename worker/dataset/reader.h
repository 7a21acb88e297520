/* SPDX-License-Identifier: MIT */
/* Inside dataset_open(): the reading of a saved data set (reader.c) and of its labels
 * (reader_labels.c), and what both need (reader_column.c). */
#pragma once

#include "worker/dataset/columns.h"
#include "worker/dataset/dataset.h"
#include "worker/dataset/table.h"

struct reading {
	const char *dir;
	struct dataset *d;
	struct table table;
	int64_t rows_cap, tokens_cap;
	const struct ArrowSchema *ids_s, *mask_s, *types_s, *labels_s;
	const struct ArrowArray *ids, *mask, *types, *labels;
};

/* ---- reader_column.c ---- */

/* Find a column of the current batch. If it is absent and optional, both are NULL. */
int reading_bind(struct reading *g, const char *name, const char *other, enum column_type type,
		 bool optional, const struct ArrowSchema **ret_schema,
		 const struct ArrowArray **ret, struct err *reterr) MUSTCHECK;
/* Refuse the row that is being read. */
int reading_refuse(const struct reading *g, const char *what, struct err *reterr);
/* Resize *(void **)pointer. 0 or -ENOMEM. */
int reading_grow(void *pointer, size_t bytes);

/* ---- reader_labels.c ---- */

/* Read the names of the classes, before the first batch. */
int reading_take_names(struct reading *g, struct err *reterr) MUSTCHECK;
/* Tell the kind of the labels, and find their column in the current batch. */
int reading_bind_labels(struct reading *g, struct err *reterr) MUSTCHECK;
/* Room for the labels of so many rows. 0 or -ENOMEM. */
int reading_grow_labels(struct dataset *d, size_t rows);
int reading_take_label(struct reading *g, int64_t row, struct err *reterr) MUSTCHECK;
