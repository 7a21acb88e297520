/* SPDX-License-Identifier: MIT */
/* See labels.h. */
#include "worker/dataset/labels.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define SHOWN_MAX 80 /* bytes of a value that a message shows */

void labels_done(struct labels *l)
{
	for (size_t i = 0; i < l->names_n; i++)
		free(l->names[i]);
	free(l->names);
	free(l->by_name);
	*l = (struct labels){.largest = -1};
}

static int compare_text(const char *a, size_t a_len, const char *b)
{
	size_t b_len = strlen(b);
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* Where in by_name the name is, or where it belongs. */
static size_t lower_bound(const struct labels *l, const char *name, size_t len, bool *ret_found)
{
	size_t lo = 0, hi = l->names_n;

	*ret_found = false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = compare_text(name, len, l->names[l->by_name[mid]]);

		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int add_name(struct labels *l, const char *name, size_t len, size_t at)
{
	char **names = realloc(l->names, (l->names_n + 1) * sizeof(*names));
	size_t *by_name;

	if (!names)
		return -ENOMEM;
	l->names = names;
	by_name = realloc(l->by_name, (l->names_n + 1) * sizeof(*by_name));
	if (!by_name)
		return -ENOMEM;
	l->by_name = by_name;
	names[l->names_n] = strndup(name, len);
	if (!names[l->names_n])
		return -ENOMEM;
	memmove(by_name + at + 1, by_name + at, (l->names_n - at) * sizeof(*by_name));
	by_name[at] = l->names_n++;
	return 0;
}

static int add_fixed(struct labels *l, const char *name, const char *field, struct err *reterr)
{
	bool found;
	size_t at = lower_bound(l, name, strlen(name), &found);

	if (found)
		return err_at(reterr, ERR_INVALID, field, "the label '%s' is given twice", name);
	if (l->names_n == LABELS_MAX)
		return err_at(reterr, ERR_LIMIT, field, "more than %d labels", LABELS_MAX);
	if (add_name(l, name, strlen(name), at) < 0)
		return err_errno(reterr, ENOMEM, "read the labels");
	l->fixed = true;
	return 0;
}

int labels_from_spec(struct labels *l, const json_t *names, struct err *reterr)
{
	*l = (struct labels){.largest = -1};
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
		r = add_fixed(l, json_string_value(name), field, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int labels_from_source(struct labels *l, const struct source *s, struct err *reterr)
{
	if (l->fixed)
		return 0;
	for (size_t i = 0; i < s->label_names_n; i++) {
		int r = add_fixed(l, s->label_names[i], s->field, reterr);

		if (r < 0)
			return err_ctx(reterr, r, "%s", s->path);
	}
	return 0;
}

static int unknown(const struct labels *l, const struct source *s, const struct source_row *row,
		   const char *value, size_t len, struct err *reterr)
{
	OWN(buf_done) struct buf known = BUF_INIT(ERR_MSG_MAX / 3);

	for (size_t i = 0; i < l->names_n && buf_ok(&known); i++)
		buf_printf(&known, "%s'%s'", i ? ", " : "", l->names[i]);
	return err_at(reterr, ERR_INVALID, "/dataset/labels",
		      "%s, row %lld: the label '%.*s' is not one of the %zu known labels: %s%s",
		      s->path, (long long)row->number, (int)(len < SHOWN_MAX ? len : SHOWN_MAX),
		      value, l->names_n, buf_str(&known), buf_ok(&known) ? "" : ", ...");
}

static int at_row(const struct source *s, const struct source_row *row, const char *what,
		  struct err *reterr)
{

	return err_at(reterr, ERR_INVALID, "/dataset/label_column", "%s, row %lld: %s", s->path,
		      (long long)row->number, what);
}

static int index_of_int(struct labels *l, const struct source *s, const struct source_row *row,
			int64_t value, int32_t *ret, struct err *reterr)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	if (l->fixed && value >= (int64_t)l->names_n)
		return unknown(l, s, row, text, strlen(text), reterr);
	if (value < 0)
		return at_row(s, row, "the label is negative; rows without a label cannot be used",
			      reterr);
	if (value >= LABELS_MAX)
		return at_row(s, row, "the label is too large for a class index", reterr);
	if (!l->fixed && l->names_n)
		return at_row(s, row, "the label is an integer, but rows before have texts",
			      reterr);
	if (value > l->largest)
		l->largest = value;
	*ret = (int32_t)value;
	return 0;
}

/* "0", "1", "23": how an index is written. */
static bool is_index(const char *s, size_t len, int64_t *ret)
{
	int64_t value = 0;

	if (!len || len > 6 || (len > 1 && s[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (s[i] - '0');
	}
	*ret = value;
	return true;
}

static int index_of_text(struct labels *l, const struct source *s, const struct source_row *row,
			 int32_t *ret, struct err *reterr)
{
	bool found;
	size_t at;
	int64_t value;

	if (!row->label_len)
		return at_row(s, row, "the label is empty", reterr);
	if (memchr(row->label, 0, row->label_len) || !str_utf8_valid(row->label, row->label_len))
		return at_row(s, row, "the label is not valid UTF-8 text", reterr);
	at = lower_bound(l, row->label, row->label_len, &found);
	if (found) {
		*ret = (int32_t)l->by_name[at];
		return 0;
	}
	if (is_index(row->label, row->label_len, &value) && (l->fixed || !l->names_n))
		return index_of_int(l, s, row, value, ret, reterr);
	if (l->fixed)
		return unknown(l, s, row, row->label, row->label_len, reterr);
	if (l->largest >= 0)
		return at_row(s, row, "the label is a text, but rows before have integers", reterr);
	if (l->names_n == LABELS_MAX)
		return at_row(s, row,
			      "there are more than 10000 different labels; is label_column "
			      "the right column?",
			      reterr);
	if (add_name(l, row->label, row->label_len, at) < 0)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	*ret = (int32_t)l->names_n - 1;
	return 0;
}

static bool knows_any(const struct labels *l, const struct source *s)
{
	bool found = false;

	for (size_t i = 0; i < s->label_names_n && !found; i++)
		lower_bound(l, s->label_names[i], strlen(s->label_names[i]), &found);
	return found;
}

/* An integer of a source that names its classes: the name decides, wherever it stands in the list;
 * a list that has none of the source's names renames them one by one. */
static int index_of_named(struct labels *l, const struct source *s, const struct source_row *row,
			  int32_t *ret, struct err *reterr)
{
	const char *name = s->label_names[row->label_int];
	bool found;
	size_t at = lower_bound(l, name, strlen(name), &found);

	if (found) {
		*ret = (int32_t)l->by_name[at];
		return 0;
	}
	if (knows_any(l, s))
		return unknown(l, s, row, name, strlen(name), reterr);
	return index_of_int(l, s, row, row->label_int, ret, reterr);
}

int labels_index(struct labels *l, const struct source *s, const struct source_row *row,
		 int32_t *ret, struct err *reterr)
{
	if (row->label)
		return index_of_text(l, s, row, ret, reterr);
	if (row->label_int >= 0 && (uint64_t)row->label_int < s->label_names_n)
		return index_of_named(l, s, row, ret, reterr);
	return index_of_int(l, s, row, row->label_int, ret, reterr);
}

int labels_settle(struct labels *l, int32_t **ret_map, struct err *reterr)
{
	OWN(freep) char **sorted = NULL;
	int32_t *map;

	*ret_map = NULL;
	if (l->fixed || !l->names_n)
		return 0;
	sorted = calloc(l->names_n, sizeof(*sorted));
	map = calloc(l->names_n, sizeof(*map));
	if (!sorted || !map) {
		free(map);
		return err_errno(reterr, ENOMEM, "sort the labels");
	}
	for (size_t i = 0; i < l->names_n; i++) {
		sorted[i] = l->names[l->by_name[i]];
		map[l->by_name[i]] = (int32_t)i;
	}
	for (size_t i = 0; i < l->names_n; i++) {
		l->names[i] = sorted[i];
		l->by_name[i] = i;
	}
	l->fixed = true;
	*ret_map = map;
	return 0;
}

size_t labels_count(const struct labels *l)
{
	return l->names_n ? l->names_n : (size_t)(l->largest + 1);
}
