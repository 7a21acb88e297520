/* SPDX-License-Identifier: MIT */
/* worker/dataset/csv.h: records, dialects, limits; what was written quoted comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/memory_file.h"

#include "base/own.h"
#include "worker/dataset/csv.h"

#include <string.h>

#define FUZZ_ROUNDS 4000
#define BLOCK	    262144 /* the reader's block: records that cross it are tested */

/* All records as "a|b\na|b\n", or the error's message. */
static void csv_of(struct csv_dialect dialect, const void *data, size_t len, struct buf *out,
		   int *ret)
{
	OWN(memory_done) struct memory_file f;
	OWN(csv_close) struct csv c;
	struct err e = {0};
	int r;

	memory_put(&f, data, len);
	r = csv_open(&c, f.path, dialect, &e);
	while (r >= 0 && (r = csv_next(&c, &e)) > 0) {
		for (size_t i = 0; i < c.n; i++) {
			size_t n;
			const char *field = csv_field(&c, i, &n);

			buf_puts(out, i ? "|" : "");
			buf_put(out, field, n);
		}
		buf_puts(out, "\n");
	}
	if (r < 0) {
		buf_clear(out);
		buf_puts(out, e.msg);
	}
	*ret = r;
}

static void csv_as_text(const void *data, size_t len, struct buf *out, int *ret)
{
	csv_of((struct csv_dialect){','}, data, len, out, ret);
}

static void expect_csv(const char *data, const char *expected)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 20);
	int r;

	csv_as_text(data, strlen(data), &out, &r);
	assert_string_equal(buf_str(&out), expected);
	assert_int_equal(r, 0);
}

static void test_csv_records(void **state)
{
	expect_csv("", "");
	expect_csv("\n\r\n\n", "");
	expect_csv("a,b\n1,2\n", "a|b\n1|2\n");
	expect_csv("a,b\r\n1,2", "a|b\n1|2\n");
	expect_csv("a,b\r1,2\r", "a|b\n1|2\n");
	expect_csv("\xEF\xBB\xBF"
		   "a,b\n",
		   "a|b\n");
	expect_csv("\"a\"\"b\",\"x\ny\"\n", "a\"b|x\ny\n");
	expect_csv("\"a\r\nb\",\n", "a\r\nb|\n");
	expect_csv(",\n,,\n", "|\n||\n");
	expect_csv("a,\"\"\n", "a|\n");
	expect_csv("\"\"\n\nx\n", "\nx\n");
	expect_csv("it\"s,5\" x\n", "it\"s|5\" x\n");
	expect_csv("a\n\n\nb\n", "a\nb\n");
	expect_csv("a,b", "a|b\n");
	expect_csv("a,", "a|\n");
}

static void expect_csv_error(const char *data, int code, const char *word)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 20);
	int r;

	csv_as_text(data, strlen(data), &out, &r);
	assert_int_equal(r, -code);
	assert_non_null(strstr(buf_str(&out), word));
}

static void test_csv_errors(void **state)
{
	expect_csv_error("a\n\"b\nc", ERR_INVALID, "line 2 is never closed");
	expect_csv_error("a\n\"b\nc\"d\n", ERR_INVALID, "line 3: text follows the closing quote");
	expect_csv_error("\"", ERR_INVALID, "never closed");
}

