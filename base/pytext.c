/* SPDX-License-Identifier: MIT */
/*
 * Python's repr() of floats, json.dumps() and str(), each written by its own small recursion over a
 * JSON value.
 */
#include "base/pytext.h"

#include "base/own.h"
#include "base/str.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define FLOAT_DIGITS 17 /* enough for every double */
#define FIXED_MIN    -4 /* repr() uses an exponent below 1e-4 and from 1e16 on */
#define FIXED_MAX    15

/* Add one to the last digit of "d.ddde-xx". A number of nines stays unchanged. */
static void last_digit_up(char *text)
{
	char *at = strchr(text, 'e'), *first = text + (*text == '-');

	if (!at || strspn(first, "9.") == (size_t)(at - first))
		return;
	for (at--; *at == '9' || *at == '.'; at--)
		*at = *at == '.' ? '.' : '0';
	++*at;
}

/* Find a text with that many digits that reads back as v. Below a power of two doubles are closer
 * together than above it. So the nearest text of that length may not read back as v, although the
 * next one above does. */
static bool shortest(double v, int digits, char text[PY_FLOAT_LEN])
{
	snprintf(text, PY_FLOAT_LEN, "%.*e", digits - 1, v);
	if (strtod(text, NULL) == v)
		return true;
	last_digit_up(text);
	return strtod(text, NULL) == v;
}

char *py_float_repr(double v, char buf[PY_FLOAT_LEN])
{
	char text[PY_FLOAT_LEN], *e;
	int digits, exponent;

	/* if 15 digits are too few, fewer are too few as well; most numbers need 16 or 17 */
	digits = shortest(v, FLOAT_DIGITS - 2, text) ? 1 : FLOAT_DIGITS - 1;
	while (digits < FLOAT_DIGITS && !shortest(v, digits, text))
		digits++;
	if (digits == FLOAT_DIGITS)
		snprintf(text, sizeof(text), "%.*e", digits - 1, v);
	e = strchr(text, 'e');
	if (!e) { /* inf or nan, which never come from JSON */
		str_must_format(buf, PY_FLOAT_LEN, "%s", text);
		return buf;
	}
	exponent = (int)strtol(e + 1, NULL, 10);
	if (exponent < FIXED_MIN || exponent > FIXED_MAX)
		str_must_format(buf, PY_FLOAT_LEN, "%s", text);
	else if (digits - 1 - exponent > 0)
		snprintf(buf, PY_FLOAT_LEN, "%.*f", digits - 1 - exponent, v);
	else
		snprintf(buf, PY_FLOAT_LEN, "%.1f", v);
	return buf;
}

/* Decode one code point of valid UTF-8 and advance. */
static unsigned next_point(const unsigned char **p)
{
	const unsigned char *s = *p;
	unsigned c = *s++;
	int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	if (more)
		c &= 0x3fU >> more;
	for (; more; more--)
		c = c << 6 | (*s++ & 0x3f);
	*p = s;
	return c;
}

static void json_point(struct buf *out, unsigned c)
{
	static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
	const char *known = c && c < 128 ? strchr(from, (int)c) : NULL;

	if (known)
		buf_printf(out, "\\%c", to[known - from]);
	else if (c >= ' ' && c <= '~')
		buf_printf(out, "%c", (char)c);
	else if (c < 0x10000)
		buf_printf(out, "\\u%04x", c);
	else
		buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			   0xdc00 + ((c - 0x10000) & 0x3ff));
}

static void json_string_put(struct buf *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	buf_puts(out, "\"");
	while (*p)
		json_point(out, next_point(&p));
	buf_puts(out, "\"");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **py_sorted_keys(const json_t *obj, size_t *ret_n)
{
	const char **keys = calloc(json_object_size(obj) + 1, sizeof(*keys)), *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)obj, key, value)
		if (keys)
			keys[n++] = key;
	if (keys)
		qsort(keys, n, sizeof(*keys), by_text);
	*ret_n = n;
	return keys;
}

static void scalar(struct buf *out, const json_t *v)
{
	char text[PY_FLOAT_LEN];

	if (json_is_real(v))
		buf_puts(out, py_float_repr(json_real_value(v), text));
	else
		buf_printf(out, "%lld", (long long)json_integer_value(v));
}

