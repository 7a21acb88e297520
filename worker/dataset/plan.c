/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "worker/dataset/plan.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/detect.h"

#include <limits.h>
#include <string.h>

#define DEFAULT_TEXT  "text"
#define DEFAULT_LABEL "label"
#define DEFAULT_SEED  42
#define CHECK_EVERY   1024 /* rows between looks at the stop flag */

static const char *const taken_names[] = {"labels", "input_ids", "token_type_ids",
					  "attention_mask"};

static int check_column(const char *field, const char *name, struct err *reterr)
{
	for (size_t i = 0; name && i < ARRAY_LEN(taken_names); i++)
		if (str_eq(name, taken_names[i]))
			return err_at(reterr, ERR_INVALID, field,
				      "a text column cannot be named '%s': the tokenised data set "
				      "has a column of that name",
				      name);
	return 0;
}

static int init_columns(struct plan *p, const json_t *dataset, struct err *reterr)
{
	int r;

	p->columns.text = json_get_str(dataset, "text_column", DEFAULT_TEXT);
	p->columns.pair = json_get_str(dataset, "text_pair_column", NULL);
	p->columns.label = json_get_str(dataset, "label_column", DEFAULT_LABEL);
	r = check_column("/dataset/text_column", p->columns.text, reterr);
	if (r >= 0)
		r = check_column("/dataset/text_pair_column", p->columns.pair, reterr);
	if (r < 0)
		return r;
	if (str_eq(p->columns.text, p->columns.pair) || str_eq(p->columns.text, p->columns.label) ||
	    str_eq(p->columns.pair, p->columns.label))
		return err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "text_column, text_pair_column and label_column must be different "
			      "columns");
	return 0;
}

static int init_rows(struct plan *p, const json_t *dataset, struct err *reterr)
{
	static const char *const keys[] = {"train_rows", "test_rows"};
	int64_t *rows[] = {&p->train_rows, &p->test_rows};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const json_t *j = json_object_get(dataset, keys[i]);
		char field[ERR_FIELD_MAX];

		snprintf(field, sizeof(field), "/dataset/%s", keys[i]);
		*rows[i] = -1;
		if (!j || json_is_null(j))
			continue;
		if (!json_is_integer(j) || json_integer_value(j) < 1)
			return err_at(reterr, ERR_INVALID, field,
				      "%s must be a whole number of at least 1", keys[i]);
		*rows[i] = json_integer_value(j);
	}
	p->seed = (uint64_t)json_get_int(dataset, "seed", DEFAULT_SEED);
	return 0;
}

static int add_source(struct plan *p, const struct source_kind *kind, const char *path,
		      const char *sub, const char *field, enum split_part only, struct err *reterr)
{
	struct plan_source *s = &p->sources[p->sources_n];
	char full[PATH_MAX];

	if (sub ? !path_join(full, sizeof(full), path, sub) : !str_copy(full, sizeof(full), path))
		return err_errno(reterr, ENAMETOOLONG, "read %s", path);
	*s = (struct plan_source){.kind = kind, .field = field, .only = only, .path = strdup(full)};
	p->sources_n++;
	return s->path ? 0 : err_errno(reterr, ENOMEM, "read %s", path);
}

static int init_part(struct plan *p, const json_t *dataset, const char *key, const char *field,
		     enum split_part only, struct err *reterr)
{
	const char *path = json_get_str(json_object_get(dataset, key), "path", NULL);
	struct detected found;
	int r;

	if (!path)
		return err_at(reterr, ERR_INVALID, field,
			      "dataset.train and dataset.test must both be objects with a path");
	r = source_detect(path, field, &found, reterr);
	if (r < 0)
		return r;
	if (found.has_parts)
		return err_at(reterr, ERR_INVALID, field,
			      "%s has a train and a test part; name it as dataset.path, or one of "
			      "its parts here",
			      path);
	return add_source(p, found.kind, path, found.train[0] ? found.train : NULL, field, only,
			  reterr);
}

