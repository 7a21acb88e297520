/* SPDX-License-Identifier: MIT */
/* base/buf at its limit, base/json: depth, duplicates, pointers, fall-backs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

/* "invalid token near" showed a mark that nobody sees. UTF-16 was a byte that cannot be decoded, or
 * a NUL byte. */
static void test_another_encoding_is_named(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *part;
	} cases[] = {
		{"\xef\xbb\xbf{}", 5, "byte order mark"},
		{"\xff\xfe{\0", 4, "UTF-16, little-endian"},
		{"\xfe\xff\0{", 4, "UTF-16, big-endian"},
		{"\xff\xfe\0\0{\0\0\0", 8, "UTF-32, little-endian"},
		{"{\0\"\0a\0\"\0", 8, "UTF-16, little-endian"},
		{"\0{\0\"\0a\0\"", 8, "UTF-16, big-endian"},
		{"PK\x03\x04", 4, "a zip archive"},
		{"\xff", 1, "decode"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(json_decrefp) json_t *j = NULL;
		struct err e;

		assert_int_equal(json_parse(cases[i].text, cases[i].len, &j, &e), -ERR_INVALID);
		assert_non_null(strstr(e.msg, cases[i].part));
	}
}

static void test_names_of_numbers_are_read_outside_of_strings(void **state)
{
	static const struct {
		const char *text, *wanted; /* NULL: refused */
	} cases[] = {
		{"{\"a\":NaN,\"b\":[-Infinity,Infinity]}",
		 "{\"a\":\"NaN\",\"b\":[\"-Infinity\",\"Infinity\"]}"},
		{"{\"NaN\":NaN,\"q\":\"\\\"NaN\"}", "{\"NaN\":\"NaN\",\"q\":\"\\\"NaN\"}"},
		{"{\"a\":\"x\\\\\",\"b\":NaN}", "{\"a\":\"x\\\\\",\"b\":\"NaN\"}"},
		{"NaN", "\"NaN\""},
		{"{\"a\":NaNs}", NULL},
		{"{\"a\":-NaN}", NULL},
		{"{\"a\":Infinit}", NULL},
		{"{\"a\":\"NaN", NULL},
		{"{\"a\":1}", "{\"a\":1}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(json_decrefp) json_t *j = NULL;
		OWN(freep) char *text = NULL;
		int r = json_parse_names(cases[i].text, strlen(cases[i].text), &j, NULL);

		assert_int_equal(r, cases[i].wanted ? 0 : -ERR_INVALID);
		text = j ? json_text(j) : NULL;
		assert_true(!cases[i].wanted || str_eq(text, cases[i].wanted));
	}
}

static void test_buf_limit(void **state)
{
	OWN(buf_done) struct buf b = BUF_INIT(10);

	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_puts(&b, "12345"), 0);
	assert_int_equal(buf_printf(&b, "%d", 67890), 0); /* just full */
	assert_string_equal(buf_str(&b), "1234567890");
	assert_int_equal(b.len, 10);
	assert_int_equal(buf_put(&b, "", 0), 0);
	assert_true(buf_ok(&b));
	assert_int_equal(buf_puts(&b, "x"), -ENOBUFS);
	assert_false(buf_ok(&b));
	assert_string_equal(buf_str(&b), "1234567890"); /* keeps what it had */
	assert_int_equal(buf_put(&b, "", 0), -ENOBUFS); /* and stays failed */
	assert_null(buf_reserve(&b, 0));
	assert_null(buf_take(&b));
	buf_clear(&b);
	assert_true(buf_ok(&b));
	assert_int_equal(buf_puts(&b, "again"), 0);
	assert_string_equal(buf_str(&b), "again");
}

static void test_buf_overflowing_lengths(void **state)
{
	OWN(buf_done) struct buf b = BUF_INIT(100);

	assert_int_equal(buf_puts(&b, "abc"), 0);
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_clear(&b);
	assert_null(buf_reserve(&b, SIZE_MAX - 1));
	buf_clear(&b);
	assert_int_equal(buf_printf(&b, "%101s", "x"), -ENOBUFS);
	assert_string_equal(buf_str(&b), "");
}

static void test_buf_take(void **state)
{
	OWN(buf_done) struct buf b = BUF_INIT(1000);
	char *to = buf_reserve(&b, 4);

	memcpy(to, "wxyz", 4);
	buf_added(&b, 3);
	assert_string_equal(buf_str(&b), "wxy");
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 500; i++)
		assert_int_equal(buf_put(&b, "\0a", 2), 0); /* any bytes */
	assert_int_equal(b.len, 1000);
	OWN(freep) char *taken = buf_take(&b);

	assert_memory_equal(taken + 998, "\0a", 3);
	assert_int_equal(b.len, 0);
	OWN(freep) char *empty = buf_take(&b);

	assert_string_equal(empty, "");
}

static int parse(const char *text, json_t **ret, struct err *e)
{
	return json_parse(text, strlen(text), ret, e);
}

