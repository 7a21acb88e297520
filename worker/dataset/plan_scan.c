/* SPDX-License-Identifier: MIT */
/* The one pass over all rows, and the rows that cannot be used (plan.h). */
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/label_match.h"
#include "worker/dataset/plan.h"
#include "worker/dataset/target.h"
#include "worker/tokenizer/unicode.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK_EVERY 1024 /* rows between two checks of the stop flag */
#define LABEL_SHOWN 80	 /* bytes of a label that a message shows */

/* What a row has as its label: a value of p->labels, or 0 and a number. */
struct scanned {
	int32_t label;
	float target;
};

static int reserve_labels(const struct plan *p, struct plan_source *ps, int64_t want)
{
	int32_t *label = realloc(ps->label, (size_t)want * sizeof(*label));
	float *target;

	if (!label)
		return -ENOMEM;
	ps->label = label;
	if (p->kind != DATASET_NUMBERS)
		return 0;
	target = realloc(ps->target, (size_t)want * sizeof(*target));
	if (!target)
		return -ENOMEM;
	ps->target = target;
	return 0;
}

static int keep_label(const struct plan *p, struct plan_source *ps, int64_t *cap,
		      const struct scanned *row)
{
	if (ps->rows == *cap) {
		int64_t want = *cap ? *cap * 2 : CHECK_EVERY;

		if (reserve_labels(p, ps, want) < 0)
			return -ENOMEM;
		*cap = want;
	}
	if (p->kind == DATASET_NUMBERS)
		ps->target[ps->rows] = row->target;
	ps->label[ps->rows++] = row->label;
	return 0;
}

static void count(struct plan_count *c, const struct plan_source *ps, int64_t number)
{
	if (!c->rows++) {
		c->first = number;
		c->source = ps;
	}
}

static void add_count(struct plan_count *c, const struct plan_count *more)
{
	if (!c->rows)
		*c = *more;
	else
		c->rows += more->rows;
}

static int scan_number(const struct plan *p, const struct source *s, const struct source_row *row,
		       struct scanned *ret, struct err *reterr)
{
	size_t len;
	const char *text = label_text(&row->label, &len);

	ret->label = LABEL_NONE;
	switch (target_read(&row->label, &ret->target)) {
	case TARGET_NUMBER:
		if (!p->labels.has_no_label || ret->target != (float)p->labels.no_label)
			ret->label = 0;
		return 0;
	case TARGET_NONE:
		return 0;
	case TARGET_BAD:
		break;
	}
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "%s, row %lld: the label '%.*s' is not a finite number of 32 bits, which a "
		      "regression needs",
		      s->path, (long long)row->number, (int)(len < LABEL_SHOWN ? len : LABEL_SHOWN),
		      text);
}

static int scan_classes(struct plan *p, struct plan_source *ps, const struct source *s,
			const struct source_row *row, struct scanned *ret, struct err *reterr)
{
	bool any;
	int r = label_sets_add(&ps->sets, &p->rows, &p->labels, s, row, (size_t)(ps - p->sources),
			       &any, reterr);

	ret->label = any ? 0 : LABEL_NONE;
	return r;
}

