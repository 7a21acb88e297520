/* SPDX-License-Identifier: MIT */
/* The labels of a saved data set: which kind they are, and those of each row. */
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/reader.h"
#include "worker/dataset/saved.h"
#include "worker/dataset/target.h"

#include <string.h>

#define LABEL_MAX 10000

static int64_t labels_at(const struct reading *g)
{
	int64_t at = column_find(&g->table.schema, "labels");

	return at < 0 ? column_find(&g->table.schema, "label") : at;
}

/* The first vector has the number of classes, unless their names are known. */
static int first_vector(struct reading *g, struct err *reterr)
{
	int64_t start, n;

	if (g->d->kind != DATASET_VECTORS || g->d->labels_n || g->table.batch.length == 0 ||
	    column_is_null(g->labels_s, g->labels, 0))
		return 0;
	column_list(g->labels_s, g->labels, 0, &start, &n);
	if (n < 1 || n > LABEL_MAX)
		return reading_refuse(g, "the label has no number, or more than 10000", reterr);
	g->d->labels_n = (int)n;
	return 0;
}

/* Whole numbers are classes, floats the numbers of a regression, lists of floats several classes a
 * row. */
int reading_bind_labels(struct reading *g, struct err *reterr)
{
	static const enum column_type types[] = {[DATASET_CLASSES] = COLUMN_INT,
						 [DATASET_NUMBERS] = COLUMN_FLOAT,
						 [DATASET_VECTORS] = COLUMN_FLOAT_LIST};
	const struct ArrowSchema *schema = &g->table.schema;
	int64_t at = labels_at(g);
	enum dataset_kind kind = DATASET_CLASSES;
	int r;

	for (size_t i = 0; at >= 0 && i < ARRAY_LEN(types); i++)
		if (column_type(schema->children[at]) == types[i])
			kind = (enum dataset_kind)i;
	if (g->d->rows && kind != g->d->kind)
		return err_set(reterr, ERR_INVALID,
			       "the data set in %s: the labels of some files are whole numbers, "
			       "and those of others are floats or lists",
			       g->dir);
	if (at >= 0 && column_item_type(schema->children[at]) != COLUMN_OTHER &&
	    kind != DATASET_VECTORS)
		return err_set(reterr, ERR_INVALID,
			       "the data set in %s: the labels are lists, but not of floats, which "
			       "transformers needs for several classes a row; preprocess the texts "
			       "with dataset.problem_type multi_label_classification",
			       g->dir);
	g->d->kind = kind;
	r = reading_bind(g, "labels", "label", types[kind], false, &g->labels_s, &g->labels,
			 reterr);
	return r < 0 ? r : first_vector(g, reterr);
}

int reading_grow_labels(struct dataset *d, size_t rows)
{
	switch (d->kind) {
	case DATASET_CLASSES:
		return reading_grow(&d->labels, rows * sizeof(*d->labels));
	case DATASET_NUMBERS:
		return reading_grow(&d->targets, rows * sizeof(*d->targets));
	case DATASET_VECTORS:
		break;
	}
	return reading_grow(&d->targets, rows * (size_t)d->labels_n * sizeof(*d->targets));
}

static int read_number(struct reading *g, int64_t row, struct err *reterr)
{
	struct label_value v;

	column_label(g->labels_s, g->labels, row, &v);
	switch (target_read(&v, &g->d->targets[g->d->rows])) {
	case TARGET_NUMBER:
		g->d->labels_n = 1;
		return 0;
	case TARGET_NONE:
		return reading_refuse(g, "the label is NaN", reterr);
	case TARGET_BAD:
		break;
	}
	return reading_refuse(g, "the label is not a finite number of 32 bits", reterr);
}

static int vector_length(const struct reading *g, int64_t n, struct err *reterr)
{
	return err_set(reterr, ERR_INVALID,
		       "the data set in %s, row %lld: the label has %lld numbers, but %s %d; give "
		       "each row a 0 or 1 for each class",
		       g->dir, (long long)g->d->rows + 1, (long long)n,
		       g->d->label_names ? "the number of named classes is" : "the row before has",
		       g->d->labels_n);
}

static int read_vector(struct reading *g, int64_t row, struct err *reterr)
{
	struct dataset *d = g->d;
	float *to = d->targets + d->rows * d->labels_n;
	int64_t start, n;

	column_list(g->labels_s, g->labels, row, &start, &n);
	if (n != d->labels_n)
		return vector_length(g, n, reterr);
	for (int64_t i = 0; i < n; i++) {
		double v =
			column_float(g->labels_s->children[0], g->labels->children[0], start + i);

		if (v != 0 && v != 1) /* NaN, too */
			return reading_refuse(g, "a number of the label is neither 0 nor 1",
					      reterr);
		to[i] = (float)v;
	}
	return 0;
}

int reading_take_label(struct reading *g, int64_t row, struct err *reterr)
{
	struct dataset *d = g->d;
	int64_t label;

	if (column_is_null(g->labels_s, g->labels, row))
		return reading_refuse(g, "the label is null", reterr);
	if (d->kind == DATASET_NUMBERS)
		return read_number(g, row, reterr);
	if (d->kind == DATASET_VECTORS)
		return read_vector(g, row, reterr);
	label = column_int(g->labels_s, g->labels, row);
	if (label < 0 || label >= (d->label_names ? d->labels_n : LABEL_MAX))
		return reading_refuse(g, "the label is out of range", reterr);
	if (label >= d->labels_n)
		d->labels_n = (int)label + 1;
	d->labels[d->rows] = label;
	return 0;
}

int reading_take_names(struct reading *g, struct err *reterr)
{
	OWN(json_decrefp) json_t *names = NULL;
	const struct ArrowSchema *schema = &g->table.schema;
	struct dataset *d = g->d;
	int r = saved_class_names(g->dir, schema, "labels", &names, reterr);

	if (r >= 0 && !names)
		r = saved_class_names(g->dir, schema, "label", &names, reterr);
	if (r >= 0 && !names && labels_at(g) >= 0 &&
	    column_type(schema->children[labels_at(g)]) == COLUMN_FLOAT_LIST)
		r = saved_class_names(g->dir, schema, DATASET_CLASSES_COLUMN, &names, reterr);
	if (r < 0 || !names)
		return r;
	d->label_names = calloc(json_array_size(names), sizeof(*d->label_names));
	if (!d->label_names)
		return err_errno(reterr, ENOMEM, "read %s", g->dir);
	for (; (size_t)d->labels_n < json_array_size(names); d->labels_n++) {
		const char *name = json_string_value(json_array_get(names, (size_t)d->labels_n));

		d->label_names[d->labels_n] = strdup(name);
		if (!d->label_names[d->labels_n])
			return err_errno(reterr, ENOMEM, "read %s", g->dir);
	}
	return 0;
}
