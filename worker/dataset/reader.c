/* SPDX-License-Identifier: MIT */
/*
 * dataset_open(): reads a saved, tokenised data set into memory. Columns may have any integer type.
 * Every value of the file is checked before its use as an index.
 */
#include "worker/dataset/reader.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/saved.h"

#include <string.h>

void dataset_free(struct dataset *d)
{
	if (!d)
		return;
	for (int i = 0; d->label_names && i < d->labels_n; i++)
		free(d->label_names[i]);
	for (size_t i = 0; i < d->samples_n; i++) {
		free(d->samples[i].text);
		free(d->samples[i].pair);
	}
	free(d->label_names);
	free(d->samples);
	free(d->offsets);
	free(d->ids);
	free(d->type_ids);
	free(d->labels);
	free(d->targets);
	free(d);
}

void dataset_freep(struct dataset **d)
{
	dataset_free(*d);
}

static void reading_done(struct reading *g)
{
	table_close(&g->table);
}

static int bind_batch(struct reading *g, struct err *reterr)
{
	int r = reading_bind(g, "input_ids", NULL, COLUMN_INT_LIST, false, &g->ids_s, &g->ids,
			     reterr);

	if (r >= 0)
		r = reading_bind(g, "attention_mask", NULL, COLUMN_INT_LIST, true, &g->mask_s,
				 &g->mask, reterr);
	if (r >= 0)
		r = reading_bind(g, "token_type_ids", NULL, COLUMN_INT_LIST, true, &g->types_s,
				 &g->types, reterr);
	return r < 0 ? r : reading_bind_labels(g, reterr);
}

static int reserve(struct reading *g, int64_t rows, int64_t tokens)
{
	struct dataset *d = g->d;

	if (rows > g->rows_cap) {
		int64_t cap = rows + rows / 2 + 1024;

		if (reading_grow(&d->offsets, (size_t)(cap + 1) * sizeof(*d->offsets)) < 0 ||
		    reading_grow_labels(d, (size_t)cap) < 0)
			return -ENOMEM;
		g->rows_cap = cap;
	}
	if (tokens > g->tokens_cap) {
		int64_t cap = tokens + tokens / 2 + 65536;

		if (reading_grow(&d->ids, (size_t)cap * sizeof(*d->ids)) < 0 ||
		    (g->types && reading_grow(&d->type_ids, (size_t)cap) < 0))
			return -ENOMEM;
		g->tokens_cap = cap;
	}
	return 0;
}

static int64_t child_int(const struct ArrowSchema *list, const struct ArrowArray *a, int64_t at)
{
	return column_int(list->children[0], a->children[0], at);
}

/* Find the list beside input_ids: its start, or an error if its length differs. */
static int parallel(const struct reading *g, const struct ArrowSchema *schema,
		    const struct ArrowArray *a, int64_t row, int64_t n, int64_t *ret_start,
		    struct err *reterr)
{
	int64_t len;

	*ret_start = 0;
	if (!a)
		return 0;
	if (column_is_null(schema, a, row))
		return reading_refuse(g, "attention_mask or token_type_ids is null", reterr);
	column_list(schema, a, row, ret_start, &len);
	return len == n
		       ? 0
		       : reading_refuse(
				 g, "input_ids, attention_mask and token_type_ids differ in length",
				 reterr);
}

static int read_tokens(struct reading *g, int64_t row, struct err *reterr)
{
	struct dataset *d = g->d;
	int64_t start, n, mask, types, kept = d->tokens;
	int r;

	if (column_is_null(g->ids_s, g->ids, row))
		return reading_refuse(g, "input_ids is null", reterr);
	column_list(g->ids_s, g->ids, row, &start, &n);
	r = parallel(g, g->mask_s, g->mask, row, n, &mask, reterr);
	if (r >= 0)
		r = parallel(g, g->types_s, g->types, row, n, &types, reterr);
	if (r < 0)
		return r;
	if (reserve(g, d->rows + 1, d->tokens + n) < 0)
		return err_errno(reterr, ENOMEM, "read %s", g->dir);
	for (int64_t i = 0; i < n; i++) {
		int64_t id = child_int(g->ids_s, g->ids, start + i);

		if (g->mask && !child_int(g->mask_s, g->mask, mask + i))
			continue;
		if (id < 0 || id > INT32_MAX)
			return reading_refuse(g, "a token id is negative or too large", reterr);
		if (g->types)
			d->type_ids[kept] = (int8_t)child_int(g->types_s, g->types, types + i);
		d->ids[kept++] = (int32_t)id;
	}
	if (kept == d->tokens)
		return reading_refuse(g, "the row has no tokens", reterr);
	if (kept - d->tokens > d->longest)
		d->longest = kept - d->tokens;
	d->tokens = kept;
	return 0;
}

