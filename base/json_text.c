/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON values as text, in one pass and with numbers in their shortest form. The texts equal
 * those of Jansson's json_dumps() but for real numbers: Jansson writes 17 digits of them.
 */
#include "base/json_put.h"

#include "base/own.h"
#include "base/pytext.h"
#include "base/span.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INDENT	     2
#define MEMBERS_HERE 24 /* members of an object that are sorted without allocating memory */
#define INT_LEN	     24

struct writer {
	struct buf *out;
	bool sorted, pretty;
	int depth;
	json_text_fn replace; /* NULL: no string is replaced */
	const void *userdata;
};

struct member {
	const char *key;
	size_t len;
	const json_t *value;
};

static void value_put(struct writer *w, const json_t *v);

/* The letter of the short escape of a character; 0 if it has none. */
static char short_escape(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static void escape_put(struct buf *out, unsigned char c)
{
	char letter = short_escape(c);

	if (letter)
		buf_put(out, (char[]){'\\', letter}, 2);
	else
		buf_printf(out, "\\u%04X", c);
}

void json_put_string(struct buf *out, const char *s, size_t len)
{
	size_t plain;

	buf_put(out, "\"", 1);
	while ((plain = span_plain(s, len)) < len) {
		buf_put(out, s, plain);
		escape_put(out, (unsigned char)s[plain]);
		s += plain + 1;
		len -= plain + 1;
	}
	buf_put(out, s, len);
	buf_put(out, "\"", 1);
}

void json_put_int(struct buf *out, int64_t v)
{
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char text[INT_LEN], *at = text + sizeof(text);

	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	if (v < 0)
		*--at = '-';
	buf_put(out, at, (size_t)(text + sizeof(text) - at));
}

/* In indented text: a new line at the writer's depth. */
static void new_line(struct writer *w)
{
	if (!w->pretty)
		return;
	buf_put(w->out, "\n", 1);
	for (int i = 0; i < w->depth * INDENT; i++)
		buf_put(w->out, " ", 1);
}

/* Write the comma, if it is not the first, and the new line before item `i`. */
static void separate(struct writer *w, size_t i)
{
	if (i)
		buf_put(w->out, ",", 1);
	new_line(w);
}

static void member_put(struct writer *w, size_t i, const struct member *m)
{
	separate(w, i);
	json_put_string(w->out, m->key, m->len);
	buf_put(w->out, ": ", w->pretty ? 2 : 1);
	value_put(w, m->value);
}

static struct member member_at(void *at)
{
	return (struct member){json_object_iter_key(at), json_object_iter_key_len(at),
			       json_object_iter_value(at)};
}

static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void sorted_put(struct writer *w, json_t *obj)
{
	struct member here[MEMBERS_HERE], *all = here;
	size_t n = json_object_size(obj), i = 0;

	if (n > MEMBERS_HERE)
		all = reallocarray(NULL, n, sizeof(*all));
	if (!all) {
		w->out->failed = true;
		return;
	}
	for (void *at = json_object_iter(obj); at; at = json_object_iter_next(obj, at))
		all[i++] = member_at(at);
	qsort(all, n, sizeof(*all), by_key);
	for (i = 0; i < n; i++)
		member_put(w, i, &all[i]);
	if (all != here)
		free(all);
}

static void ordered_put(struct writer *w, json_t *obj)
{
	size_t i = 0;

	for (void *at = json_object_iter(obj); at; at = json_object_iter_next(obj, at)) {
		struct member m = member_at(at);

		member_put(w, i++, &m);
	}
}

static void object_put(struct writer *w, json_t *obj)
{
	if (!json_object_size(obj)) {
		buf_put(w->out, "{}", 2);
		return;
	}
	buf_put(w->out, "{", 1);
	w->depth++;
	if (w->sorted)
		sorted_put(w, obj);
	else
		ordered_put(w, obj);
	w->depth--;
	new_line(w);
	buf_put(w->out, "}", 1);
}

static void array_put(struct writer *w, const json_t *list)
{
	size_t n = json_array_size(list);

	if (!n) {
		buf_put(w->out, "[]", 2);
		return;
	}
	buf_put(w->out, "[", 1);
	w->depth++;
	for (size_t i = 0; i < n; i++) {
		separate(w, i);
		value_put(w, json_array_get(list, i));
	}
	w->depth--;
	new_line(w);
	buf_put(w->out, "]", 1);
}

static void text_put(const struct writer *w, const char *s, size_t len)
{
	if (!w->replace || !w->replace(w->userdata, s, len, w->out))
		json_put_string(w->out, s, len);
}

static void value_put(struct writer *w, const json_t *v)
{
	char text[PY_FLOAT_LEN];

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		object_put(w, (json_t *)v);
		return;
	case JSON_ARRAY:
		array_put(w, v);
		return;
	case JSON_STRING:
		text_put(w, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER:
		json_put_int(w->out, json_integer_value(v));
		return;
	case JSON_REAL:
		buf_puts(w->out, py_float_repr(json_real_value(v), text));
		return;
	case JSON_TRUE:
		buf_put(w->out, "true", 4);
		return;
	case JSON_FALSE:
		buf_put(w->out, "false", 5);
		return;
	case JSON_NULL:
		buf_put(w->out, "null", 4);
		return;
	}
}

void json_put(struct buf *out, const json_t *j, enum json_keys keys)
{
	value_put(&(struct writer){.out = out, .sorted = keys == JSON_KEYS_SORTED}, j);
}

void json_put_replaced(struct buf *out, const json_t *j, json_text_fn replace, const void *userdata)
{
	value_put(
		&(struct writer){
			.out = out, .sorted = true, .replace = replace, .userdata = userdata},
		j);
}

/* Write the value and append `after`. */
static char *text_of(const json_t *j, bool sorted, bool pretty, const char *after)
{
	struct buf out = BUF_INIT(SIZE_MAX / 2);
	struct writer w = {.out = &out, .sorted = sorted, .pretty = pretty};

	if (!j)
		return NULL;
	value_put(&w, j);
	buf_puts(&out, after);
	if (buf_ok(&out))
		return buf_take(&out);
	buf_done(&out);
	return NULL;
}

char *json_text(const json_t *j)
{
	return text_of(j, true, false, "");
}

char *json_line(const json_t *j)
{
	return text_of(j, false, false, "\n");
}

char *json_pretty(const json_t *j)
{
	return text_of(j, true, true, "\n");
}
