/* SPDX-License-Identifier: MIT */
/* The parts of api/ that need no server: Host and Origin, Range, the log with its gap and tail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/guard.h"
#include "api/range.h"
#include "base/buf.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"
#include "wire/logfile.h"

#include <string.h>
#include <sys/stat.h>

/* ---- guard ---- */

static void test_hosts_of_this_machine_are_let_in(void **state)
{
	static const char *const good[] = {
		"localhost",	  "localhost:8470", "LOCALHOST:1",     "127.0.0.1",
		"127.0.0.1:8470", "127.9.9.9:1",    "[::1]",	       "[::1]:8470",
		"box:80",	  "localhost:",	    "localhost:65535",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!guard_host_ok(good[i], "box"))
			fail_msg("%s was refused", good[i]);
}

static void test_other_hosts_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		":80",
		"evil.example",
		"evil.example:8470",
		"localhost.evil.example",
		"127.0.0.1.evil.example",
		"10.0.0.1",
		"0.0.0.0",
		"126.255.255.255",
		"128.0.0.1",
		"192.168.1.1",
		"[::2]",
		"[::1",
		"[::1]x",
		"localhost:evil.com",
		"127.0.0.1:80:80",
		"localhost:65536",
		"[::1]:x",
		"2130706433",
	};

	assert_false(guard_host_ok(NULL, "127.0.0.1"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (guard_host_ok(bad[i], "127.0.0.1"))
			fail_msg("%s was let in", bad[i]);
}

static void test_origin_must_be_the_host(void **state)
{
	assert_true(guard_origin_ok(NULL, "localhost:8470"));
	assert_true(guard_origin_ok("http://localhost:8470", "localhost:8470"));
	assert_true(guard_origin_ok("https://Localhost:8470", "localhost:8470"));
	assert_false(guard_origin_ok("http://localhost:8471", "localhost:8470"));
	assert_false(guard_origin_ok("http://evil.example", "localhost:8470"));
	assert_false(guard_origin_ok("null", "localhost:8470"));
	assert_false(guard_origin_ok("http://localhost:8470", NULL));
}

static void test_json_types(void **state)
{
	assert_true(guard_type_is_json("application/json"));
	assert_true(guard_type_is_json("Application/JSON; charset=utf-8"));
	assert_true(guard_type_is_json("application/merge-patch+json"));
	assert_false(guard_type_is_json("text/json"));
	assert_false(guard_type_is_json("application/jsonx"));
	assert_true(guard_type_is_json("application/x+json"));
	assert_false(guard_type_is_json("application/+json"));
	assert_false(guard_type_is_json("text/plain; application/json"));
	assert_false(guard_type_is_json(""));
	assert_false(guard_type_is_json(NULL));
}

/* ---- range ---- */

static void test_ranges(void **state)
{
	static const struct {
		const char *header;
		uint64_t size;
		int r;
		uint64_t first, len;
	} cases[] = {
		{"bytes=0-0", 10, 1, 0, 1},
		{"bytes=2-", 10, 1, 2, 8},
		{"bytes=2-99", 10, 1, 2, 8},
		{"bytes=-3", 10, 1, 7, 3},
		{"bytes=-30", 10, 1, 0, 10},
		{"bytes=0-18446744073709551615", 10, 1, 0, 10},
		{"bytes=10-", 10, -ERANGE, 0, 0},
		{"bytes=-0", 10, -ERANGE, 0, 0},
		{"bytes=0-", 0, -ERANGE, 0, 0},
		{"bytes=-1", 0, -ERANGE, 0, 0},
		{"bytes=5-4", 10, 0, 0, 0},
		{"bytes=1-2,4-5", 10, 0, 0, 0},
		{"bytes=", 10, 0, 0, 0},
		{"bytes=-", 10, 0, 0, 0},
		{"bytes= 1-2", 10, 0, 0, 0},
		{"bytes=+1-2", 10, 0, 0, 0},
		{"bytes=99999999999999999999-", 10, 0, 0, 0},
		{"items=0-1", 10, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct byte_range range = {0};
		int r = range_parse(cases[i].header, cases[i].size, &range);

		if (r != cases[i].r ||
		    (r == 1 && (range.first != cases[i].first || range.len != cases[i].len)))
			fail_msg("%s of %llu: %d %llu+%llu", cases[i].header,
				 (unsigned long long)cases[i].size, r,
				 (unsigned long long)range.first, (unsigned long long)range.len);
	}
}

/* ---- logfile ---- */

static void put(const struct scratch *d, const char *name, const char *text)
{
	struct err e;

	assert_int_equal(file_write_atomic(d->fd, name, text, strlen(text), 0600, &e), 0);
}

/* All of the log from `offset` to `end`, in pieces of `max` bytes. */
static void expect_log(const struct scratch *d, int64_t offset, int64_t end, size_t max,
		       const char *want)
{
	OWN(buf_done) struct buf got = BUF_INIT(1 << 16);
	struct logfile lf;
	struct err e;
	ssize_t n;

	assert_int_equal(logfile_open(&lf, d->dir, &e), 0);
	lf.offset = offset;
	do {
		char *to = buf_reserve(&got, max);

		assert_non_null(to);
		n = logfile_read(&lf, end, to, max);
		assert_true(n >= 0);
		buf_added(&got, (size_t)n);
	} while (n > 0);
	logfile_close(&lf);
	assert_string_equal(buf_str(&got), want);
}

static void test_a_missing_log_says_so(void **state)
{
	struct scratch *d = *state;
	struct logfile lf;
	struct err e;

	assert_int_equal(logfile_open(&lf, d->dir, &e), -ENOENT);
	assert_int_equal(lf.fd, -1);
	assert_int_equal(logfile_open(&lf, "/nonexistent", &e), -ENOENT);
}

static void test_a_linked_log_is_refused(void **state)
{
	struct scratch *d = *state;
	struct logfile lf;
	struct err e;

	assert_int_equal(symlinkat("/etc/passwd", d->fd, "log"), 0);
	assert_int_equal(logfile_open(&lf, d->dir, &e), -ERR_GONE);
}

/* A script may put a pipe in the place of either file: no api thread waits for its writer. */
static void test_pipes_do_not_hold_a_reader(void **state)
{
	struct scratch *d = *state;
	struct logfile lf;
	struct err e;
	char buf[16];

	assert_int_equal(mkfifoat(d->fd, "log", 0600), 0);
	assert_int_equal(logfile_open(&lf, d->dir, &e), -ERR_GONE);
	assert_int_equal(unlinkat(d->fd, "log", 0), 0);
	assert_int_equal(file_write_atomic(d->fd, "log", "text\n", 5, 0600, &e), 0);
	assert_int_equal(mkfifoat(d->fd, "log.gap", 0600), 0);
	assert_int_equal(logfile_open(&lf, d->dir, &e), 0);
	assert_int_equal(logfile_read(&lf, INT64_MAX, buf, sizeof(buf)), 5);
	logfile_close(&lf);
}

static void test_reading_without_a_gap(void **state)
{
	struct scratch *d = *state;

	put(d, "log", "one\ntwo\nthree\n");
	for (size_t max = 1; max < 20; max++) {
		expect_log(d, 0, INT64_MAX, max, "one\ntwo\nthree\n");
		expect_log(d, 4, 8, max, "two\n");
		expect_log(d, 14, INT64_MAX, max, "");
	}
}

static void test_a_gap_is_one_line(void **state)
{
	struct scratch *d = *state;

	put(d, "log", "one\ntwo\nthree\n");
	put(d, "log.gap", "{\"v\":1,\"from\":5,\"to\":8}");
	for (size_t max = 1; max < 20; max++) {
		expect_log(d, 0, INT64_MAX, max,
			   "one\nt\n[trainyard: 3 bytes of the log were cut here]\nthree\n");
		expect_log(d, 6, INT64_MAX, max,
			   "\n[trainyard: 2 bytes of the log were cut here]\nthree\n");
		expect_log(d, 8, INT64_MAX, max, "three\n");
		expect_log(d, 0, 5, max, "one\nt");
	}
}

static void test_a_broken_gap_file_is_no_gap(void **state)
{
	struct scratch *d = *state;

	put(d, "log", "one\n");
	put(d, "log.gap", "{\"v\":1,\"from\":3,\"to\":1}");
	expect_log(d, 0, INT64_MAX, 64, "one\n");
	put(d, "log.gap", "{\"v\":1,\"from\":-1,\"to\":3}");
	expect_log(d, 0, INT64_MAX, 64, "one\n");
	put(d, "log.gap", "{");
	expect_log(d, 0, INT64_MAX, 64, "one\n");
}

static int64_t tail_of(const struct scratch *d, int64_t lines)
{
	struct logfile lf;
	struct err e;
	int64_t at;

	assert_int_equal(logfile_open(&lf, d->dir, &e), 0);
	at = logfile_tail(&lf, lines);
	logfile_close(&lf);
	return at;
}

static void test_tail(void **state)
{
	struct scratch *d = *state;

	put(d, "log", "one\ntwo\nthree\n");
	assert_int_equal(tail_of(d, 0), 14);
	assert_int_equal(tail_of(d, 1), 8);
	assert_int_equal(tail_of(d, 2), 4);
	assert_int_equal(tail_of(d, 3), 0);
	assert_int_equal(tail_of(d, 10000), 0);
	put(d, "log", "one\ntwo"); /* the last line is still being written */
	assert_int_equal(tail_of(d, 1), 4);
	put(d, "log", "");
	assert_int_equal(tail_of(d, 5), 0);
	put(d, "log", "one\ntwo\nthree\n");
	put(d, "log.gap", "{\"v\":1,\"from\":1,\"to\":6}");
	assert_int_equal(tail_of(d, 5), 6);
}

static void test_tail_of_a_long_log(void **state)
{
	struct scratch *d = *state;
	OWN(buf_done) struct buf text = BUF_INIT(8 << 20);

	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "line %06d\n", i); /* 12 bytes */
	assert_true(buf_ok(&text));
	put(d, "log", buf_str(&text));
	assert_int_equal(tail_of(d, 1), 12 * 99999);
	assert_int_equal(tail_of(d, 5000), 12 * 95000);
	buf_clear(&text); /* one line, longer than a tail looks at */
	for (int i = 0; i < LOGFILE_TAIL_BYTES / 8 + 10; i++)
		buf_puts(&text, "xxxxxxxx");
	put(d, "log", buf_str(&text));
	assert_int_equal(tail_of(d, 1), (int64_t)text.len - LOGFILE_TAIL_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts_of_this_machine_are_let_in),
		cmocka_unit_test(test_other_hosts_are_refused),
		cmocka_unit_test(test_origin_must_be_the_host),
		cmocka_unit_test(test_json_types),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test_setup_teardown(test_a_missing_log_says_so, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_a_linked_log_is_refused, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_pipes_do_not_hold_a_reader, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_reading_without_a_gap, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_a_gap_is_one_line, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_a_broken_gap_file_is_no_gap, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_tail, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_tail_of_a_long_log, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