static void test_depth(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 8];
	struct err e;

	for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		json_t *j = NULL;
		int r;

		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		r = parse(text, &j, &e);
		assert_int_equal(r, depth == JSON_DEPTH_MAX ? 0 : -ERR_INVALID);
		json_decref(j);
	}
	assert_non_null(strstr(e.msg, "deeper than 64"));
}

/* Brackets in strings are not depth, also after escapes. */
static void test_depth_ignores_strings(void **state)
{
	OWN(buf_done) struct buf text = BUF_INIT(4096);
	json_t *j = NULL;

	buf_puts(&text, "[\"");
	for (int i = 0; i < 200; i++)
		buf_puts(&text, "[{\\\"\\\\");
	buf_puts(&text, "\"]");
	assert_int_equal(json_parse(text.data, text.len, &j, NULL), 0);
	assert_int_equal(json_string_length(json_array_get(j, 0)), 800);
	json_decref(j);
}

static void test_refusals(void **state)
{
	static const char *const bad[] = {
		"",	    "{",
		"[1,]",	    "{\"a\":1,\"a\":2}",
		"1 2",	    "nul",
		"\"\xff\"", "\"\\u0000\"",
		"[1e999]",  "99999999999999999999",
		"'a'",	    "\xEF\xBB\xBF{}",
	};
	json_t *j = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(parse(bad[i], &j, &e), -ERR_INVALID);
		assert_null(j);
		assert_non_null(strstr(e.msg, "line 1"));
	}
	assert_int_equal(json_parse("{}\0{}", 5, &j, &e), -ERR_INVALID);
	assert_int_equal(parse("\n\n  {\"a\": x}", &j, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "line 3"));
}

static void test_any_value(void **state)
{
	static const char *const good[] = {"1", "\"a\"", "null", "true", "[]", "{}", "-0.5"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		OWN(json_decrefp) json_t *j = NULL;

		assert_int_equal(parse(good[i], &j, NULL), 0);
		OWN(freep) char *text = json_text(j);

		assert_string_equal(text, good[i]);
	}
}

static void test_look_ups(void **state)
{
	OWN(json_decrefp) json_t *j = NULL;

	assert_int_equal(
		parse("{\"s\": \"x\", \"i\": 3, \"r\": 1.5, \"b\": true, \"z\": null}", &j, NULL),
		0);
	assert_string_equal(json_get_str(j, "s", "no"), "x");
	assert_string_equal(json_get_str(j, "i", "no"), "no");
	assert_null(json_get_str(j, "z", NULL));
	assert_int_equal(json_get_int(j, "i", 9), 3);
	assert_int_equal(json_get_int(j, "r", 9), 9);
	assert_true(json_get_num(j, "i", 9) == 3.0);
	assert_true(json_get_num(j, "r", 9) == 1.5);
	assert_true(json_get_num(j, "none", 9) == 9.0);
	assert_true(json_get_bool(j, "b", false));
	assert_true(json_get_bool(j, "i", true));
	assert_string_equal(json_get_str(NULL, "s", "no"), "no");
	assert_int_equal(json_set_str(j, "s", NULL), 0);
	assert_true(json_is_null(json_object_get(j, "s")));
	OWN(json_decrefp) json_t *nan = json_number((double)NAN);
	OWN(json_decrefp) json_t *half = json_number(0.5);

	assert_true(json_is_null(nan));
	assert_true(json_real_value(half) == 0.5);
	assert_string_equal(json_type_name(NULL), "nothing");
	assert_string_equal(json_type_name(j), "an object");
}

static void test_pointers(void **state)
{
	char p[32] = "";

	json_pointer_add(p, sizeof(p), "jobs");
	json_pointer_add_index(p, sizeof(p), 12);
	json_pointer_add(p, sizeof(p), "a/b~c");
	assert_string_equal(p, "/jobs/12/a~1b~0c");
	json_pointer_add(p, sizeof(p), "");
	assert_string_equal(p, "/jobs/12/a~1b~0c/");
	for (size_t size = 2; size < 24; size++) { /* cut, never inside of a character */
		char *small = malloc(size);

		small[0] = '\0';
		json_pointer_add(small, size, "äöü~/日本語x");
		json_pointer_add_index(small, size, 123456);
		json_pointer_add(small, size, "語");
		assert_true(strlen(small) < size);
		assert_true(str_utf8_valid(small, strlen(small)));
		free(small);
	}
}

static void check_written(json_t *j, const char *want)
{
	OWN(freep) char *text = json_text(j);

	assert_string_equal(text, want);
	json_decref(j);
}

static void test_the_shortest_number_that_reads_back(void **state)
{
	check_written(json_real(0.05), "0.05");
	check_written(json_real(0.1 + 0.2), "0.30000000000000004");
	check_written(json_real(2), "2.0");
	check_written(json_real(-0.0), "-0.0");
	check_written(json_real(1e22), "1e+22");
	check_written(json_real(1e-5), "1e-05");
	check_written(json_real(5e-324), "5e-324");
	check_written(json_real(1.7976931348623157e308), "1.7976931348623157e+308");
	check_written(json_real((double)0.9F), "0.8999999761581421");
	check_written(json_integer(INT64_MAX), "9223372036854775807");
	check_written(json_pack("{s[f,i,f]s{sf}}", "a", 0.3, 7, 1e-7, "b", "c", 100.0),
		      "{\"a\":[0.3,7,1e-07],\"b\":{\"c\":100.0}}");
}

