/* SPDX-License-Identifier: MIT */
/* transfer without a network: patterns of "exclude", sizes of parts, checksums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/own.h"
#include "base/str.h"
#include "transfer/exclude.h"
#include "transfer/s3/checksum.h"
#include "transfer/transfer.h"

static bool excluded(const char *pattern, const char *path)
{
	json_t *patterns = json_pack("[s]", pattern);
	bool found = exclude_matches(patterns, path);

	json_decref(patterns);
	return found;
}

static void test_exclude(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool found;
	} rows[] = {
		{"checkpoint-*", "checkpoint-5", true},
		{"checkpoint-*", "checkpoint-5/a/b", true},
		{"checkpoint-*", "out/checkpoint-5/a", true},
		{"checkpoint-*", "my-checkpoint-5", false},
		{"checkpoint-*/**", "checkpoint-5/a", true},
		{"checkpoint-*/**", "checkpoint-5", false},
		{"checkpoint-*/**", "out/checkpoint-5/a", false},
		{"**/checkpoint-*", "a/b/checkpoint-5/x", true},
		{"**/checkpoint-*", "checkpoint-5", true},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/z", "a/b/c/y", false},
		{"*.bin", "model.bin", true},
		{"*.bin", "a/model.bin", true},
		{"*.bin", "model.bin.txt", false},
		{"a/*", "a/b/c", true},
		{"a/*/c", "a/b/c", true},
		{"a/*/c", "a/b/d/c", false},
		{"/a", "a/b", true},
		{"/a", "b/a", false},
		{"?", "x", true},
		{"?", "xy", false},
		{"*a*b*c", "xxaxxbxxc", true},
		{"*a*b*c", "xxaxxcxxb", false},
		{"**", "a/b", true},
		{"", "a", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (excluded(rows[i].pattern, rows[i].path) != rows[i].found)
			fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].path);
	assert_false(exclude_matches(NULL, "a"));
}

