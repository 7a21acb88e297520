/* SPDX-License-Identifier: MIT */
/* The decision of labels.h, after all values are known. */
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/label_match.h"
#include "worker/dataset/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX		 80 /* bytes of a value that a message shows */
#define CLASSES_BESIDE_MINUS_ONE 2  /* {-1, 0, 1} are classes, {-1, 0, 1, 2} may be anything */

static int at_value(const struct labels *l, const struct label_seen *v, const char *field,
		    const char *what, struct err *reterr)
{
	return err_at(reterr, ERR_INVALID, field, "%s, row %lld: the label '%.*s' %s",
		      l->paths[v->split], (long long)v->first, SHOWN_MAX, v->text, what);
}

/* ---- by names ---- */

static const char rename_them[] =
	"; to rename the classes of the data in their order, write labels as a list of names";

static int unknown(const struct labels *l, const struct label_seen *v, bool numbers_are_names,
		   struct err *reterr)
{
	OWN(buf_done) struct buf known = BUF_INIT(ERR_MSG_MAX / 3);

	for (size_t i = 0; i < l->names.n && buf_ok(&known); i++)
		buf_printf(&known, "%s'%s'", i ? ", " : "", l->names.items[i]);
	return err_at(reterr, ERR_INVALID, "/dataset/labels",
		      "%s, row %lld: the label '%.*s' is not one of the %zu known labels: %s%s%s",
		      l->paths[v->split], (long long)v->first, SHOWN_MAX, v->text, l->names.n,
		      buf_str(&known), buf_ok(&known) ? "" : ", ...",
		      v->type == LABEL_CLASS && l->of_model ? rename_them
		      : numbers_are_names && v->type == LABEL_INT
			      ? "; other numbers in the data are names of classes, so this number "
				"is not taken as an id"
			      : "");
}

static int32_t by_text(const struct labels *l, const char *text)
{
	return label_names_find(&l->names, text, strlen(text));
}

/* The id of the name that equals a value: by its own text, else by another form of its number or
 * boolean. -1: there is none. */
static int32_t by_name(const struct labels *l, const struct label_seen *v)
{
	static const char *const booleans[][3] = {{"False", "false", "FALSE"},
						  {"True", "true", "TRUE"}};
	struct label_value plain;
	int32_t id = by_text(l, v->text);

	if (id < 0 && v->type == LABEL_INT) {
		label_from_int(&plain, v->number);
		id = by_text(l, plain.digits);
	}
	if (id < 0 && (v->type == LABEL_INT || v->type == LABEL_FLOAT))
		id = label_numbers_find(&l->numbers, v->type, v->number, v->text);
	for (size_t i = 0; id < 0 && v->type == LABEL_BOOL && i < ARRAY_LEN(booleans[0]); i++)
		id = by_text(l, booleans[v->number][i]);
	return id;
}

static bool is_nothing(const struct labels *l, const struct label_seen *v)
{
	return v->type == LABEL_NULL ||
	       (v->type == LABEL_ABSENT &&
		label_names_find(&l->names, v->text, strlen(v->text)) < 0) ||
	       (v->type == LABEL_INT && l->has_no_label && v->number == l->no_label);
}

/* True if every value of the split is -1. */
static bool all_minus_one(const struct labels *l, size_t split)
{
	for (size_t i = 0; i < l->values_n; i++) {
		const struct label_seen *v = &l->values[i];

		if (v->rows && v->split == split && !is_nothing(l, v) &&
		    !(v->type == LABEL_INT && v->number == -1))
			return false;
	}
	return true;
}

bool labels_is_none(const struct labels *l, const struct label_seen *v)
{
	if (is_nothing(l, v))
		return true;
	if (v->type != LABEL_INT || v->number != -1)
		return false;
	return l->names.n ? by_name(l, v) < 0 : all_minus_one(l, v->split);
}

/* True if a value of that type is a name. Then none of them is an id. */
static bool type_is_named(const struct labels *l, enum label_type type)
{
	for (size_t i = 0; i < l->values_n; i++) {
		const struct label_seen *v = &l->values[i];

		if (v->rows && v->type == type && v->class != LABEL_NONE && by_name(l, v) >= 0)
			return true;
	}
	return false;
}