static int read_batch(struct reading *g, struct err *reterr)
{
	struct dataset *d = g->d;
	bool typed = d->type_ids != NULL;
	int r = bind_batch(g, reterr);

	if (r < 0)
		return r;
	if (d->rows && typed != (g->types != NULL))
		return reading_refuse(g, "some files have token_type_ids and others have none",
				      reterr);
	for (int64_t row = 0; row < g->table.batch.length; row++) {
		if (reserve(g, d->rows + 1, d->tokens + 1) < 0)
			return err_errno(reterr, ENOMEM, "read %s", g->dir);
		d->offsets[d->rows] = d->tokens;
		r = read_tokens(g, row, reterr);
		if (r >= 0)
			r = reading_take_label(g, row, reterr);
		if (r < 0)
			return r;
		d->offsets[++d->rows] = d->tokens;
	}
	return 0;
}

static int open_table(struct reading *g, struct err *reterr)
{
	char **files = NULL;
	size_t n = 0;
	int r = saved_files(g->dir, &files, &n, reterr);

	return r < 0 ? r : table_open(&g->table, files, n, false, reterr);
}

/* Index of the k-th string column, -1 if there is none. */
static int64_t string_column(const struct ArrowSchema *schema, int k)
{
	for (int64_t i = 0; i < schema->n_children; i++)
		if (column_type(schema->children[i]) == COLUMN_STRING && k-- == 0)
			return i;
	return -1;
}

static char *copy_string(const struct reading *g, int64_t column, int64_t row)
{
	const struct ArrowSchema *schema = g->table.schema.children[column];
	const struct ArrowArray *a = g->table.batch.children[column];
	size_t len = 0;
	const char *s = "";

	if (!column_is_null(schema, a, row))
		s = column_string(schema, a, row, &len);
	return strndup(s, len);
}

static int keep_samples(struct reading *g, size_t samples, int64_t first_row, struct err *reterr)
{
	struct dataset *d = g->d;
	int64_t text = string_column(&g->table.schema, 0),
		pair = string_column(&g->table.schema, 1);

	while (text >= 0 && d->samples_n < samples) {
		struct dataset_sample *s = &d->samples[d->samples_n];
		int64_t row = (int64_t)d->samples_n * d->rows / (int64_t)samples;

		if (row >= first_row + g->table.batch.length)
			break;
		s->row = row;
		s->text = copy_string(g, text, row - first_row);
		s->pair = pair >= 0 ? copy_string(g, pair, row - first_row) : NULL;
		d->samples_n++;
		if (!s->text || (pair >= 0 && !s->pair))
			return err_errno(reterr, ENOMEM, "read %s", g->dir);
	}
	return 0;
}

/* Read the samples in a second pass, because evenly spaced rows need the number of rows. */
static int read_samples(struct dataset *d, const char *dir, size_t samples, struct err *reterr)
{
	OWN(reading_done) struct reading g = {.dir = dir, .d = d};
	int64_t first_row = 0;
	int r;

	if ((int64_t)samples > d->rows)
		samples = (size_t)d->rows;
	if (!samples)
		return 0;
	d->samples = calloc(samples, sizeof(*d->samples));
	if (!d->samples)
		return err_errno(reterr, ENOMEM, "read %s", dir);
	r = open_table(&g, reterr);
	while (r >= 0 && d->samples_n < samples && (r = table_next(&g.table, reterr)) > 0) {
		r = keep_samples(&g, samples, first_row, reterr);
		first_row += g.table.batch.length;
	}
	return r < 0 ? r : 0;
}

int dataset_open(const char *dir, size_t samples, struct dataset **ret, struct err *reterr)
{
	OWN(dataset_freep) struct dataset *d = calloc(1, sizeof(*d));
	OWN(reading_done) struct reading g = {.dir = dir, .d = d};
	int r;

	if (!d)
		return err_errno(reterr, ENOMEM, "read %s", dir);
	r = open_table(&g, reterr);
	if (r >= 0)
		r = reading_take_names(&g, reterr);
	while (r >= 0 && (r = table_next(&g.table, reterr)) > 0)
		r = read_batch(&g, reterr);
	if (r >= 0 && !d->rows)
		r = err_set(reterr, ERR_INVALID, "the data set in %s has no rows", dir);
	if (r >= 0)
		r = read_samples(d, dir, samples, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(d);
	return 0;
}
