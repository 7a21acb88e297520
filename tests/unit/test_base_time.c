/* SPDX-License-Identifier: MIT */
/* base/clock: times and durations as text, and the back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>

#define US USEC_PER_SEC

static void test_clock_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{"1970-01-01", 0},
		{"1970-01-01T00:00:00Z", 0},
		{"2026-01-02T03:04:05.678Z", INT64_C(1767323045678000)},
		{"2026-01-02t03:04:05.678901z", INT64_C(1767323045678901)},
		{"2026-01-02 04:04:05+01:00", INT64_C(1767323045000000)},
		{"2026-01-01T21:34:05.5-05:30", INT64_C(1767323045500000)},
		{"2024-02-29", INT64_C(1709164800000000)},
	};
	static const char *const bad[] = {
		"",
		"2026",
		"2026-13-01",
		"2026-02-29",
		"2026-04-31",
		"1969-12-31",
		"2026-01-02T",
		"2026-01-02T03:04Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05+1:00",
		"2026-01-02T03:04:05Zx",
		"2026-1-2",
	};
	char text[CLOCK_TEXT_LEN];
	int64_t us;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(clock_parse(good[i].text, &us), 0);
		assert_true(us == good[i].us);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (clock_parse(bad[i], &us) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	assert_string_equal(clock_format(text, INT64_C(1767323045678901)),
			    "2026-01-02T03:04:05.678Z");
	assert_string_equal(clock_format(text, -1), "1969-12-31T23:59:59.999Z");
	assert_string_equal(clock_format(text, INT64_C(253402300799999000)),
			    "9999-12-31T23:59:59.999Z");
	assert_string_equal(clock_format(text, INT64_MAX), "9999-12-31T23:59:59.999Z");
	assert_string_equal(clock_format(text, INT64_MIN), "0000-01-01T00:00:00.000Z");
	clock_fake_us(INT64_C(1767323045678000));
	assert_true(clock_now_us() == INT64_C(1767323045678000));
	clock_fake_us(0);
	assert_true(clock_now_us() > INT64_C(1767323045678000));
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
		const char *shown;
	} good[] = {
		{"0s", 0, "0s"},
		{"500ms", US / 2, "500ms"},
		{"90s", 90 * US, "1m30s"},
		{"15m", 900 * US, "15m"},
		{"1h30m", 5400 * US, "1h30m"},
		{"7d", 7 * 86400 * US, "7d"},
		{"25h", 25 * 3600 * US, "1d1h"},
		{"36600d", 36600 * (86400 * US), "36600d"},
	};
	static const char *const bad[] = {"",	  "1",	"s",   "1 s", "-1s",
					  "1.5h", "1x", "1hm", "h1",  "1sm"};
	char text[32];
	int64_t us;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(duration_parse(good[i].text, &us), 0);
		assert_true(us == good[i].us);
		assert_string_equal(duration_format(text, us), good[i].shown);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(duration_parse(bad[i], &us), -EINVAL);
	assert_int_equal(duration_parse("36601d", &us), -ERANGE);
	assert_int_equal(duration_parse("36600d1ms", &us), -ERANGE);
	assert_int_equal(duration_parse("99999999999999999999s", &us), -ERANGE);
}

static void test_backoff(void **state)
{
	int64_t max = 300 * USEC_PER_SEC;

	assert_int_equal(backoff_us(2 * USEC_PER_SEC, max, 0), 2 * USEC_PER_SEC);
	assert_int_equal(backoff_us(2 * USEC_PER_SEC, max, 1), 2 * USEC_PER_SEC);
	assert_int_equal(backoff_us(2 * USEC_PER_SEC, max, 2), 4 * USEC_PER_SEC);
	assert_int_equal(backoff_us(2 * USEC_PER_SEC, max, 8), 256 * USEC_PER_SEC);
	assert_int_equal(backoff_us(2 * USEC_PER_SEC, max, 9), max);
	assert_int_equal(backoff_us(2 * USEC_PER_SEC, max, INT_MAX), max);
	assert_int_equal(backoff_us(max, max, 2), max);
	assert_int_equal(backoff_us(max + 1, max, 1), max);
	assert_int_equal(backoff_us(1, INT64_MAX, 63), INT64_C(1) << 62);
	assert_int_equal(backoff_us(1, INT64_MAX, 64), INT64_MAX);
	assert_int_equal(backoff_us(0, max, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_parse),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
