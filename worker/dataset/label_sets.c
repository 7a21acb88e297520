/* SPDX-License-Identifier: MIT */
/* Tells the form of each row's list, keeps its classes, and maps them after the last row. */
#include "worker/dataset/label_sets.h"

#include "base/own.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define FIELD "/dataset/label_column"
#define OPEN_MARK                                                                          \
	(-1)	 /* the second item of a row that does not tell; the first is its position \
		  */
#define SHOWN 80 /* bytes of a label that a message shows */

void label_sets_done(struct label_sets *sets)
{
	free(sets->starts);
	free(sets->items);
	*sets = (struct label_sets){0};
}

void label_rows_done(struct label_rows *all)
{
	label_list_done(&all->text);
}

static int grow(void *pointer, int64_t *cap, int64_t want, size_t size)
{
	void **p = pointer, *grown;
	int64_t more = *cap ? *cap * 2 : 1024;

	if (want <= *cap)
		return 0;
	more = more < want ? want : more;
	grown = realloc(*p, (size_t)more * size);
	if (!grown)
		return -ENOMEM;
	*p = grown;
	*cap = more;
	return 0;
}

/* Room for `items` more of the current row. */
static int reserve(struct label_sets *sets, size_t items)
{
	if (grow(&sets->starts, &sets->rows_cap, sets->rows + 2, sizeof(*sets->starts)) < 0 ||
	    grow(&sets->items, &sets->items_cap, sets->items_n + (int64_t)items,
		 sizeof(*sets->items)) < 0)
		return -ENOMEM;
	sets->starts[sets->rows] = sets->items_n;
	return 0;
}

static void end_row(struct label_sets *sets)
{
	sets->starts[++sets->rows] = sets->items_n;
}

int label_sets_skip(struct label_sets *sets)
{
	if (reserve(sets, 0) < 0)
		return -ENOMEM;
	end_row(sets);
	return 0;
}

/* ---- what a row tells ---- */