static int init_sources(struct plan *p, const json_t *dataset, struct err *reterr)
{
	const char *path = json_get_str(dataset, "path", NULL);
	struct detected found;
	int r;

	if (!path) {
		r = init_part(p, dataset, "train", "/dataset/train", SPLIT_TRAIN, reterr);
		return r < 0 ? r
			     : init_part(p, dataset, "test", "/dataset/test", SPLIT_TEST, reterr);
	}
	r = source_detect(path, "/dataset", &found, reterr);
	if (r < 0)
		return r;
	if (!found.has_parts)
		return add_source(p, found.kind, path, found.train[0] ? found.train : NULL,
				  "/dataset", SPLIT_NONE, reterr);
	r = add_source(p, found.kind, path, found.train, "/dataset", SPLIT_TRAIN, reterr);
	return r < 0 ? r
		     : add_source(p, found.kind, path, found.test, "/dataset", SPLIT_TEST, reterr);
}

int plan_init(struct plan *p, const struct worker *w, struct err *reterr)
{
	const json_t *dataset = json_object_get(w->spec, "dataset");
	int r;

	*p = (struct plan){.labels = {.largest = -1}};
	if (!json_is_object(dataset))
		return err_at(reterr, ERR_INVALID, "/dataset", "dataset must be an object");
	r = init_columns(p, dataset, reterr);
	if (r >= 0)
		r = init_rows(p, dataset, reterr);
	if (r >= 0)
		r = labels_from_spec(&p->labels, json_object_get(dataset, "labels"), reterr);
	return r < 0 ? r : init_sources(p, dataset, reterr);
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->sources_n; i++) {
		free(p->sources[i].path);
		free(p->sources[i].part);
		free(p->sources[i].label);
	}
	labels_done(&p->labels);
	*p = (struct plan){0};
}