static bool share_names(const struct label_names *a, const struct label_names *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (label_names_find(b, a->items[i], strlen(a->items[i])) >= 0)
			return true;
	return false;
}

/* Fill ids[source.n] with the classes of the source's names. A model's names are found by name, or
 * by id if a side has no names. A user's list that has none of the source's names renames them one
 * by one. -ENOMEM. */
static int match_source(struct labels *l, int32_t *ids)
{
	const struct label_names *s = &l->source, *to = &l->names;
	bool chosen = label_names_are_chosen(s->items, s->n);
	bool model_chosen = label_names_are_chosen(to->items, to->n);
	bool one_by_one = l->of_model ? !chosen || !model_chosen : l->given && !share_names(s, to);

	l->by_id = s->n && l->of_model && chosen != model_chosen;
	if (l->by_id)
		label_names_match_ids(s->items, s->n, to->items, to->n, NULL, ids);
	else
		for (size_t i = 0; i < s->n; i++)
			ids[i] = one_by_one
					 ? (int32_t)i
					 : label_names_find(to, s->items[i], strlen(s->items[i]));
	return l->of_model && !one_by_one ? label_names_match(s->items, s->n, to->items, to->n, ids)
					  : 0;
}

static int32_t by_source(const struct labels *l, const struct label_seen *v, const int32_t *ids)
{
	int32_t at = label_names_find(&l->source, v->text, strlen(v->text));

	return at < 0 ? by_name(l, v) : ids[at];
}

static int decide_by_names(struct labels *l, struct err *reterr)
{
	bool ints = type_is_named(l, LABEL_INT), bools = type_is_named(l, LABEL_BOOL);
	OWN(freep) int32_t *ids = calloc(l->source.n + 1, sizeof(*ids));

	if (!ids || match_source(l, ids) < 0)
		return err_errno(reterr, ENOMEM, "match the labels");
	l->classes = l->names.n;
	for (size_t i = 0; i < l->values_n; i++) {
		struct label_seen *v = &l->values[i];

		if (!v->rows || v->class == LABEL_NONE)
			continue;
		v->class = by_name(l, v);
		if ((v->type == LABEL_INT && !ints) || (v->type == LABEL_BOOL && !bools))
			v->class = v->number < 0 || v->number >= (int64_t)l->names.n
					   ? LABEL_NONE
					   : (int32_t)v->number;
		else if (v->type == LABEL_CLASS)
			v->class = by_source(l, v, ids);
		if (v->class < 0 || (size_t)v->class >= l->names.n)
			return unknown(l, v, ints, reterr);
	}
	return 0;
}

/* ---- by values ---- */

struct value_set {
	struct label_seen **items;
	size_t n;
	bool has[LABEL_CLASS + 1]; /* by type */
	const struct label_seen *example[LABEL_CLASS + 1];
};

static void value_set_done(struct value_set *s)
{
	free(s->items);
}

static int collect(struct labels *l, struct value_set *s)
{
	s->items = calloc(l->values_n + 1, sizeof(struct label_seen *));
	if (!s->items)
		return -ENOMEM;
	for (size_t i = 0; i < l->values_n; i++) {
		struct label_seen *v = &l->values[i];

		if (!v->rows || v->class == LABEL_NONE)
			continue;
		s->items[s->n++] = v;
		if (!s->has[v->type])
			s->example[v->type] = v;
		s->has[v->type] = true;
	}
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp((*(struct label_seen *const *)a)->text,
		      (*(struct label_seen *const *)b)->text);
}

static int compare_numbers(const void *a, const void *b)
{
	int64_t x = (*(struct label_seen *const *)a)->number,
		y = (*(struct label_seen *const *)b)->number;

	return x < y ? -1 : x > y;
}

static int too_many(const struct labels *l, const struct value_set *s, struct err *reterr)
{
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "%s has more than %d different labels; check label_column",
		      l->paths[s->items[0]->split], LABELS_MAX);
}

