/* SPDX-License-Identifier: MIT */
/*
 * Parses with limits on depth and counts, and has the typed getters.
 */
#include "base/json.h"

#include "base/encoding.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Jansson allows a depth of 2048, which would let a hostile body recurse deeply in our own walks.
 * So the brackets are counted before parsing. */
static bool depth_ok(const char *text, size_t len)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return false;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return true;
}

/* Refuse a text in another encoding, and a byte order mark. */
static int check_encoding(const char *text, size_t len, struct err *reterr)
{
	const char *problem = encoding_problem(text, len);

	if (len >= 3 && memcmp(text, UTF8_MARK, 3) == 0)
		return err_set(reterr, ERR_INVALID,
			       "not valid JSON at line 1: it begins with a byte order mark; save "
			       "it as UTF-8 without one");
	return problem ? err_set(reterr, ERR_INVALID, "not valid JSON at line 1: it is %s", problem)
		       : 0;
}

static int parse(const char *text, size_t len, size_t flags, json_t **ret, struct err *reterr)
{
	json_error_t je;
	json_t *j;
	int r = check_encoding(text, len, reterr);

	if (r < 0)
		return r;
	if (!depth_ok(text, len))
		return err_set(reterr, ERR_INVALID, "JSON is nested deeper than %d levels",
			       JSON_DEPTH_MAX);
	j = json_loadb(text, len, flags | JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (!j)
		return err_set(reterr, ERR_INVALID, "not valid JSON at line %d, column %d: %s",
			       je.line, je.column, je.text);
	*ret = j;
	return 0;
}

int json_parse(const char *text, size_t len, json_t **ret, struct err *reterr)
{
	return parse(text, len, 0, ret, reterr);
}

int json_parse_nul(const char *text, size_t len, json_t **ret, struct err *reterr)
{
	return parse(text, len, JSON_ALLOW_NUL, ret, reterr);
}

/* Copy the text, and quote the names of numbers that are not in strings. */
static void quote_names(const char *text, size_t len, struct buf *out)
{
	static const char *const names[] = {"-Infinity", "Infinity", "NaN"};
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		size_t n = 0;

		for (size_t k = 0; !quoted && !n && k < ARRAY_LEN(names); k++)
			if (len - i >= strlen(names[k]) &&
			    memcmp(text + i, names[k], strlen(names[k])) == 0)
				n = strlen(names[k]);
		if (n) {
			buf_printf(out, "\"%.*s\"", (int)n, text + i);
			i += n - 1;
			continue;
		}
		if (text[i] == '"')
			quoted = !quoted;
		buf_put(out, text + i, 1);
		if (quoted && text[i] == '\\' && i + 1 < len)
			buf_put(out, text + ++i, 1);
	}
}

int json_parse_names(const char *text, size_t len, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf quoted = BUF_INIT(len * 2 + 1);
	int r = json_parse(text, len, ret, reterr);

	if (r >= 0)
		return r;
	quote_names(text, len, &quoted);
	return buf_ok(&quoted) ? json_parse(buf_str(&quoted), quoted.len, ret, reterr) : r;
}

int json_check_counts(const char *text, size_t len, size_t values_max, size_t containers_max,
		      struct err *reterr)
{
	size_t values = 1, containers = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			containers++;
		else if (!quoted && c == ',')
			values++;
	}
	values += containers;
	if (values > values_max)
		return err_set(reterr, ERR_LIMIT, "the JSON text holds more than %zu values",
			       values_max);
	if (containers > containers_max)
		return err_set(reterr, ERR_LIMIT,
			       "the JSON text holds more than %zu objects and lists",
			       containers_max);
	return 0;
}

int json_read_file(int at, const char *path, size_t max_bytes, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(max_bytes);
	int r = file_read(at, path, &text, reterr);

	if (r < 0)
		return r;
	r = json_parse(buf_str(&text), text.len, ret, reterr);
	return r < 0 ? err_ctx(reterr, r, "%s", path) : 0;
}

const char *json_get_str(const json_t *obj, const char *key, const char *fallback)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : fallback;
}

int64_t json_get_int(const json_t *obj, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

double json_get_num(const json_t *obj, const char *key, double fallback)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_number(v) ? json_number_value(v) : fallback;
}

bool json_get_bool(const json_t *obj, const char *key, bool fallback)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

json_t *json_number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

json_t *json_any_number(double v)
{
	if (isfinite(v))
		return json_real(v);
	return json_string(isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

bool json_any_number_get(const json_t *j, double *ret)
{
	const char *name = json_string_value(j);

	if (json_is_number(j))
		*ret = json_number_value(j);
	else if (name && str_eq(name, "NaN"))
		*ret = NAN;
	else if (name && (str_eq(name, "Infinity") || str_eq(name, "-Infinity")))
		*ret = *name == '-' ? -INFINITY : INFINITY;
	else
		return false;
	return true;
}

int json_set_str(json_t *obj, const char *key, const char *value)
{
	return json_object_set_new(obj, key, value ? json_string(value) : json_null());
}

bool json_has_text(const json_t *j, const char *part)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(j))
		return memmem(json_string_value(j), json_string_length(j), part, strlen(part));
	json_array_foreach((json_t *)j, i, value)
		if (json_has_text(value, part))
			return true;
	json_object_foreach((json_t *)j, key, value)
		if (json_has_text(value, part))
			return true;
	return false;
}

void json_pointer_add(char *pointer, size_t size, const char *key)
{
	size_t n = strlen(pointer), start = n;

	if (n + 1 < size)
		pointer[n++] = '/';
	for (; *key && n + 2 < size; key++) {
		if (*key == '~' || *key == '/') {
			pointer[n++] = '~';
			pointer[n++] = *key == '~' ? '0' : '1';
		} else {
			pointer[n++] = *key;
		}
	}
	pointer[n < size ? n : size - 1] = '\0';
	if (*key && n < size) /* the pointer was cut, but must not end inside a character */
		while (n > start && !str_utf8_valid(pointer + start, n - start))
			pointer[--n] = '\0';
}

void json_pointer_add_index(char *pointer, size_t size, size_t index)
{
	size_t n = strlen(pointer);

	snprintf(pointer + n, size - n, "/%zu", index);
}

const char *json_type_name(const json_t *j)
{
	if (!j)
		return "nothing";
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "an unknown type";
}