static int at_row(const struct source *s, const struct source_row *row, struct err *reterr,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

static int at_row(const struct source *s, const struct source_row *row, struct err *reterr,
		  const char *format, ...)
{
	char what[ERR_MSG_MAX / 2];
	va_list args;

	va_start(args, format);
	str_vexcerptf(what, sizeof(what), format, args);
	va_end(args);
	return err_at(reterr, ERR_INVALID, FIELD, "%s, row %lld: %s", s->path,
		      (long long)row->number, what);
}

/* The list of the row, or of the text in its cell. *ret NULL: the row has no label. */
static int list_of(struct label_rows *all, const struct source *s, const struct source_row *row,
		   const struct label_list **ret, struct err *reterr)
{
	size_t len;
	const char *text = label_text(&row->label, &len);
	int r;

	*ret = row->list;
	if (row->list || row->label.type == LABEL_NULL || row->label.type == LABEL_ABSENT)
		return 0;
	*ret = &all->text;
	r = label_list_parse(&all->text, text, len);
	if (r == -ENOMEM)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	if (r == -ERR_LIMIT)
		return at_row(s, row, reterr, "the label has more than %d elements",
			      LABEL_LIST_MAX);
	return r < 0 ? at_row(s, row, reterr,
			      "the label '%.*s' is not a list of texts, numbers or booleans; write "
			      "a JSON list, such as [\"a\", \"b\"], [0, 2] or [1, 0, 1]",
			      (int)(len < SHOWN ? len : SHOWN), text)
		     : 0;
}

/* True for 0 and 1 that are no texts. */
static bool is_bit(const struct label_value *v)
{
	return (v->type == LABEL_INT && !v->text && (v->number == 0 || v->number == 1)) ||
	       v->type == LABEL_BOOL;
}

static int check_item(const struct source *s, const struct source_row *row,
		      const struct label_value *v, struct err *reterr)
{
	size_t len;
	const char *text = label_text(v, &len);
	int shown = (int)(len < SHOWN ? len : SHOWN);

	if (v->type == LABEL_NULL || v->type == LABEL_ABSENT)
		return at_row(s, row, reterr,
			      "an element of the label is empty or null; leave it out");
	if (v->type == LABEL_FLOAT && !v->text)
		return at_row(s, row, reterr,
			      "the label has '%.*s', which is neither the id of a class nor 0 or 1",
			      shown, text);
	if (v->type == LABEL_INT && !v->text && v->number < 0)
		return at_row(s, row, reterr,
			      "the label has the id %.*s; ids of classes count from 0", shown,
			      text);
	return 0;
}

static int form_of(const struct source *s, const struct source_row *row,
		   const struct label_list *list, enum label_form *ret, struct err *reterr)
{
	size_t bits = 0, booleans = 0;

	for (size_t i = 0; i < list->n; i++) {
		int r = check_item(s, row, &list->items[i], reterr);

		if (r < 0)
			return r;
		bits += is_bit(&list->items[i]);
		booleans += list->items[i].type == LABEL_BOOL;
	}
	if (booleans && bits < list->n)
		return at_row(s, row, reterr, "the label mixes true or false with other values");
	if (booleans)
		*ret = LABEL_FORM_VECTORS;
	else if (bits < list->n || list->n < 2)
		*ret = LABEL_FORM_CLASSES;
	else if (list->n > 2 || list->items[0].number == list->items[1].number)
		*ret = LABEL_FORM_VECTORS; /* as ids a class would be there twice */
	else
		*ret = LABEL_FORM_OPEN;
	return 0;
}

static int other_form(const struct label_rows *all, const struct source *s,
		      const struct source_row *row, size_t n, enum label_form form,
		      struct err *reterr)
{
	char before[96] = "other rows";

	if (all->told)
		str_must_format(before, sizeof(before), "row %lld%s", (long long)all->told,
				str_eq(all->told_path, s->path) ? "" : " of the other data");
	if (all->form == LABEL_FORM_CLASSES && form == LABEL_FORM_VECTORS)
		return at_row(s, row, reterr,
			      "the label is a 0 or 1 for each of %zu classes, but %s has a list of "
			      "classes; write all rows in one form",
			      n, before);
	return at_row(s, row, reterr,
		      "the label has %zu elements, but %s has a 0 or 1 for each of %zu classes; "
		      "write a 0 or 1 for each class in every row",
		      n, before, all->width);
}

/* Compare the row with those before. */
static int tell(struct label_rows *all, const struct source *s, const struct source_row *row,
		const struct label_list *list, const char *path, struct err *reterr)
{
	enum label_form form = LABEL_FORM_OPEN;
	int r = form_of(s, row, list, &form, reterr);

	if (r < 0)
		return r;
	if (form == LABEL_FORM_OPEN && all->form != LABEL_FORM_VECTORS) {
		all->width = 2;
		return 0;
	}
	if (all->form == LABEL_FORM_OPEN) {
		all->form = form;
		if (form == LABEL_FORM_VECTORS && all->open && list->n != all->width)
			return other_form(all, s, row, list->n, form, reterr);
		all->width = list->n;
		all->told = row->number;
		all->told_path = path;
	}
	if ((form != LABEL_FORM_OPEN && form != all->form) ||
	    (all->form == LABEL_FORM_VECTORS && list->n != all->width))
		return other_form(all, s, row, list->n, form, reterr);
	return 0;
}

/* ---- the rows ---- */

static int put_classes(struct label_sets *sets, struct labels *l, const struct source *s,
		       const struct source_row *row, const struct label_list *list, size_t split,
		       struct err *reterr)
{
	struct source_row one = *row;

	for (size_t i = 0; i < list->n; i++) {
		int r;

		one.label = list->items[i];
		r = labels_add(l, s, &one, split, &sets->items[sets->items_n], reterr);
		if (r < 0)
			return r;
		sets->items_n++;
	}
	return 0;
}

static void put_positions(struct label_sets *sets, const struct label_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].number)
			sets->items[sets->items_n++] = (int32_t)i;
}

int label_sets_add(struct label_sets *sets, struct label_rows *all, struct labels *l,
		   const struct source *s, const struct source_row *row, size_t split,
		   bool *ret_any, struct err *reterr)
{
	const struct label_list *list;
	int r = list_of(all, s, row, &list, reterr);

	*ret_any = r >= 0 && list;
	if (r >= 0 && list)
		r = tell(all, s, row, list, l->paths[split], reterr);
	if (r < 0)
		return r;
	if (reserve(sets, list ? list->n : 0) < 0)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	if (list && all->form == LABEL_FORM_CLASSES)
		r = put_classes(sets, l, s, row, list, split, reterr);
	else if (list)
		put_positions(sets, list);
	if (list && all->form == LABEL_FORM_OPEN) {
		sets->items[sets->items_n++] = OPEN_MARK;
		all->open++;
	}
	end_row(sets);
	return r;
}

