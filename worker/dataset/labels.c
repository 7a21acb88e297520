/* SPDX-License-Identifier: MIT */
/* The given names, and the table of the values that rows have. */
#include "worker/dataset/labels.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

void labels_done(struct labels *l)
{
	for (size_t i = 0; i < l->values_n; i++)
		free(l->values[i].text);
	for (size_t i = 0; i < LABELS_SPLITS; i++)
		free(l->paths[i]);
	free(l->values);
	free(l->sorted);
	label_names_done(&l->names);
	label_names_done(&l->source);
	label_numbers_done(&l->numbers);
	*l = (struct labels){0};
}

static int add_name(struct label_names *names, const char *name, const char *field,
		    struct err *reterr)
{
	int r;

	if (names->n == LABELS_MAX)
		return err_at(reterr, ERR_LIMIT, field, "labels has more than %d class names",
			      LABELS_MAX);
	r = label_names_add(names, name, strlen(name));
	if (r < 0)
		return err_errno(reterr, ENOMEM, "read the labels");
	if (r == 0)
		return err_at(reterr, ERR_INVALID, field,
			      "the label '%s' is given twice; remove one", name);
	return 0;
}

static int set_numbers(struct labels *l, struct err *reterr)
{
	return label_numbers_set(&l->numbers, &l->names) < 0
		       ? err_errno(reterr, ENOMEM, "read the labels")
		       : 0;
}

static int init_names(struct labels *l, const json_t *names, struct err *reterr)
{
	if (!names || json_is_null(names))
		return 0;
	if (json_array_size(names) < 2)
		return err_at(reterr, ERR_INVALID, "/dataset/labels",
			      "labels must be a list of at least two class names");
	for (size_t i = 0; i < json_array_size(names); i++) {
		const json_t *name = json_array_get(names, i);
		char field[ERR_FIELD_MAX];
		int r;

		snprintf(field, sizeof(field), "/dataset/labels/%zu", i);
		if (!json_is_string(name) ||
		    strlen(json_string_value(name)) != json_string_length(name))
			return err_at(reterr, ERR_INVALID, field, "a label must be a string");
		r = add_name(&l->names, json_string_value(name), field, reterr);
		if (r < 0)
			return r;
	}
	l->given = true;
	return set_numbers(l, reterr);
}

int labels_init(struct labels *l, const json_t *dataset, struct err *reterr)
{
	const json_t *no_label = json_object_get(dataset, "no_label");

	*l = (struct labels){0};
	if (no_label && !json_is_null(no_label)) {
		if (!json_is_integer(no_label))
			return err_at(reterr, ERR_INVALID, "/dataset/no_label",
				      "no_label must be the whole number that means no label");
		l->has_no_label = true;
		l->no_label = json_integer_value(no_label);
	}
	return init_names(l, json_object_get(dataset, "labels"), reterr);
}

int labels_open(struct labels *l, const struct source *s, size_t split, struct err *reterr)
{
	free(l->paths[split]);
	l->paths[split] = strdup(s->path);
	if (!l->paths[split])
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	for (size_t i = 0; i < s->label_names_n && l->source.n == i; i++) {
		int r = add_name(&l->source, s->label_names[i], s->field, reterr);

		if (r >= 0 && !l->given)
			r = add_name(&l->names, s->label_names[i], s->field, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "%s", s->path);
	}
	return set_numbers(l, reterr);
}

/* ---- the values ---- */

static int compare(const struct label_seen *v, size_t split, const struct label_value *key)
{
	size_t len, v_len = strlen(v->text);
	const char *text = label_text(key, &len);
	int c;

	if (v->split != split)
		return v->split < split ? 1 : -1;
	if (v->type != key->type)
		return v->type < key->type ? 1 : -1;
	c = memcmp(text, v->text, len < v_len ? len : v_len);
	return c ? c : len < v_len ? -1 : len > v_len;
}

