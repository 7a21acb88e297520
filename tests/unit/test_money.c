/* SPDX-License-Identifier: MIT */
/* base/money.h: amounts as text; base/clock.h: the UTC days and months of the caps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/money.h"
#include "base/own.h"

#define USD(n) ((n)*MICRO_USD_PER_USD)

static int64_t at(const char *text)
{
	int64_t us;

	assert_int_equal(clock_parse(text, &us), 0);
	return us;
}

static void test_text(void **state)
{
	static const struct {
		const char *text;
		int64_t micro_usd;
		const char *back;
	} good[] = {
		{"0", 0, "0.00"},
		{"1.408", 1408000, "1.408"},
		{"12.5", 12500000, "12.50"},
		{"0.000001", 1, "0.000001"},
		{"0.1234560", 0, NULL},
		{"007", USD(7), "7.00"},
		{"1000000000", MONEY_MAX, "1000000000.00"},
		{"1000000000.000000", MONEY_MAX, "1000000000.00"},
	};
	static const char *const bad[] = {"",	"-1", "+1",  "1.",    ".5",	   "1e3", "1,5",
					  " 1", "1 ", "0x1", "1.2.3", "1.0000000", "nan", "$1"};
	static const char *const large[] = {"1000000000.000001", "1000000001",
					    "99999999999999999999999999"};
	char text[MONEY_TEXT_LEN];
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (!good[i].back) {
			assert_int_equal(money_parse(good[i].text, &v), -EINVAL);
			continue;
		}
		assert_int_equal(money_parse(good[i].text, &v), 0);
		assert_int_equal(v, good[i].micro_usd);
		assert_string_equal(money_format(text, v), good[i].back);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(money_parse(bad[i], &v), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(large); i++)
		assert_int_equal(money_parse(large[i], &v), -ERANGE);
	assert_string_equal(money_format(text, -1), "-0.000001");
	assert_string_equal(money_format(text, INT64_MIN), "-9223372036854.775808");
	assert_string_equal(money_format(text, INT64_MAX), "9223372036854.775807");
}

static void test_days_and_months(void **state)
{
	char text[CLOCK_TEXT_LEN];
	int64_t first, next, day = utc_day(at("2024-02-29T23:59:59.999Z"));

	(void)state;
	assert_string_equal(utc_day_format(text, day), "2024-02-29");
	assert_int_equal(utc_day(at("2024-03-01")), day + 1);
	utc_month(day, &first, &next);
	assert_string_equal(utc_day_format(text, first), "2024-02-01");
	assert_string_equal(utc_day_format(text, next), "2024-03-01");
	utc_month(utc_day(at("2023-12-31")), &first, &next);
	assert_string_equal(utc_day_format(text, next), "2024-01-01");
	assert_int_equal(utc_day(-1), -1);
	assert_int_equal(utc_day(0), 0);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_days_and_months),

	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
