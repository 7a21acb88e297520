/* SPDX-License-Identifier: MIT */
/* safetensors: round trip, the reference's byte layout, and that no broken file gets through. */
#include "base/fileio.h"
#include "base/own.h"
#include "tests/unit/scratch.h"
#include "worker/model/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char dir[64], path[80];

static int set_up(void **state)
{
	scratch_make(dir, sizeof(dir), "safetensors");
	path_join(path, sizeof(path), dir, "model");
	return 0;
}

static int tear_down(void **state)
{
	scratch_remove(dir);
	return 0;
}

static void write_raw(const void *data, size_t len)
{
	OWN(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, len), 0);
}

/* A file of this header and so many data bytes. */
static void write_header(const char *header, size_t data)
{
	OWN(buf_done) struct buf b = BUF_INIT(1 << 20);
	uint64_t n = strlen(header);

	for (int i = 0; i < 8; i++)
		buf_printf(&b, "%c", 'x');
	for (int i = 0; i < 8; i++)
		b.data[i] = (char)(n >> (8 * i));
	buf_puts(&b, header);
	for (size_t i = 0; i < data; i++)
		buf_puts(&b, "d");
	write_raw(b.data, b.len);
}

static void assert_refused(const char *word)
{
	struct safetensors *s = NULL;
	struct err e = {0};

	assert_int_equal(safetensors_open(path, &s, &e), -ERR_CORRUPT);
	assert_null(s);
	assert_non_null(strstr(e.msg, path));
	if (!strstr(e.msg, word))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, word);
}

#define HEAD(name, dtype, shape, from, to)                                                         \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from "," to \
	"]}"