static void test_csv_dialects(void **state)
{
	static const struct {
		struct csv_dialect dialect;
		const char *data, *want;
	} cases[] = {
		{{';'}, "a;b\n\"x;y\";z,w\n", "a|b\nx;y|z,w\n"},
		{{'\t', true}, "a\tb\n\"x\ty\"z\"\n\"\t\"\n", "a|b\n\"x|y\"z\"\n\"|\"\n"},
		{{',', true}, "\"a,b\"\r\n\"", "\"a|b\"\n\"\n"},
		{{'|'}, "a|b\nc|\"|\"", "a|b\nc||\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(buf_done) struct buf out = BUF_INIT(1 << 20);
		int r;

		csv_of(cases[i].dialect, cases[i].data, strlen(cases[i].data), &out, &r);
		assert_string_equal(buf_str(&out), cases[i].want);
		assert_int_equal(r, 0);
	}
}

/* Every kind of byte on both sides of the reader's block boundary. */
static void test_csv_across_blocks(void **state)
{
	static const char tail[] = "\"x\"\"y\r\nz\",b\r\nc,d\n";
	static const char want[] = "x\"y\r\nz|b\nc|d\n";

	for (size_t before = 0; before < sizeof(tail) + 2; before++) {
		OWN(buf_done) struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
		size_t fill = BLOCK - before;
		int r;

		for (size_t i = 0; i + 1 < fill; i++)
			buf_puts(&in, i == 1 ? "," : "f");
		buf_puts(&in, "\n");
		buf_puts(&in, tail);
		csv_as_text(in.data, in.len, &out, &r);
		assert_int_equal(r, 0);
		assert_int_equal(out.len, fill + strlen(want));
		assert_string_equal(out.data + fill, want);
	}
}

static void test_csv_limits(void **state)
{
	OWN(buf_done) struct buf in = BUF_INIT((size_t)CSV_RECORD_MAX + 4096);
	OWN(buf_done) struct buf out = BUF_INIT((size_t)CSV_RECORD_MAX + 4096);
	char *p = buf_reserve(&in, CSV_RECORD_MAX + 1);
	int r;

	memset(p, 'x', CSV_RECORD_MAX + 1);
	csv_as_text(p, CSV_RECORD_MAX, &out, &r);
	assert_int_equal(r, 0);
	buf_clear(&out);
	csv_as_text(p, CSV_RECORD_MAX + 1, &out, &r);
	assert_int_equal(r, -ERR_LIMIT);
	memset(p, ',', CSV_FIELDS_MAX);
	buf_clear(&out);
	csv_as_text(p, CSV_FIELDS_MAX - 1, &out, &r);
	assert_int_equal(r, 0);
	buf_clear(&out);
	csv_as_text(p, CSV_FIELDS_MAX, &out, &r);
	assert_int_equal(r, -ERR_LIMIT);
}

static void put_quoted(struct buf *out, const char *field, size_t n)
{
	buf_puts(out, "\"");
	for (size_t i = 0; i < n; i++) {
		if (field[i] == '"')
			buf_puts(out, "\"");
		buf_put(out, &field[i], 1);
	}
	buf_puts(out, "\"");
}

/* Random fields, written quoted, come back byte for byte. */
static void test_csv_round_trip(void **state)
{
	uint64_t rng = 3;

	for (int round = 0; round < FUZZ_ROUNDS; round++) {
		OWN(buf_done) struct buf in = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
		OWN(buf_done) struct buf want = BUF_INIT(1 << 16);
		size_t records = next_random(&rng) % 4, fields = next_random(&rng) % 3 + 1;
		int r;

		for (size_t i = 0; i < records * fields; i++) {
			char field[16];
			size_t n = next_random(&rng) % sizeof(field);

			for (size_t k = 0; k < n; k++)
				field[k] = "ab\",\r\n\0\xFF"[next_random(&rng) % 8];
			put_quoted(&in, field, n);
			buf_puts(&in, (i + 1) % fields ? "," : "\r\n");
			buf_put(&want, field, n);
			buf_puts(&want, (i + 1) % fields ? "|" : "\n");
		}
		csv_as_text(in.len ? in.data : "", in.len, &out, &r);
		assert_int_equal(r, 0);
		assert_int_equal(out.len, want.len);
		if (out.len)
			assert_memory_equal(out.data, want.data, out.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv_records),  cmocka_unit_test(test_csv_errors),
		cmocka_unit_test(test_csv_dialects), cmocka_unit_test(test_csv_across_blocks),
		cmocka_unit_test(test_csv_limits),   cmocka_unit_test(test_csv_round_trip),
	};

	return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