/* Give the sorted items ids from 0, with or without names. */
static int number_items(struct labels *l, const struct value_set *s, bool texts, bool named,
			struct err *reterr)
{
	for (size_t i = 0; i < s->n; i++) {
		struct label_seen *v = s->items[i];
		struct label_value plain;
		bool same = i && (texts ? compare_texts(&s->items[i - 1], &s->items[i])
					: compare_numbers(&s->items[i - 1], &s->items[i])) == 0;

		v->class = (int32_t)l->classes - same;
		if (same)
			continue;
		if (l->classes == LABELS_MAX)
			return too_many(l, s, reterr);
		l->classes++;
		label_from_int(&plain, v->number);
		if (named && label_names_add(&l->names, texts ? v->text : plain.digits,
					     strlen(texts ? v->text : plain.digits)) < 0)
			return err_errno(reterr, ENOMEM, "sort the labels");
	}
	return 0;
}

/* True if the sorted numbers from items[at] on are exactly 0 … n-1; *ret_n is n. */
static bool is_range(const struct value_set *s, size_t at, int64_t *ret_n)
{
	int64_t next = 0;

	for (size_t i = at; i < s->n; i++) {
		int64_t number = s->items[i]->number;

		if (number != next && (i == at || number != next - 1))
			return false;
		if (number == next)
			next++;
	}
	*ret_n = next;
	return next > 0;
}

static int decide_numbers(struct labels *l, const struct value_set *s, struct err *reterr)
{
	size_t at = 0;
	int64_t n;

	qsort(s->items, s->n, sizeof(struct label_seen *), compare_numbers);
	if (is_range(s, 0, &n))
		return number_items(l, s, false, false, reterr);
	while (at < s->n && s->items[at]->number == -1)
		at++;
	if (at && is_range(s, at, &n) && n > CLASSES_BESIDE_MINUS_ONE)
		return at_value(l, s->items[0], "/dataset/no_label",
				"stands beside 0, 1, 2 …; if -1 means that a row has no label, set "
				"no_label to -1; if -1 is a class, name all classes in labels, as "
				"[\"-1\", \"0\", \"1\", …]",
				reterr);
	return number_items(l, s, false, true, reterr);
}

static int not_whole(const struct labels *l, const struct label_seen *v, struct err *reterr)
{
	bool large = fabs(strtod(v->text, NULL)) >= LABEL_WHOLE_MAX;

	return at_value(l, v, "/dataset/label_column",
			large ? "is too large for a class (whole numbers below 2^63, floats below "
				"2^53); if such numbers are classes, write them as texts or name "
				"them all in labels"
			      : "is not a whole number, and classes are texts or whole numbers; if "
				"such numbers are classes, name them all in labels",
			reterr);
}

static int decide_booleans(struct labels *l, const struct value_set *s, struct err *reterr)
{
	for (size_t i = 0; i < s->n; i++)
		s->items[i]->class = (int32_t)s->items[i]->number;
	l->classes = 2;
	if (label_names_add(&l->names, "False", 5) < 0 || label_names_add(&l->names, "True", 4) < 0)
		return err_errno(reterr, ENOMEM, "sort the labels");
	return 0;
}

static int decide_by_values(struct labels *l, struct err *reterr)
{
	OWN(value_set_done) struct value_set s = {0};

	if (collect(l, &s) < 0)
		return err_errno(reterr, ENOMEM, "sort the labels");
	if (s.has[LABEL_TEXT]) {
		qsort(s.items, s.n, sizeof(struct label_seen *), compare_texts);
		return number_items(l, &s, true, true, reterr);
	}
	if (s.has[LABEL_FLOAT])
		return not_whole(l, s.example[LABEL_FLOAT], reterr);
	if (s.has[LABEL_BOOL] && s.has[LABEL_INT])
		return at_value(l, s.example[LABEL_BOOL], "/dataset/label_column",
				"is true or false, but other rows have whole numbers; name the "
				"classes in labels, or use one kind of value in the column",
				reterr);
	if (s.has[LABEL_BOOL])
		return decide_booleans(l, &s, reterr);
	return decide_numbers(l, &s, reterr);
}

int labels_decide(struct labels *l, struct err *reterr)
{
	for (size_t i = 0; i < l->values_n; i++)
		l->values[i].class = labels_is_none(l, &l->values[i]) ? LABEL_NONE : 0;
	return l->names.n ? decide_by_names(l, reterr) : decide_by_values(l, reterr);
}