static void test_exclude_is_never_slow(void **state)
{
	char path[4096];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(excluded("*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
}

static void test_part_sizes(void **state)
{
	const int64_t part = PART_BYTES, most = S3_PARTS_MAX * S3_PART_BYTES_MAX;

	assert_int_equal(checksum_part_bytes(0), part);
	assert_int_equal(checksum_parts_n(0, part), 1);
	assert_int_equal(checksum_parts_n(part, part), 1);
	assert_int_equal(checksum_parts_n(part + 1, part), 2);
	assert_int_equal(checksum_part_bytes(part * S3_PARTS_MAX), part);
	/* one byte more does not fit any more: larger parts */
	assert_true(checksum_part_bytes(part * S3_PARTS_MAX + 1) > part);
	for (int64_t size = 1; size <= most; size = size * 3 + 1) {
		int64_t bytes = checksum_part_bytes(size);

		assert_true(bytes >= S3_PART_BYTES_MIN && bytes <= S3_PART_BYTES_MAX);
		assert_true((size + bytes - 1) / bytes <= S3_PARTS_MAX);
	}
	assert_int_equal(checksum_part_bytes(most), S3_PART_BYTES_MAX);
	assert_int_equal(checksum_part_bytes(most + 1), 0);
}

/* The check value of the published CRC-64/NVME, and the same in pieces of any length. */
static void test_crc64nvme(void **state)
{
	const char text[] = "123456789";
	char data[1000];
	uint64_t whole;

	assert_true(checksum_crc64nvme(0, text, 9) == UINT64_C(0xae8b14860a799888));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	whole = checksum_crc64nvme(0, data, sizeof(data));
	for (size_t cut = 0; cut < 20; cut++) {
		uint64_t crc = checksum_crc64nvme(0, data, cut);

		assert_true(checksum_crc64nvme(crc, data + cut, sizeof(data) - cut) == whole);
	}
}

static enum checksum_answer answer(const struct s3_object *o, const char *text)
{
	struct checksum c;

	checksum_begin(&c, o);
	checksum_add(&c, text, strlen(text));
	return checksum_end(&c);
}

static void test_checksums(void **state)
{
	struct s3_object o = {.size = 9};

	assert_int_equal(answer(&o, "123456789"), CHECKSUM_UNKNOWN);
	assert_int_equal(answer(&o, "12345678"), CHECKSUM_DIFFERS);
	str_must_copy(o.crc32, sizeof(o.crc32), "y/Q5Jg=="); /* 0xcbf43926 */
	assert_int_equal(answer(&o, "123456789"), CHECKSUM_SAME);
	assert_int_equal(answer(&o, "123456780"), CHECKSUM_DIFFERS);
	*o.crc32 = '\0';
	str_must_copy(o.crc64nvme, sizeof(o.crc64nvme), "rosUhgp5mIg=");
	assert_int_equal(answer(&o, "123456789"), CHECKSUM_SAME);
	assert_int_equal(answer(&o, "223456789"), CHECKSUM_DIFFERS);
	str_must_copy(o.sha256, sizeof(o.sha256), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
	assert_int_equal(answer(&o, "123456789"), CHECKSUM_SAME);
	assert_int_equal(answer(&o, "123456788"), CHECKSUM_DIFFERS);
}

/* "B64-N": parts of the size that the object says; a wrong guess is no verdict. */
static void test_checksum_of_parts(void **state)
{
	struct s3_object o = {.size = 4, .part_bytes = 2};

	/* sha256(sha256("ab") || sha256("cd")) */
	str_must_copy(o.sha256, sizeof(o.sha256), "xf3RZlYNFs7XAkLPryiU4rxmb+JP/xNEnFIpn2PHSc4=-2");
	assert_int_equal(answer(&o, "abcd"), CHECKSUM_SAME);
	assert_int_equal(answer(&o, "abce"), CHECKSUM_DIFFERS);
	o.part_bytes = 3; /* also two parts, of other sizes */
	assert_int_equal(answer(&o, "abcd"), CHECKSUM_DIFFERS);
	o.part_bytes = 0; /* unknown: parts of 8 MiB would be one */
	assert_int_equal(answer(&o, "abcd"), CHECKSUM_UNKNOWN);
}

static void test_what_is_free_is_enough_or_not(void **state)
{
	struct transfer t = {0};
	struct err e = {0};

	assert_int_equal(transfer_check_room(&t, "/", "x", 0, &e), 0);
	assert_int_equal(transfer_check_room(&t, "/", "x", -1, &e), 0);
	assert_int_equal(transfer_check_room(&t, "/", "s3://b/x", INT64_MAX, &e), -ENOSPC);
	assert_string_equal(t.failure_code, "disk_full");
	assert_non_null(strstr(e.msg, "s3://b/x: the download needs 9223372036854775807 bytes"));
}

static void test_sizes_together_have_the_limit(void **state)
{
	struct transfer t = {.limits = {.download = INT64_MAX}};
	int64_t sum = 0;
	struct err e = {0};

	assert_int_equal(transfer_add_size(&t, "x", INT64_MAX - 1, &sum, &e), 0);
	assert_int_equal(transfer_add_size(&t, "x", 1, &sum, &e), 0);
	assert_int_equal(transfer_add_size(&t, "x", 0, &sum, &e), 0);
	assert_int_equal(transfer_add_size(&t, "x", 1, &sum, &e), -ERR_LIMIT);
	assert_int_equal(transfer_add_size(&t, "x", -1, &sum, &e), -ERR_LIMIT);
	assert_string_equal(t.failure_code, "too_large");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclude),
		cmocka_unit_test(test_exclude_is_never_slow),
		cmocka_unit_test(test_part_sizes),
		cmocka_unit_test(test_crc64nvme),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_checksum_of_parts),
		cmocka_unit_test(test_what_is_free_is_enough_or_not),
		cmocka_unit_test(test_sizes_together_have_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