/* ---- the decision ---- */

/* The value of an id or of a vector's position: the class of that id if there are names. */
static int value_of(struct labels *l, int32_t id, bool vector, size_t split, int32_t *ret,
		    struct err *reterr)
{
	struct source s = {.path = l->paths[split],
			   .label_names = l->source.items,
			   .label_names_n = l->source.n};
	struct source_row row = {.number = 1};

	label_from_int(&row.label, id);
	if (vector && l->names.n && !l->source.n) /* also if the names are numbers */
		row.label = (struct label_value){.type = LABEL_CLASS,
						 .text = l->names.items[id],
						 .len = strlen(l->names.items[id]),
						 .number = id};
	return labels_add(l, &s, &row, split, ret, reterr);
}

/* Positions become values. Every position is a class, also if no row has a 1 there. */
static int map_positions(struct label_sets *sets, const struct label_rows *all, struct labels *l,
			 size_t split, struct err *reterr)
{
	OWN(freep) int32_t *values = calloc(all->width + 1, sizeof(*values));

	if (!values)
		return err_errno(reterr, ENOMEM, "read the labels");
	for (size_t i = 0; i < all->width; i++) {
		int r = value_of(l, (int32_t)i, true, split, &values[i], reterr);

		if (r < 0)
			return r;
	}
	for (int64_t i = 0; i < sets->items_n; i++)
		if (sets->items[i] != OPEN_MARK)
			sets->items[i] = values[sets->items[i]];
	return 0;
}

/* Rows that did not tell are the classes 0 and 1. */
static int map_open(struct label_sets *sets, struct labels *l, size_t split, struct err *reterr)
{
	int32_t values[2];

	for (int64_t i = 1; i < sets->items_n; i++) {
		int r = 0;

		if (sets->items[i] != OPEN_MARK)
			continue;
		for (int id = 0; id < 2 && r >= 0; id++)
			r = value_of(l, id, false, split, &values[id], reterr);
		if (r < 0)
			return r;
		sets->items[i - 1] = values[0];
		sets->items[i] = values[1];
	}
	return 0;
}

static int check_width(const struct label_rows *all, const struct labels *l, struct err *reterr)
{
	size_t n = l->source.n ? l->source.n : l->names.n;

	if (all->form != LABEL_FORM_VECTORS || !n || n == all->width)
		return 0;
	return err_at(reterr, ERR_INVALID, l->source.n ? FIELD : "/dataset/labels",
		      "the labels are a 0 or 1 for each of %zu classes, but %s %zu classes; name "
		      "each class, in the order of the list",
		      all->width, l->source.n ? "the data name" : "labels has", n);
}

static int compare_classes(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return x < y ? -1 : x > y;
}

/* Values become classes: of each row sorted, each once. */
static void map_values(struct label_sets *sets, const struct labels *l)
{
	int64_t to = 0;

	for (int64_t row = 0; row < sets->rows; row++) {
		int64_t first = to, from = sets->starts[row], end = sets->starts[row + 1];
		int64_t n = 0;

		for (int64_t i = from; i < end; i++)
			if (sets->items[i] != OPEN_MARK)
				sets->items[first + n++] = labels_class(l, sets->items[i]);
		if (n)
			qsort(sets->items + first, (size_t)n, sizeof(*sets->items),
			      compare_classes);
		sets->starts[row] = first;
		for (int64_t i = 0; i < n; i++)
			if (i == 0 || sets->items[first + i] != sets->items[to - 1])
				sets->items[to++] = sets->items[first + i];
	}
	if (sets->rows)
		sets->starts[sets->rows] = to;
	sets->items_n = to;
}

int label_sets_decide(struct label_sets *const *sets, size_t n, struct label_rows *all,
		      struct labels *l, struct err *reterr)
{
	int r;

	if (all->form == LABEL_FORM_OPEN)
		all->form = all->open ? LABEL_FORM_VECTORS : LABEL_FORM_CLASSES;
	r = check_width(all, l, reterr);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = all->form == LABEL_FORM_VECTORS ? map_positions(sets[i], all, l, i, reterr)
						    : map_open(sets[i], l, i, reterr);
	if (r >= 0)
		r = labels_decide(l, reterr);
	for (size_t i = 0; i < n && r >= 0; i++)
		map_values(sets[i], l);
	return r;
}