static void test_texts_that_look_like_numbers_stay(void **state)
{
	static const char text[] =
		"{\"0.10000000000000001\":\"\\\\0.050000000000000003\\\"0.050000000000000003\"}";
	json_t *j;

	assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
	check_written(j, text);
}

static void test_all_kinds_of_numbers_read_back(void **state)
{
	uint64_t bits = 1;

	for (int i = 0; i < 100000; i++) {
		OWN(json_decrefp) json_t *j = NULL, *back = NULL;
		OWN(freep) char *text = NULL;
		char shorter[64];
		double v;

		bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		memcpy(&v, &bits, sizeof(v));
		if (!isfinite(v))
			continue;
		j = json_real(v);
		text = json_text(j);
		assert_int_equal(json_parse(text, strlen(text), &back, NULL), 0);
		assert_true(json_real_value(back) >= v && json_real_value(back) <= v);
		snprintf(shorter, sizeof(shorter), "%.15g", v);
		if (strtod(shorter, NULL) >= v && strtod(shorter, NULL) <= v)
			assert_true(strlen(text) <= strlen(shorter) + 2); /* ".0" */
	}
}

static uint32_t draw(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

/* A text of odd characters; with U+0000 if it is no key. */
static json_t *odd_text(uint32_t *seed, bool is_key)
{
	static const char *const parts[] = {
		"a",
		"Z",
		"0",
		"\"",
		"\\",
		"/",
		"\b",
		"\f",
		"\n",
		"\r",
		"\t",
		"\x01",
		"\x1f",
		"\x7f",
		"\xc2\x80",
		"\xc3\xa4",
		"\xe2\x80\xa8",
		"\xef\xbf\xbf",
		"\xf0\x9f\x9a\x82",
		" ",
		"data:/",
		"\\u0041",
		"",
		":",
	};
	OWN(buf_done) struct buf text = BUF_INIT(1000);

	for (uint32_t i = draw(seed, 8); i; i--) {
		const char *part = parts[draw(seed, ARRAY_LEN(parts))];

		buf_put(&text, part, *part || is_key ? strlen(part) : 1);
	}
	return json_stringn(buf_str(&text), text.len);
}

static json_t *odd_value(uint32_t *seed, int depth)
{
	static const int64_t numbers[] = {0, 1, -1, 10, -100, INT64_MAX, INT64_MIN, 1000000007};
	json_t *value, *key;
	uint32_t what = draw(seed, depth ? 8 : 6);

	if (what < 6)
		return what == 0   ? json_true()
		       : what == 1 ? json_false()
		       : what == 2 ? json_null()
		       : what == 3 ? json_integer(numbers[draw(seed, ARRAY_LEN(numbers))])
				   : odd_text(seed, false);
	value = what == 6 ? json_array() : json_object();
	for (uint32_t i = draw(seed, draw(seed, 10) ? 5 : 60); i; i--) {
		if (what == 6) {
			json_array_append_new(value, odd_value(seed, depth - 1));
			continue;
		}
		key = odd_text(seed, true);
		json_object_set_new(value, json_string_value(key), odd_value(seed, depth - 1));
		json_decref(key);
	}
	return value;
}

/* The texts are Jansson's own, which wrote them before; only real numbers differ. */
static void test_texts_equal_those_of_jansson(void **state)
{
	uint32_t seed = 1;

	for (int i = 0; i < 3000; i++) {
		OWN(json_decrefp) json_t *j = odd_value(&seed, 4);
		OWN(freep)
		char *text = json_text(j), *line = json_line(j), *pretty = json_pretty(j);
		OWN(freep)
		char *compact = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
		OWN(freep) char *ordered = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
		OWN(freep)
		char *indented = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);

		assert_string_equal(text, compact);
		assert_memory_equal(line, ordered, strlen(ordered));
		assert_string_equal(line + strlen(ordered), "\n");
		assert_memory_equal(pretty, indented, strlen(indented));
		assert_string_equal(pretty + strlen(indented), "\n");
	}
	assert_null(json_text(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_limit),
		cmocka_unit_test(test_buf_overflowing_lengths),
		cmocka_unit_test(test_buf_take),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_ignores_strings),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_any_value),
		cmocka_unit_test(test_look_ups),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_another_encoding_is_named),
		cmocka_unit_test(test_names_of_numbers_are_read_outside_of_strings),
		cmocka_unit_test(test_the_shortest_number_that_reads_back),
		cmocka_unit_test(test_texts_that_look_like_numbers_stay),
		cmocka_unit_test(test_all_kinds_of_numbers_read_back),
		cmocka_unit_test(test_texts_equal_those_of_jansson),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
