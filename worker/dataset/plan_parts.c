/* SPDX-License-Identifier: MIT */
/* Assigns each row to a part (plan.h). */
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/plan.h"

#include <stdio.h>
#include <stdlib.h>

/* Apply split_rows() to the rows that are not bad. */
static int split_usable(struct plan_source *ps, int64_t train, int64_t test, uint64_t seed,
			struct err *reterr)
{
	int64_t from = plan_usable(ps);

	ps->part = calloc((size_t)ps->rows, 1);
	if (!ps->part || split_rows(from, train, test, seed, ps->part) < 0)
		return err_errno(reterr, ENOMEM, "split %s", ps->path);
	for (int64_t i = ps->rows - 1; i >= 0; i--)
		ps->part[i] = ps->label[i] < 0 ? SPLIT_NONE : ps->part[--from];
	return 0;
}

static int too_few(const struct plan_source *ps, const char *key, int64_t want, struct err *reterr)
{
	char field[ERR_FIELD_MAX];

	str_excerptf(field, sizeof(field), "/dataset/%s", key);
	return err_at(reterr, ERR_INVALID, field, "%s asks for %lld rows, but %s has %lld%s", key,
		      (long long)want, ps->path, (long long)plan_usable(ps),
		      ps->bad ? " that are not left out" : "");
}

/* A source for one part alone: `want` rows of it, or all. */
static int split_one(struct plan_source *ps, const char *key, int64_t *want, uint64_t seed,
		     struct err *reterr)
{
	bool train = ps->only == SPLIT_TRAIN;

	if (*want > plan_usable(ps))
		return too_few(ps, key, *want, reterr);
	if (*want < 0)
		*want = plan_usable(ps);
	return split_usable(ps, train ? *want : 0, train ? 0 : *want, seed, reterr);
}

static int none_left(const struct plan_source *ps, const char *key, int64_t want,
		     struct err *reterr)
{
	char field[ERR_FIELD_MAX];

	str_excerptf(field, sizeof(field), "/dataset/%s", key);
	return err_at(reterr, ERR_INVALID, field,
		      "%s asks for %lld of the %lld rows in %s, which leaves none for the other "
		      "set; ask for fewer",
		      key, (long long)want, (long long)plan_usable(ps), ps->path);
}

static int split_two(struct plan *p, struct plan_source *ps, struct err *reterr)
{
	bool asked = p->train_rows > 0 && p->test_rows > 0;
	int64_t rows = plan_usable(ps);

	if (rows < 2)
		return err_at(reterr, ERR_INVALID, "/dataset/path",
			      "%s has one row%s; a training and a test set need two", ps->path,
			      ps->bad ? " that is not left out" : "");
	if (p->train_rows >= rows && !asked)
		return none_left(ps, "train_rows", p->train_rows, reterr);
	if (p->test_rows >= rows && !asked)
		return none_left(ps, "test_rows", p->test_rows, reterr);
	split_defaults(rows, &p->train_rows, &p->test_rows);
	if (p->train_rows > rows - p->test_rows)
		return err_at(reterr, ERR_INVALID, "/dataset/train_rows",
			      "train_rows and test_rows ask for %lld + %lld rows, but %s has %lld",
			      (long long)p->train_rows, (long long)p->test_rows, ps->path,
			      (long long)rows);
	return split_usable(ps, p->train_rows, p->test_rows, p->seed, reterr);
}

static int decide_parts(struct plan *p, struct plan_source *ps, struct err *reterr)
{
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

/* Of several classes a row, the training set must have at least one. */
static int check_sets(const struct plan *p, struct err *reterr)
{
	const struct plan_source *ps = &p->sources[0]; /* test-only sources come second */

	for (int64_t i = 0; i < ps->rows; i++)
		if (ps->part[i] == SPLIT_TRAIN && ps->sets.starts[i] < ps->sets.starts[i + 1])
			return 0;
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "no class applies to any of the %lld rows of the training set; check "
		      "label_column",
		      (long long)p->train_rows);
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
	if (p->labels.names.n)
		return err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "all %lld rows of the training set have the label '%s'; training "
			      "needs at least two classes",
			      (long long)p->train_rows, p->labels.names.items[first]);
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "all %lld rows of the training set have the label %d; training needs at "
		      "least two classes",
		      (long long)p->train_rows, first);
}

int plan_decide_parts(struct plan *p, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < p->sources_n && r >= 0; i++)
		r = decide_parts(p, &p->sources[i], reterr);
	if (r >= 0 && p->kind == DATASET_CLASSES)
		r = check_classes(p, reterr);
	if (r >= 0 && p->kind == DATASET_VECTORS)
		r = check_sets(p, reterr);
	return r;
}

static void count_row(const struct plan *p, const struct plan_source *ps, int64_t row,
		      int64_t *rows)
{
	if (p->kind != DATASET_VECTORS) {
		rows[ps->label[row]]++;
		return;
	}
	for (int64_t i = ps->sets.starts[row]; i < ps->sets.starts[row + 1]; i++)
		rows[ps->sets.items[i]]++;
}

/* rows[class]: the number of rows of that part with the class. */
static void count_classes(const struct plan *p, enum split_part part, int64_t *rows)
{
	for (size_t i = 0; i < p->sources_n; i++) {
		const struct plan_source *ps = &p->sources[i];

		for (int64_t row = 0; row < ps->rows; row++)
			if (ps->part[row] == part)
				count_row(p, ps, row, rows);
	}
}

int plan_report_untrained(const struct plan *p, struct report *report, struct err *reterr)
{
	OWN(freep) int64_t *train = calloc(p->labels.classes, sizeof(*train));
	OWN(freep) int64_t *test = calloc(p->labels.classes, sizeof(*test));
	int64_t rows = 0;
	size_t classes = 0, first = 0;
	char id[24];

	if (!train || !test)
		return err_errno(reterr, ENOMEM, "count the classes");
	count_classes(p, SPLIT_TRAIN, train);
	count_classes(p, SPLIT_TEST, test);
	for (size_t i = p->labels.classes; i-- > 0;) {
		if (train[i] || !test[i])
			continue;
		rows += test[i];
		classes++;
		first = i;
	}
	if (!classes)
		return 0;
	snprintf(id, sizeof(id), "%zu", first);
	report_warning(report, "classes_only_in_test",
		       "no model can learn %zu of the classes, such as '%.80s': rows of the test "
		       "set have them (%lld), but no row of the training set",
		       classes, p->labels.names.n ? p->labels.names.items[first] : id,
		       (long long)rows);
	return 0;
}