static int keep_label(struct plan_source *ps, int64_t *cap, int32_t label)
{
	if (ps->rows == *cap) {
		int64_t want = *cap ? *cap * 2 : CHECK_EVERY;
		int32_t *grown = realloc(ps->label, (size_t)want * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ps->label = grown;
		*cap = want;
	}
	ps->label[ps->rows++] = label;
	return 0;
}

static void note_invalid(struct plan *p, const struct plan_source *ps, const struct source_row *row)
{
	if (!row->invalid_utf8)
		return;
	if (!p->invalid_rows++) {
		p->first_invalid = row->number;
		p->first_invalid_path = ps->path;
	}
}

static void report_read(const struct plan *p, const struct source *s, const struct worker *w)
{
	int64_t rows = 0;
	double fraction = source_fraction(s);

	for (size_t i = 0; i < p->sources_n; i++)
		rows += p->sources[i].rows;
	if (fraction > 0) /* an estimate, for the ETA */
		report_progress(w->report, "read", "rows", rows,
				(int64_t)((double)rows / fraction) + 1);
}

static int scan_source(struct plan *p, struct plan_source *ps, const struct worker *w,
		       struct err *reterr)
{
	OWN(source_closep) struct source *s = NULL;
	struct source_row row;
	int64_t cap = 0;
	int32_t label;
	int r = source_open(ps->kind, ps->path, ps->field, &p->columns, &s, reterr);

	if (r >= 0)
		r = labels_from_source(&p->labels, s, reterr);
	if (r < 0)
		return r;
	while ((r = source_next(s, &row, reterr)) > 0) {
		r = labels_index(&p->labels, s, &row, &label, reterr);
		if (r >= 0 && keep_label(ps, &cap, label) < 0)
			r = err_errno(reterr, ENOMEM, "read %s", ps->path);
		if (r < 0)
			return r;
		note_invalid(p, ps, &row);
		if (ps->rows % CHECK_EVERY)
			continue;
		if (*w->stop)
			return err_set(reterr, ERR_CANCELLED, "stopped while reading %s", ps->path);
		report_read(p, s, w);
	}
	return r;
}

static int too_few(const struct plan_source *ps, const char *key, int64_t want, struct err *reterr)
{
	char field[ERR_FIELD_MAX];

	snprintf(field, sizeof(field), "/dataset/%s", key);
	return err_at(reterr, ERR_INVALID, field, "%s asks for %lld rows, but %s has %lld", key,
		      (long long)want, ps->path, (long long)ps->rows);
}

/* A source that is all training or all test set: `want` rows of it, or all. */
static int split_one(struct plan_source *ps, const char *key, int64_t *want, uint64_t seed,
		     struct err *reterr)
{
	bool train = ps->only == SPLIT_TRAIN;

	if (*want > ps->rows)
		return too_few(ps, key, *want, reterr);
	if (*want < 0)
		*want = ps->rows;
	if (split_rows(ps->rows, train ? *want : 0, train ? 0 : *want, seed, ps->part) < 0)
		return err_errno(reterr, ENOMEM, "split %s", ps->path);
	return 0;
}

static int none_left(const struct plan_source *ps, const char *key, int64_t want,
		     struct err *reterr)
{
	char field[ERR_FIELD_MAX];

	snprintf(field, sizeof(field), "/dataset/%s", key);
	return err_at(reterr, ERR_INVALID, field,
		      "%s asks for %lld of the %lld rows in %s; none is left for the other set",
		      key, (long long)want, (long long)ps->rows, ps->path);
}

static int split_two(struct plan *p, struct plan_source *ps, struct err *reterr)
{
	bool asked = p->train_rows > 0 && p->test_rows > 0;

	if (ps->rows < 2)
		return err_at(reterr, ERR_INVALID, "/dataset/path",
			      "%s has one row; a training and a test set need two", ps->path);
	if (p->train_rows >= ps->rows && !asked)
		return none_left(ps, "train_rows", p->train_rows, reterr);
	if (p->test_rows >= ps->rows && !asked)
		return none_left(ps, "test_rows", p->test_rows, reterr);
	split_defaults(ps->rows, &p->train_rows, &p->test_rows);
	if (p->train_rows > ps->rows - p->test_rows)
		return err_at(reterr, ERR_INVALID, "/dataset/train_rows",
			      "train_rows and test_rows ask for %lld + %lld rows, but %s has %lld",
			      (long long)p->train_rows, (long long)p->test_rows, ps->path,
			      (long long)ps->rows);
	if (split_rows(ps->rows, p->train_rows, p->test_rows, p->seed, ps->part) < 0)
		return err_errno(reterr, ENOMEM, "split %s", ps->path);
	return 0;
}

static int decide_parts(struct plan *p, struct plan_source *ps, struct err *reterr)
{
	char field[ERR_FIELD_MAX];

	snprintf(field, sizeof(field), "%s/path", ps->field);
	if (!ps->rows)
		return err_at(reterr, ERR_INVALID, field, "%s has no rows", ps->path);
	ps->part = calloc((size_t)ps->rows, 1);
	if (!ps->part)
		return err_errno(reterr, ENOMEM, "split %s", ps->path);
	switch (ps->only) {
	case SPLIT_TRAIN:
		return split_one(ps, "train_rows", &p->train_rows, p->seed, reterr);
	case SPLIT_TEST:
		return split_one(ps, "test_rows", &p->test_rows, p->seed, reterr);
	case SPLIT_NONE:
		break;
	}
	return split_two(p, ps, reterr);
}

/* The training set must have two classes. */
static int check_classes(const struct plan *p, struct err *reterr)
{
	const struct plan_source *ps = &p->sources[0]; /* test-only sources come second */
	int32_t first = -1;

	for (int64_t i = 0; i < ps->rows; i++) {
		if (ps->part[i] != SPLIT_TRAIN)
			continue;
		if (first >= 0 && ps->label[i] != first)
			return 0;
		first = ps->label[i];
	}
	if (p->labels.names_n)
		return err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "all %lld rows of the training set have the label '%s'; training "
			      "needs at least two classes",
			      (long long)p->train_rows, p->labels.names[first]);
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "all %lld rows of the training set have the label %d; training needs at "
		      "least two classes",
		      (long long)p->train_rows, first);
}

int plan_scan(struct plan *p, const struct worker *w, struct err *reterr)
{
	OWN(freep) int32_t *map = NULL;
	int64_t rows = 0;
	int r = 0;

	for (size_t i = 0; i < p->sources_n && r >= 0; i++) {
		r = scan_source(p, &p->sources[i], w, reterr);
		if (r >= 0)
			r = decide_parts(p, &p->sources[i], reterr);
		rows += p->sources[i].rows;
	}
	if (r >= 0)
		r = labels_settle(&p->labels, &map, reterr);
	if (r < 0)
		return r;
	for (size_t i = 0; map && i < p->sources_n; i++)
		for (int64_t j = 0; j < p->sources[i].rows; j++)
			p->sources[i].label[j] = map[p->sources[i].label[j]];
	report_progress(w->report, "read", "rows", rows, rows);
	return check_classes(p, reterr);
}