/* False for the characters that str.isprintable() refuses and that are likely in a hyperparameter:
 * controls, spaces other than ' ', format characters, surrogates, private use. */
static bool printable(unsigned c)
{
	static const struct {
		unsigned from, to;
	} hidden[] = {
		{0x00, 0x1f},	  {0x7f, 0xa0},	    {0xad, 0xad},	 {0x600, 0x605},
		{0x61c, 0x61c},	  {0x1680, 0x1680}, {0x180e, 0x180e},	 {0x2000, 0x200f},
		{0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},	 {0xd800, 0xf8ff},
		{0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0001, 0x10ffff},
	};

	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		if (c >= hidden[i].from && c <= hidden[i].to)
			return false;
	return true;
}

static void repr_string(struct buf *out, const char *s)
{
	char quote = strchr(s, '\'') && !strchr(s, '"') ? '"' : '\'';
	const unsigned char *p = (const unsigned char *)s;

	buf_put(out, &quote, 1);
	while (*p) {
		const unsigned char *start = p;
		unsigned c = next_point(&p);

		if (c == (unsigned char)quote || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else if (c == '\n' || c == '\r' || c == '\t')
			buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (printable(c))
			buf_put(out, start, (size_t)(p - start));
		else
			buf_printf(out,
				   c < 0x100	 ? "\\x%02x"
				   : c < 0x10000 ? "\\u%04x"
						 : "\\U%08x",
				   c);
	}
	buf_put(out, &quote, 1);
}

/* How a value is written. */
struct style {
	const char *comma, *colon, *yes, *no, *null;
	bool sorted; /* True if keys are sorted */
	void (*string)(struct buf *out, const char *s);
};

static const struct style json_styles[] = {
	[PY_JSON_DUMPS] = {", ", ": ", "true", "false", "null", false, json_string_put},
	[PY_JSON_DEFAULT] = {", ", ": ", "true", "false", "null", true, json_string_put},
	[PY_JSON_COMPACT] = {",", ":", "true", "false", "null", true, json_string_put},
};
static const struct style repr_style = {", ", ": ", "True", "False", "None", false, repr_string};

static void value_put(struct buf *out, const json_t *v, const struct style *s);

static void member_put(struct buf *out, const char *key, const json_t *value, bool first,
		       const struct style *s)
{
	buf_puts(out, first ? "" : s->comma);
	s->string(out, key);
	buf_puts(out, s->colon);
	value_put(out, value, s);
}

static void object_put(struct buf *out, const json_t *v, const struct style *s)
{
	OWN(freep) const char **keys = NULL;
	bool first = true;
	const char *key;
	json_t *value;
	size_t n = 0;

	buf_puts(out, "{");
	if (s->sorted)
		keys = py_sorted_keys(v, &n);
	for (size_t i = 0; i < n; i++)
		member_put(out, keys[i], json_object_get(v, keys[i]), i == 0, s);
	if (!s->sorted)
		json_object_foreach((json_t *)v, key, value) {
			member_put(out, key, value, first, s);
			first = false;
		}
	buf_puts(out, "}");
}

static void array_put(struct buf *out, const json_t *v, const struct style *s)
{
	buf_puts(out, "[");
	for (size_t i = 0; i < json_array_size(v); i++) {
		buf_puts(out, i ? s->comma : "");
		value_put(out, json_array_get(v, i), s);
	}
	buf_puts(out, "]");
}

static void value_put(struct buf *out, const json_t *v, const struct style *s)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		object_put(out, v, s);
		break;
	case JSON_ARRAY:
		array_put(out, v, s);
		break;
	case JSON_STRING:
		s->string(out, json_string_value(v));
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		scalar(out, v);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_puts(out, json_is_true(v) ? s->yes : s->no);
		break;
	case JSON_NULL:
		buf_puts(out, s->null);
		break;
	}
}

void py_json(struct buf *out, const json_t *v, enum py_json_style style)
{
	value_put(out, v, &json_styles[style]);
}

void py_str(struct buf *out, const json_t *v)
{
	if (json_is_string(v))
		buf_puts(out, json_string_value(v));
	else
		value_put(out, v, &repr_style);
}