static size_t lower_bound(const struct labels *l, size_t split, const struct label_value *key,
			  bool *ret_found)
{
	size_t lo = 0, hi = l->values_n;

	*ret_found = false;
	while (lo < hi && !*ret_found) {
		size_t mid = (lo + hi) / 2;
		int c = compare(&l->values[l->sorted[mid]], split, key);

		if (c == 0)
			*ret_found = true;
		if (c > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return hi;
}

static int reserve(struct labels *l)
{
	size_t want = l->values_cap ? l->values_cap * 2 : 64;
	struct label_seen *values;
	int32_t *sorted;

	if (l->values_n < l->values_cap)
		return 0;
	values = realloc(l->values, want * sizeof(*values));
	if (!values)
		return -ENOMEM;
	l->values = values;
	sorted = realloc(l->sorted, want * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	l->sorted = sorted;
	l->values_cap = want;
	return 0;
}

static int keep(struct labels *l, size_t split, const struct label_value *key, size_t at)
{
	size_t len;
	const char *text = label_text(key, &len);
	char *copy = strndup(text, len);

	if (!copy || reserve(l) < 0) {
		free(copy);
		return -ENOMEM;
	}
	memmove(l->sorted + at + 1, l->sorted + at, (l->values_n - at) * sizeof(*l->sorted));
	l->sorted[at] = (int32_t)l->values_n;
	l->values[l->values_n++] = (struct label_seen){
		.split = split, .type = key->type, .number = key->number, .text = copy};
	return 0;
}

static int at_row(const struct source *s, const struct source_row *row, const char *what,
		  struct err *reterr)
{
	return err_at(reterr, ERR_INVALID, "/dataset/label_column", "%s, row %lld: %s", s->path,
		      (long long)row->number, what);
}

/* Map an index of the source's class names to its class. Any other value means no label. */
static int take_class(const struct labels *l, const struct source *s, const struct source_row *row,
		      struct label_value *v, struct err *reterr)
{
	bool none = v->number == -1 || (l->has_no_label && v->number == l->no_label);

	if (!s->label_names_n || v->type != LABEL_INT || none)
		return 0;
	if (v->number < 0 || (uint64_t)v->number >= s->label_names_n)
		return err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "%s, row %lld: the label is %lld, but the data name %zu classes",
			      s->path, (long long)row->number, (long long)v->number,
			      s->label_names_n);
	v->type = LABEL_CLASS;
	v->text = s->label_names[v->number];
	v->len = strlen(v->text);
	return 0;
}

int labels_add(struct labels *l, const struct source *s, const struct source_row *row, size_t split,
	       int32_t *ret_value, struct err *reterr)
{
	struct label_value v = row->label;
	bool found;
	size_t at;
	int r = take_class(l, s, row, &v, reterr);

	if (r < 0)
		return r;
	if (v.type == LABEL_TEXT && memchr(v.text, 0, v.len))
		return at_row(
			s, row,
			"the label contains a NUL character, which a class name cannot contain",
			reterr);
	if (v.type == LABEL_TEXT && !str_utf8_valid(v.text, v.len))
		return at_row(s, row, "the label is not valid UTF-8 text; convert the file",
			      reterr);
	if (v.type == LABEL_NULL)
		v.len = 0;
	at = lower_bound(l, split, &v, &found);
	if (!found && l->values_n == LABELS_VALUES_MAX)
		return err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "%s, row %lld: the data has more than %d different labels; check "
			      "label_column",
			      s->path, (long long)row->number, LABELS_VALUES_MAX);
	if (!found && keep(l, split, &v, at) < 0)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	*ret_value = l->sorted[at];
	if (!l->values[*ret_value].rows++)
		l->values[*ret_value].first = row->number;
	return 0;
}

bool labels_has_any(const struct labels *l, size_t split)
{
	for (size_t i = 0; i < l->values_n; i++)
		if (l->values[i].rows && l->values[i].split == split &&
		    !labels_is_none(l, &l->values[i]))
			return true;
	return false;
}

void labels_forget(struct labels *l, size_t split)
{
	for (size_t i = 0; i < l->values_n; i++)
		if (l->values[i].split == split)
			l->values[i].rows = 0;
}

int32_t labels_class(const struct labels *l, int32_t value)
{
	return l->values[value].class;
}