static void test_broken_files(void **state)
{
	static const struct {
		const char *header;
		size_t data;
		const char *word;
	} cases[] = {
		{"{" HEAD("a", "F32", "[2]", "0", "8") "}", 7, "do not lie"},
		{"{" HEAD("a", "F32", "[2]", "0", "8") "}", 9, "belong to no tensor"},
		{"{" HEAD("a", "F32", "[3]", "0", "8") "}", 8, "its shape needs 12"},
		{"{" HEAD("a", "F32", "[2]", "8", "0") "}", 8, "do not lie"},
		{"{" HEAD("a", "F32", "[-1]", "0", "8") "}", 8, "invalid or too large size"},
		{"{" HEAD("a", "F32", "[4611686018427387904,4]", "0", "8") "}", 8,
		 "invalid or too large size"},
		{"{" HEAD("a", "Q4", "[2]", "0", "8") "}", 8, "dtype"},
		{"{" HEAD("a", "F32", "2", "0", "8") "}", 8, "shape"},
		{"{" HEAD("a", "F32", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, "shape"},
		{"{" HEAD("a", "U8", "[4]", "0", "4") "," HEAD("b", "U8", "[4]", "2", "6") "}", 6,
		 "overlaps"},
		{"{" HEAD("a", "U8", "[2]", "0", "2") "," HEAD("b", "U8", "[2]", "4", "6") "}", 6,
		 "hole"},
		{"{" HEAD("a", "U8", "[2]", "0", "2") "," HEAD("a", "U8", "[2]", "2", "4") "}", 4,
		 "JSON"},
		{"{\"a\":7}", 0, "dtype"},
		{"{\"__metadata__\":{\"n\":1}}", 0, "not a string"},
		{"{\"__metadata__\":[]}", 0, "not an object"},
		{"[]", 0, "begin with"},
		{" {}", 0, "begin with"},
		{"{", 0, "JSON"},
		{"{} x", 0, "JSON"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_header(cases[i].header, cases[i].data);
		assert_refused(cases[i].word);
	}
	write_raw("", 0);
	assert_refused("only 0 bytes");
	write_raw("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
	assert_refused("truncated");
	write_raw("\0\0\0\0\0\0\0\0{}", 10);
	assert_refused("begin with");
}

static int fill(void *ctx, size_t index, void *to, struct err *reterr)
{
	static const float f32[] = {1.5f, -2, 0.25f};
	static const uint16_t bf16[] = {0x3fc0, 0xc000}, f16[] = {0x3e00, 0x0001, 0xfc00};
	static const double f64[] = {1.5};
	const void *all[] = {f32, bf16, f16, f64};
	const size_t sizes[] = {sizeof(f32), sizeof(bf16), sizeof(f16), sizeof(f64)};

	memcpy(to, all[index], sizes[index]);
	return ctx ? err_set(reterr, EIO, "no data") : 0;
}

static size_t make_sources(struct st_source s[4], void *ctx)
{
	const struct st_source all[] = {
		{"z", ST_F32, 1, {3}, fill, ctx, 0},
		{"b\"q", ST_BF16, 2, {1, 2}, fill, ctx, 1},
		{"a", ST_F16, 1, {3}, fill, ctx, 2},
		{"w", ST_F64, 0, {0}, fill, ctx, 3},
	};

	memcpy(s, all, sizeof(all));
	return 4;
}

static void test_round_trip(void **state)
{
	OWN(safetensors_closep) struct safetensors *s = NULL;
	OWN(buf_done) struct buf b = BUF_INIT(1 << 20);
	struct st_source sources[4];
	size_t n = make_sources(sources, NULL);
	struct err e = {0};
	float to[3];

	assert_int_equal(safetensors_write(path, sources, n, &e), 0);
	assert_int_equal(file_read(AT_FDCWD, path, &b, &e), 0);
	/* as the reference: wide types first, then names; padded to 8 */
	assert_non_null(strstr(b.data + 8, "{\"__metadata__\":{\"format\":\"pt\"},\"w\":{\"dtype\":"
					   "\"F64\",\"shape\":[],\"data_offsets\":[0,8]},\"z\":"));
	assert_int_equal((unsigned char)b.data[0] % 8, 0);
	assert_int_equal(safetensors_open(path, &s, &e), 0);
	assert_int_equal(safetensors_count(s), 4);
	assert_string_equal(safetensors_at(s, 3)->name, "a");
	assert_int_equal(st_to_f32(safetensors_find(s, "z"), to, &e), 0);
	assert_true(to[0] == 1.5f && to[1] == -2 && to[2] == 0.25f);
	assert_int_equal(st_to_f32(safetensors_find(s, "b\"q"), to, &e), 0);
	assert_true(to[0] == 1.5f && to[1] == -2);
	assert_int_equal(st_to_f32(safetensors_find(s, "a"), to, &e), 0);
	assert_true(to[0] == 1.5f && to[1] == 0x1p-24f && to[2] < -1e38f);
	assert_int_equal(st_to_f32(safetensors_find(s, "w"), to, &e), 0);
	assert_true(to[0] == 1.5f);
	assert_null(safetensors_find(s, "q"));
}

static void test_failed_write_leaves_the_old_file(void **state)
{
	struct st_source sources[4];
	size_t n = make_sources(sources, NULL);
	struct err e = {0};
	char tmp[96];

	assert_int_equal(safetensors_write(path, sources, n, &e), 0);
	n = make_sources(sources, &e);
	assert_int_equal(safetensors_write(path, sources, n, &e), -EIO);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	assert_int_equal(access(tmp, F_OK), -1);

	OWN(safetensors_closep) struct safetensors *s = NULL;

	assert_int_equal(safetensors_open(path, &s, &e), 0);
}

/* Every byte of a good file changed, and every shorter file: an error or a tensor in bounds. */
static void test_mutations(void **state)
{
	OWN(buf_done) struct buf good = BUF_INIT(1 << 20);
	struct st_source sources[4];
	size_t n = make_sources(sources, NULL), opened = 0;
	struct err e = {0};
	unsigned seed = 1;

	assert_int_equal(safetensors_write(path, sources, n, &e), 0);
	assert_int_equal(file_read(AT_FDCWD, path, &good, &e), 0);
	for (size_t i = 0; i < 4 * good.len; i++) {
		size_t at = i % good.len;
		char was = good.data[at];
		struct safetensors *s = NULL;

		good.data[at] = (char)rand_r(&seed);
		write_raw(good.data, i < good.len ? at : good.len);
		good.data[at] = was;
		if (safetensors_open(path, &s, &e) < 0)
			continue;
		opened++;
		for (size_t t = 0; t < safetensors_count(s); t++) {
			const struct st_tensor *tensor = safetensors_at(s, t);
			OWN(freep) float *to = calloc((size_t)st_elements(tensor) + 1, sizeof(*to));

			if (st_to_f32(tensor, to, &e) < 0)
				assert_int_equal(e.code, ERR_UNSUPPORTED);
		}
		safetensors_close(s);
	}
	assert_true(opened > 0); /* changed data bytes are fine */
}

static void test_missing_file(void **state)
{
	struct safetensors *s = NULL;
	struct err e = {0};

	assert_int_equal(safetensors_open("/nonexistent/m.safetensors", &s, &e), -ENOENT);
	assert_int_equal(safetensors_open(dir, &s, &e), -ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_failed_write_leaves_the_old_file),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_missing_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
