/* SPDX-License-Identifier: MIT */
/*
 * The classes of each row of a multi-label data set. A row's list has one of two forms, the same in
 * all rows of all sources:
 *
 * - classes: names, or ids that are whole numbers; an empty list means that no class applies;
 * - a vector: a 0 or 1 (also 0.0, 1.0, false, true) for each class. Lists of 0 and 1 that all have
 *   the same length of at least 2 are vectors.
 *
 * [0, 1] and [1, 0] alone do not tell, so such rows are kept in both readings until another row
 * tells. If none does, they are vectors.
 */
#pragma once

#include "worker/dataset/label_list.h"
#include "worker/dataset/labels.h"

enum label_form {
	LABEL_FORM_OPEN = 0, /* no row has told */
	LABEL_FORM_CLASSES,
	LABEL_FORM_VECTORS
};

/* The form of the lists, which all rows share, and what is known of it so far. */
struct label_rows {
	enum label_form form;
	size_t width;		/* of the vectors */
	size_t open;		/* rows that do not tell */
	int64_t told;		/* the row that told, and its source; 0: none */
	const char *told_path;	/* borrowed from `labels` */
	struct label_list text; /* of the current row, if its label is a text */
};

/* Of the rows of one source. Row i has items[starts[i]] .. items[starts[i + 1] - 1]: values of
 * `labels` or positions until label_sets_decide(), then classes in their order. */
struct label_sets {
	int64_t *starts; /* rows + 1 */
	int32_t *items;
	int64_t rows, rows_cap, items_n, items_cap;
};

/* Add the classes of a row. *ret_any is false if the row has no label (null, an empty cell).
 * -ERR_INVALID with the row and the remedy. */
int label_sets_add(struct label_sets *sets, struct label_rows *all, struct labels *l,
		   const struct source *s, const struct source_row *row, size_t split,
		   bool *ret_any, struct err *reterr) MUSTCHECK;
/* Add a row without a label. 0 or -ENOMEM. */
int label_sets_skip(struct label_sets *sets);
/* Forget all rows, which another source replaces. */
void label_sets_done(struct label_sets *sets);
/* After the last row of the last source: decide the form and the classes (labels_decide). `sets`
 * has one entry for each split, in the order of l->paths. */
int label_sets_decide(struct label_sets *const *sets, size_t n, struct label_rows *all,
		      struct labels *l, struct err *reterr) MUSTCHECK;
void label_rows_done(struct label_rows *all);