/* Keep a row's label for the decision only if its text can be used. */
static int scan_row(struct plan *p, struct plan_source *ps, const struct source *s,
		    const struct source_row *row, struct scanned *ret, struct err *reterr)
{
	if (row->invalid_utf8)
		count(&ps->invalid_utf8, ps, row->number);
	*ret = (struct scanned){.label = PLAN_EMPTY_TEXT};
	if (unicode_is_blank(row->text, row->text_len) ||
	    (p->columns.pair && unicode_is_blank(row->pair, row->pair_len)))
		return p->kind == DATASET_VECTORS && label_sets_skip(&ps->sets) < 0
			       ? err_errno(reterr, ENOMEM, "read %s", ps->path)
			       : 0;
	if (p->kind == DATASET_NUMBERS)
		return scan_number(p, s, row, ret, reterr);
	if (p->kind == DATASET_VECTORS)
		return scan_classes(p, ps, s, row, ret, reterr);
	return labels_add(&p->labels, s, row, (size_t)(ps - p->sources), &ret->label, reterr);
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

static int read_source(struct plan *p, struct plan_source *ps, const struct worker *w,
		       struct err *reterr)
{
	OWN(source_closep) struct source *s = NULL;
	struct source_row row;
	struct scanned found;
	int64_t cap = 0;
	int r = source_open(ps->kind, ps->path, &ps->files, ps->field, &p->columns, &s, reterr);

	if (r >= 0)
		r = labels_open(&p->labels, s, (size_t)(ps - p->sources), reterr);
	if (r >= 0 && p->kind == DATASET_NUMBERS && s->label_names_n)
		r = err_at(reterr, ERR_INVALID, "/dataset/problem_type",
			   "%s has names of classes, and a regression needs numbers as labels; "
			   "remove problem_type, or name another label_column",
			   ps->path);
	if (r < 0)
		return r;
	ps->delimiter = s->delimiter;
	while ((r = source_next(s, &row, reterr)) > 0) {
		r = scan_row(p, ps, s, &row, &found, reterr);
		if (r >= 0 && keep_label(p, ps, &cap, &found) < 0)
			r = err_errno(reterr, ENOMEM, "read %s", ps->path);
		if (r < 0)
			return r;
		if (ps->rows % CHECK_EVERY)
			continue;
		if (*w->stop)
			return err_set(reterr, ERR_CANCELLED,
				       "the job was stopped while it read %s", ps->path);
		report_read(p, s, w);
	}
	if (r >= 0 && s->doubtful)
		report_warning(w->report, "quoted_lines",
			       "%s: %lld texts in quotes run over several lines and hold the "
			       "delimiter, the first from line %lld on; if quotes are plain "
			       "characters in this file, set dataset.quoting to 'none'",
			       s->doubtful_path ? s->doubtful_path : ps->path,
			       (long long)s->doubtful, (long long)s->doubtful_line);
	return r;
}

/* Forget the rows of a source. */
static void unread(struct plan *p, struct plan_source *ps)
{
	labels_forget(&p->labels, (size_t)(ps - p->sources));
	ps->rows = 0;
	ps->invalid_utf8 = (struct plan_count){0};
	free(TAKE(ps->label));
	free(TAKE(ps->target));
	label_sets_done(&ps->sets);
}

/* True if a row has a label. Numbers that are all -1 are none: they become bad rows. */
static bool has_labels(struct plan *p, struct plan_source *ps)
{
	bool any = false;

	if (p->kind == DATASET_CLASSES)
		return labels_has_any(&p->labels, (size_t)(ps - p->sources));
	for (int64_t i = 0; i < ps->rows; i++)
		any |= ps->label[i] >= 0 && (p->kind == DATASET_VECTORS || ps->target[i] != -1);
	for (int64_t i = 0; !any && i < ps->rows; i++)
		if (ps->label[i] >= 0)
			ps->label[i] = LABEL_NONE;
	return any;
}

static int read_spare(struct plan *p, struct plan_source *ps, const struct worker *w,
		      struct err *reterr)
{
	report_warning(w->report, "test_unlabelled",
		       "no row of %s has a label, so the test set is %s; dataset.test_split names "
		       "another one",
		       ps->path, ps->spare);
	unread(p, ps);
	free(ps->path);
	ps->path = TAKE(ps->spare);
	split_group_done(&ps->files);
	ps->files = ps->spare_files;
	ps->spare_files = (struct split_group){0};
	return read_source(p, ps, w, reterr);
}

static int scan_source(struct plan *p, struct plan_source *ps, const struct worker *w,
		       struct err *reterr)
{
	char field[ERR_FIELD_MAX];
	int r = read_source(p, ps, w, reterr);

	if (r >= 0 && !has_labels(p, ps) && ps->spare)
		r = read_spare(p, ps, w, reterr);
	str_excerptf(field, sizeof(field), "%s/path", ps->field);
	if (r >= 0 && !ps->rows)
		return err_at(reterr, ERR_INVALID, field, "%s has no rows", ps->path);
	return err_in(reterr, r, field);
}

/* ---- bad rows ---- */

/* Map values to classes after the decision, and count the rows without a class. */
static void find_bad_rows(struct plan *p, struct plan_source *ps)
{
	for (int64_t i = 0; i < ps->rows; i++) {
		if (ps->label[i] >= 0 && p->kind == DATASET_CLASSES)
			ps->label[i] = labels_class(&p->labels, ps->label[i]);
		if (ps->label[i] == PLAN_EMPTY_TEXT)
			count(&p->empty, ps, i + 1);
		else if (ps->label[i] == LABEL_NONE)
			count(&p->unlabelled, ps, i + 1);
		ps->bad += ps->label[i] < 0;
	}
}

/* Refuse a source in which no row can be used, whatever on_bad_row says. */
static int all_bad(const struct plan_source *ps, struct err *reterr)
{
	bool no_text = true;

	for (int64_t i = 0; i < ps->rows; i++)
		no_text &= ps->label[i] == PLAN_EMPTY_TEXT;
	if (no_text)
		return err_at(reterr, ERR_INVALID, "/dataset/text_column",
			      "no row of %s has a text; check text_column", ps->path);
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "no row of %s has both a text and a label (-1 in all rows means no label)%s",
		      ps->path,
		      ps->only == SPLIT_TEST ? "; test on other rows, in a data set of several "
					       "splits with dataset.test_split"
					     : "");
}

