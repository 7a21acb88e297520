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

#include "tests/unit/memory_file.h"

#include "base/encoding.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/json_numbers.h"
#include "worker/dataset/source.h"
#include "worker/dataset/split.h"

#include <string.h>

#define FUZZ_ROUNDS 4000

static void test_encodings(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *words; /* NULL: it may be UTF-8 */
	} cases[] = {
		{"\xFF\xFEt\0e\0", 6, "UTF-16, little-endian"},
		{"\xFE\xFF\0t\0e", 6, "UTF-16, big-endian"},
		{"\xFF\xFE\0\0t\0\0\0", 8, "UTF-32, little-endian"},
		{"\0\0\xFE\xFF\0\0\0t", 8, "UTF-32, big-endian"},
		{"t\0e\0x\0t\0", 8, "UTF-16, little-endian"},
		{"\0t\0e\0x\0t", 8, "UTF-16, big-endian"},
		{"t\0\0\0e\0\0\0", 8, "UTF-32, little-endian"},
		{"\0\0\0t\0\0\0e", 8, "UTF-32, big-endian"},
		{"PK\x03\x04", 4, "zip"},
		{"BZh91AY&SY", 10, "bzip2"},
		{"\x28\xB5\x2F\xFD", 4, "zstd"},
		{"\xEF\xBB\xBFt", 4, NULL},
		{"text", 4, NULL},
		{"\0", 1, NULL},
		{"a\0b\0c\0d", 7, NULL},
		{"a\0b\0c\0de", 8, NULL},
		{"", 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *problem = encoding_problem(cases[i].bytes, cases[i].len);

		assert_int_equal(problem == NULL, cases[i].words == NULL);
		assert_true(!problem || strstr(problem, cases[i].words));
	}
}

static int read_all(const struct source_kind *kind, const char *path, int64_t *ret_rows,
		    struct err *e)
{
	OWN(source_closep) struct source *s = NULL;
	struct source_columns columns = {.text = "text", .label = "label"};
	struct source_row row;
	int r = source_open(kind, path, NULL, "/dataset", &columns, &s, e);

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
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_good_files),
		cmocka_unit_test(test_cut_gzip_is_an_error),
		cmocka_unit_test(test_json_numbers),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_split_is_the_documented_one),
	};

	return cmocka_run_group_tests_name("dataset_text", tests, NULL, NULL);
}
