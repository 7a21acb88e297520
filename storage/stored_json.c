/* SPDX-License-Identifier: MIT */
/*
 * Checks and copies a compact JSON text in one pass. The database holds such texts only as
 * json_text() wrote them, so whatever differs from that form is left to the parser.
 */
#include "storage/stored_json.h"

#include "base/json_put.h"
#include "base/own.h"
#include "base/pytext.h"
#include "base/span.h"
#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INT_DIGITS_MAX 18 /* a number of so many digits fits into int64_t */
#define MARK	       "data:"

struct copy {
	struct buf *out;
	const char *at, *end, *dir;
	int depth;
};

static bool copy_value(struct copy *c);

static bool take(struct copy *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool copy_char(struct copy *c, char wanted)
{
	return take(c, wanted) && buf_put(c->out, &wanted, 1) == 0;
}

/* The length of the escape behind a backslash; 0 if json_put_string() does not write it. */
static size_t escape_len(const char *s)
{
	static const char upper[] = "0123456789ABCDEF";

	if (*s && strchr("\"\\bfnrt", *s))
		return 1;
	if (strncmp(s, "u000", 4) != 0 && strncmp(s, "u001", 4) != 0)
		return 0;
	if (!s[4] || !strchr(upper, s[4]) || (s[3] == '0' && strchr("89ACD", s[4])))
		return 0;
	return 5;
}

/* The closing quote of the string whose first byte is at `s`; NULL if the string is not as
 * written. */
static const char *string_end(const struct copy *c, const char *s, bool *ret_has_nul)
{
	*ret_has_nul = false;
	for (;;) {
		size_t n;

		s += span_plain(s, (size_t)(c->end - s));
		if (s == c->end || (unsigned char)*s < ' ')
			return NULL;
		if (*s == '"')
			return s;
		n = escape_len(s + 1);
		if (!n)
			return NULL;
		*ret_has_nul |= n == 5 && s[4] == '0' && s[5] == '0';
		s += n + 1;
	}
}

static void put_dir(struct copy *c)
{
	json_put_string(c->out, c->dir, strlen(c->dir));
	if (buf_ok(c->out))
		c->out->len--; /* the closing quote: the rest of the path follows */
}

static bool copy_string(struct copy *c, bool is_key)
{
	const char *from = c->at, *end;
	bool has_nul;

	if (!take(c, '"'))
		return false;
	end = string_end(c, c->at, &has_nul);
	if (!end)
		return false;
	c->at = end + 1;
	if (is_key || has_nul || !c->dir || !str_starts(from + 1, MARK)) {
		buf_put(c->out, from, (size_t)(c->at - from));
		return true;
	}
	from += 1 + strlen(MARK);
	if (*from == '/')
		put_dir(c);
	else
		buf_puts(c->out, "\"" MARK);
	from += *from == ':';
	buf_put(c->out, from, (size_t)(c->at - from));
	return true;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

static bool copy_real(struct copy *c, const char *from, size_t len)
{
	char text[PY_FLOAT_LEN], *end;
	double v = strtod(from, &end);

	if (end != from + len || !isfinite(v))
		return false;
	buf_puts(c->out, py_float_repr(v, text));
	c->at = end;
	return true;
}

static bool copy_number(struct copy *c)
{
	const char *from = c->at, *s = from + (*from == '-');
	size_t n = digits(s), len = strspn(from, "+-.0123456789eE");

	if (!n || (*s == '0' && n > 1))
		return false;
	s += n;
	if (*s == '.') {
		if (!digits(s + 1))
			return false;
		return copy_real(c, from, len);
	}
	if (*s == 'e' || *s == 'E')
		return copy_real(c, from, len);
	if (len != (size_t)(s - from) || n > INT_DIGITS_MAX || (*from == '-' && from[1] == '0'))
		return false;
	buf_put(c->out, from, len);
	c->at = s;
	return true;
}

static bool copy_name(struct copy *c)
{
	static const char *const names[] = {"true", "false", "null"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!str_starts(c->at, names[i]))
			continue;
		buf_puts(c->out, names[i]);
		c->at += strlen(names[i]);
		return true;
	}
	return false;
}

static bool copy_items(struct copy *c, char end, bool has_keys)
{
	c->at++;
	if (copy_char(c, end))
		return true;
	do {
		if (has_keys && (!copy_string(c, true) || !copy_char(c, ':')))
			return false;
		if (!copy_value(c))
			return false;
	} while (copy_char(c, ','));
	return copy_char(c, end);
}

static bool copy_nested(struct copy *c, char end)
{
	bool ok;

	if (c->depth == JSON_DEPTH_MAX)
		return false;
	c->depth++;
	buf_put(c->out, c->at, 1);
	ok = copy_items(c, end, end == '}');
	c->depth--;
	return ok;
}

static bool copy_value(struct copy *c)
{
	if (c->at == c->end)
		return false;
	switch (*c->at) {
	case '{':
		return copy_nested(c, '}');
	case '[':
		return copy_nested(c, ']');
	case '"':
		return copy_string(c, false);
	case 't':
	case 'f':
	case 'n':
		return copy_name(c);
	default:
		return copy_number(c);
	}
}

bool stored_json_put(struct buf *out, const char *text, size_t len, const char *dir)
{
	struct copy c = {.out = out, .at = text, .end = text + len, .dir = dir};
	size_t mark = out->len;

	buf_reserve(out, len); /* one allocation; paths may still need more */
	if (str_utf8_valid(text, len) && copy_value(&c) && c.at == c.end)
		return true;
	if (out->data) {
		out->len = mark;
		out->data[mark] = '\0';
	}
	return false;
}