static int refuse_bad_rows(const struct plan *p, struct err *reterr)
{
	const struct plan_count *c = p->unlabelled.rows ? &p->unlabelled : &p->empty;
	char both[96] = "";

	if (p->unlabelled.rows && p->empty.rows)
		snprintf(both, sizeof(both), ", and %lld without a text", (long long)p->empty.rows);
	return err_at(reterr, ERR_INVALID,
		      c == &p->empty ? "/dataset/text_column" : "/dataset/label_column",
		      "%s, row %lld: %s; in all %lld rows are without %s%s. To leave such rows "
		      "out, set on_bad_row to skip",
		      c->source->path, (long long)c->first,
		      c == &p->empty ? "a text is empty or null" : "the label is empty or missing",
		      (long long)c->rows, c == &p->empty ? "a text" : "a label", both);
}

static int check_bad_rows(struct plan *p, const struct worker *w, struct err *reterr)
{
	for (size_t i = 0; i < p->sources_n; i++)
		find_bad_rows(p, &p->sources[i]);
	for (size_t i = 0; i < p->sources_n; i++)
		if (!plan_usable(&p->sources[i]))
			return all_bad(&p->sources[i], reterr);
	if (!p->unlabelled.rows && !p->empty.rows)
		return 0;
	if (!p->skip_bad)
		return refuse_bad_rows(p, reterr);
	if (p->unlabelled.rows)
		report_warning(w->report, "rows_without_label",
			       "rows left out because they have no label: %lld, the first is row "
			       "%lld of %s",
			       (long long)p->unlabelled.rows, (long long)p->unlabelled.first,
			       p->unlabelled.source->path);
	if (p->empty.rows)
		report_warning(w->report, "rows_without_text",
			       "rows left out because they have no text: %lld, the first is row "
			       "%lld of %s",
			       (long long)p->empty.rows, (long long)p->empty.first,
			       p->empty.source->path);
	return 0;
}

static void warn_by_id(const struct labels *l, const struct worker *w)
{
	report_warning(w->report, "labels_by_id",
		       "the classes of the %s have no names: class 0 of the data ('%.80s') is "
		       "taken for class 0 of the model ('%.80s'), and so on",
		       label_names_are_chosen(l->names.items, l->names.n) ? "data" : "model",
		       l->source.items[0], l->names.items[0]);
}

static int decide_labels(struct plan *p, struct err *reterr)
{
	struct label_sets *sets[LABELS_SPLITS];

	switch (p->kind) {
	case DATASET_CLASSES:
		return labels_decide(&p->labels, reterr);
	case DATASET_NUMBERS:
		p->labels.classes = 1;
		return 0;
	case DATASET_VECTORS:
		break;
	}
	for (size_t i = 0; i < p->sources_n; i++)
		sets[i] = &p->sources[i].sets;
	return label_sets_decide(sets, p->sources_n, &p->rows, &p->labels, reterr);
}

int plan_scan(struct plan *p, const struct worker *w, struct err *reterr)
{
	int64_t rows = 0;
	int r = 0;

	for (size_t i = 0; i < p->sources_n && r >= 0; i++) {
		r = scan_source(p, &p->sources[i], w, reterr);
		rows += p->sources[i].rows;
		add_count(&p->invalid_utf8, &p->sources[i].invalid_utf8);
	}
	if (r >= 0)
		r = decide_labels(p, reterr);
	if (r >= 0 && p->labels.by_id)
		warn_by_id(&p->labels, w);
	if (r >= 0)
		r = check_bad_rows(p, w, reterr);
	if (r >= 0)
		r = plan_decide_parts(p, reterr);
	if (r >= 0)
		r = plan_report_untrained(p, w->report, reterr);
	if (r >= 0)
		report_progress(w->report, "read", "rows", rows, rows);
	return r;
}
