/* SPDX-License-Identifier: MIT */
/* jobs/sagemaker/prices: the table, the configuration's own prices before it, and mistakes in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/str.h"
#include "jobs/sagemaker/prices.h"

#include <stdio.h>
#include <string.h>

#define USD(n) ((int64_t)((n)*1000000 + 0.5))

static struct prices *with(const char *own)
{
	struct prices *p = NULL;
	struct err e = {0};

	if (prices_new(own, &p, &e) < 0)
		fail_msg("%s", e.msg);
	return p;
}

static int64_t price(const struct prices *p, const char *region, const char *type)
{
	struct err e = {0};
	int64_t micro_usd = -1;

	return prices_instance(p, region, type, &micro_usd, &e) < 0 ? -1 : micro_usd;
}

static void test_table(void **state)
{
	OWN(prices_freep) struct prices *p = with("");
	static const char *const families[] = {
		"ml.g4dn.xlarge",  "ml.g5.xlarge",   "ml.g6.xlarge", "ml.p3.2xlarge",
		"ml.p4d.24xlarge", "ml.p5.48xlarge", "ml.m5.xlarge", "ml.c5.xlarge",
		"ml.r5.xlarge",	   "ml.t2.medium",   "ml.t3.medium", "ml.inf1.xlarge",
		"ml.inf2.xlarge",
	};
	static const char *const regions[] = {"us-east-1",    "us-west-2",	"eu-west-1",
					      "eu-central-1", "ap-northeast-1", ""};
	struct err e = {0};
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		int64_t home = price(p, "us-east-1", families[i]);

		assert_true(home > 0);
		for (size_t r = 0; r < ARRAY_LEN(regions); r++)
			assert_true(price(p, regions[r], families[i]) >= home);
		/* A region that is not known yet costs what the dearest one does. */
		for (size_t r = 0; r < ARRAY_LEN(regions); r++)
			assert_true(price(p, "", families[i]) >= price(p, regions[r], families[i]));
	}
	assert_int_equal(price(p, "us-east-1", "ml.g5.xlarge"), USD(1.408));
	assert_int_equal(price(p, "eu-west-1", "ml.g5.xlarge"), USD(1.6192));
	assert_true(prices_noted(p)[0]);
	assert_int_equal(prices_serverless(p, "us-east-1", &v, &e), 0);
	assert_int_equal(v, 20);
	assert_int_equal(prices_instance(p, "us-east-1", "ml.x9.large", &v, &e), -ERR_NOT_FOUND);
	assert_string_equal(e.msg, "the price of ml.x9.large in us-east-1 is not known, so its "
				   "worst case cannot be reserved; give the price in the "
				   "configuration (money.prices), such as \"ml.x9.large=1.23\" in "
				   "US dollars per hour");
	assert_int_equal(prices_instance(p, "mars-north-1", "ml.m5.large", &v, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "in mars-north-1"));
	assert_int_equal(prices_instance(p, "us-east-1", "", &v, &e), -ERR_NOT_FOUND);
}

static void test_own_prices(void **state)
{
	OWN(prices_freep)
	struct prices *p = with(" ml.g5.xlarge=2 ,eu-west-1/ml.g5.xlarge=3.5,, mars/ml.x9.large=9,"
				"serverless=0.0001");
	struct err e = {0};
	int64_t v;

	(void)state;
	assert_int_equal(price(p, "us-east-1", "ml.g5.xlarge"), USD(2));
	assert_int_equal(price(p, "ap-northeast-1", "ml.g5.xlarge"), USD(2));
	assert_int_equal(price(p, "eu-west-1", "ml.g5.xlarge"), USD(3.5));
	assert_int_equal(price(p, "", "ml.g5.xlarge"), USD(3.5));
	assert_int_equal(price(p, "mars", "ml.x9.large"), USD(9));
	assert_int_equal(price(p, "us-east-1", "ml.x9.large"), -1);
	assert_int_equal(price(p, "us-east-1", "ml.m5.xlarge"), USD(0.23));
	assert_int_equal(prices_serverless(p, "mars", &v, &e), 0);
	assert_int_equal(v, 100);
}

static void test_wrong_prices(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"ml.g5.xlarge", "'ml.g5.xlarge' is not a price; write INSTANCE_TYPE=DOLLARS"},
		{"=1", "'=1' is not a price"},
		{"a/b/c=1", "is not a price"},
		{"/c=1", "is not a price"},
		{"ml x=1", "is not a price"},
		{"ml.x=", "'' is not a price for ml.x; write US dollars"},
		{"ml.x=-1", "'-1' is not a price for ml.x"},
		{"ml.x=1.1234567", "at most six decimals"},
		{"ml.x=1,ml.x=2", "the price of ml.x is given twice"},
	};
	struct prices *p = NULL;
	struct err e = {0};
	char many[8192] = "";
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(prices_new(cases[i].text, &p, &e), -ERR_INVALID);
		if (!strstr(e.msg, cases[i].words))
			fail_msg("%s: %s", cases[i].text, e.msg);
	}
	for (int i = 0; i < PRICES_OWN_MAX; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "ml.x%d=1,", i);
	assert_int_equal(prices_new(many, &p, &e), 0);
	prices_free(p);
	snprintf(many + n, sizeof(many) - n, "ml.y=1");
	assert_int_equal(prices_new(many, &p, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "more than 256 prices"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_own_prices),
		cmocka_unit_test(test_wrong_prices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
