/* SPDX-License-Identifier: MIT */
/*
 * worker/dataset's parsers and rules that need no Arrow: CSV, JSONL and gzip from real files,
 * the split, repair of UTF-8; then damaged files against what must always hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/csv.h"
#include "worker/dataset/json_numbers.h"
#include "worker/dataset/source.h"
#include "worker/dataset/split.h"

#include <string.h>
#include <sys/mman.h>

#define FUZZ_ROUNDS 4000
#define BLOCK	    262144 /* the reader's block: records that cross it are tested */

/* A file in memory with a path. */
struct memory_file {
	int fd;
	char path[64];
};

static void memory_put(struct memory_file *f, const void *data, size_t len)
{
	f->fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(fd_write_all(f->fd, data, len), 0);
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

static void memory_done(struct memory_file *f)
{
	close(f->fd);
}

/* All records as "a|b\na|b\n", or the error's message. */
static void csv_as_text(const void *data, size_t len, struct buf *out, int *ret)
{
	OWN(memory_done) struct memory_file f;
	OWN(csv_close) struct csv c;
	struct err e = {0};
	int r;

	memory_put(&f, data, len);
	r = csv_open(&c, f.path, ',', &e);
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
	expect_csv_error("a\n\"b\nc\"d\n", ERR_INVALID, "line 3: text after the closing quote");
	expect_csv_error("\"", ERR_INVALID, "never closed");
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

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
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

static int read_all(const struct source_kind *kind, const char *path, int64_t *ret_rows,
		    struct err *e)
{
	OWN(source_closep) struct source *s = NULL;
	struct source_columns columns = {.text = "text", .label = "label"};
	struct source_row row;
	int r = source_open(kind, path, "/dataset", &columns, &s, e);

	*ret_rows = 0;
	while (r >= 0 && (r = source_next(s, &row, e)) > 0) {
		assert_true(str_utf8_valid(row.text, row.text_len));
		assert_int_equal(row.number, ++*ret_rows);
	}
	return r;
}

static const char csv_seed[] = "text,label\r\n\"a \"\"film\"\", good\",pos\n"
			       "caf\xC3\xA9 \xE2\x98\x83,neg\r\n\"x\ny\",pos\n";
static const char jsonl_seed[] = "{\"text\": \"a \\\"film\\\" \\u00e9\", \"label\": \"pos\"}\n\n"
				 "{\"label\": 1, \"text\": \"caf\xC3\xA9\", \"x\": [NaN, {}]}\r\n"
				 "{\"text\": \"\", \"label\": true}";
/* csv_seed by gzip -9n, its end cut off */
static const unsigned char gzip_seed[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x2b, 0x49, 0xad,
	0x28, 0xd1, 0xc9, 0x49, 0x4c, 0x4a, 0xcd, 0xe1, 0xe5, 0x52, 0x4a, 0x54, 0x50,
	0x52, 0x4a, 0xcb, 0xcc, 0xc9, 0x55, 0x52, 0xd2, 0x51, 0x48, 0xcf, 0xcf, 0x4f,
	0x51, 0xd2, 0x29, 0xc8, 0x2f, 0xe6, 0x4a, 0x4e, 0x4c, 0x3b, 0xbc, 0x52, 0xe1,
	0xd1, 0x8c, 0x66, 0x9d, 0xbc, 0xd4, 0x74, 0xa0, 0xaa, 0x0a, 0xae};

/* Damage a good file in random places: an error or rows, never a crash, never ill-formed text. */
static void damage(const struct source_kind *kind, const void *seed, size_t len, uint64_t rng)
{
	for (int round = 0; round < FUZZ_ROUNDS; round++) {
		OWN(memory_done) struct memory_file f;
		char data[512];
		size_t n = len;
		int64_t rows;
		struct err e = {0};
		int r;

		memcpy(data, seed, len);
		for (size_t i = 0; i < next_random(&rng) % 4; i++)
			data[next_random(&rng) % n] = (char)next_random(&rng);
		if (next_random(&rng) % 4 == 0)
			n = next_random(&rng) % n;
		if (next_random(&rng) % 4 == 0)
			data[next_random(&rng) % (n + 1)] = "\",\n\r{}[]\\"[next_random(&rng) % 9];
		memory_put(&f, data, n);
		r = read_all(kind, f.path, &rows, &e);
		assert_true(r == 0 || e.msg[0]);
	}
}

static void test_damaged_files(void **state)
{
	damage(&source_csv, csv_seed, sizeof(csv_seed) - 1, 11);
	damage(&source_jsonl, jsonl_seed, sizeof(jsonl_seed) - 1, 12);
	damage(&source_csv, gzip_seed, sizeof(gzip_seed), 13);
}

static void test_good_files(void **state)
{
	OWN(memory_done) struct memory_file csv, jsonl;
	int64_t rows;
	struct err e;

	memory_put(&csv, csv_seed, sizeof(csv_seed) - 1);
	memory_put(&jsonl, jsonl_seed, sizeof(jsonl_seed) - 1);
	assert_int_equal(read_all(&source_csv, csv.path, &rows, &e), 0);
	assert_int_equal(rows, 3);
	assert_int_equal(read_all(&source_jsonl, jsonl.path, &rows, &e), 0);
	assert_int_equal(rows, 3);
}

static void test_cut_gzip_is_an_error(void **state)
{
	OWN(memory_done) struct memory_file f;
	int64_t rows;
	struct err e = {0};

	memory_put(&f, gzip_seed, sizeof(gzip_seed));
	assert_int_equal(read_all(&source_csv, f.path, &rows, &e), -ERR_CORRUPT);
	assert_non_null(strstr(e.msg, "ends too early"));
}

static void test_json_numbers(void **state)
{
	static const char *const cases[][2] = {
		{"{\"x\": NaN}", "{\"x\": null}"},
		{"[18446744073709551615,1]", "[1.84467440737095516e+19,1]"},
		{"[-9223372036854775809]", "[-9.22337203685477581e+18]"},
		{"[Infinity,-Infinity]", "[1.79769313486231571e+308,-1.79769313486231571e+308]"},
		{"[1e400, -1.5e999]", "[1.79769313486231571e+308, -1.79769313486231571e+308]"},
		{"{\"NaN\": \"a \\\" NaN 1e999\", \"b\": NaN}",
		 "{\"NaN\": \"a \\\" NaN 1e999\", \"b\": null}"},
	};
	static const char *const same[] = {
		"{\"a\": [0, -1, 9223372036854775807, -9223372036854775808, 1.5e300, true]}",
		"NaNs nan Inf -inf 018446744073709551616 +18446744073709551616 0x1p9999",
		"{\"open: NaN",
		"\"\\",
		"",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(buf_done) struct buf out = BUF_INIT(256);

		assert_true(json_numbers_tame(cases[i][0], strlen(cases[i][0]), &out));
		assert_string_equal(buf_str(&out), cases[i][1]);
	}
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		OWN(buf_done) struct buf out = BUF_INIT(256);

		assert_false(json_numbers_tame(same[i], strlen(same[i]), &out));
		assert_string_equal(buf_str(&out), same[i]);
	}
}

static void test_repair(void **state)
{
	static const char *const cases[][2] = {
		{"plain", "plain"},
		{"a\xFF"
		 "b",
		 "a\xEF\xBF\xBD"
		 "b"},
		{"\xE2\x82", "\xEF\xBF\xBD"},
		{"\xE2\x82"
		 "a",
		 "\xEF\xBF\xBD"
		 "a"},
		{"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
		{"\xC0\xAF\xC3\xA9", "\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA9"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(buf_done) struct buf out = BUF_INIT(256);
		bool bad = utf8_repair(cases[i][0], strlen(cases[i][0]), &out);

		assert_string_equal(buf_str(&out), cases[i][1]);
		assert_int_equal(bad, i > 0);
	}
}

static void test_split_is_the_documented_one(void **state)
{
	/* as tests/parity/test_preprocess.py computes it: permutation(10, 42) */
	static const int order[] = {0, 9, 5, 8, 6, 4, 7, 2, 1, 3};
	uint8_t part[10];
	int64_t train = -1, test = -1;

	assert_int_equal(split_rows(10, 6, 3, 42, part), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(part[order[i]], i < 6	 ? SPLIT_TRAIN
						 : i < 9 ? SPLIT_TEST
							 : SPLIT_NONE);
	split_defaults(10, &train, &test);
	assert_int_equal(train, 8);
	assert_int_equal(test, 2);
	train = test = -1;
	split_defaults(2, &train, &test);
	assert_int_equal(train, 1);
	assert_int_equal(test, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv_records),
		cmocka_unit_test(test_csv_errors),
		cmocka_unit_test(test_csv_across_blocks),
		cmocka_unit_test(test_csv_limits),
		cmocka_unit_test(test_csv_round_trip),
		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_good_files),
		cmocka_unit_test(test_cut_gzip_is_an_error),
		cmocka_unit_test(test_json_numbers),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_split_is_the_documented_one),
	};

	return cmocka_run_group_tests_name("dataset_text", tests, NULL, NULL);
}
