/* SPDX-License-Identifier: MIT */
/* base/exposition: the text format, the edges of buckets, escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/exposition.h"
#include "base/own.h"

#include <string.h>

#define HAS(b, text) assert_non_null(strstr(buf_str(&(b)), text))

static void test_edges_of_buckets(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 16);
	struct histogram h = {0};

	histogram_add(&h, 100); /* a bound belongs to its bucket */
	histogram_add(&h, 101);
	histogram_add(&h, -5); /* counts as 0 */
	histogram_add(&h, 10000000);
	histogram_add(&h, 10000001);
	exposition_histogram(&out, "t", &h, NULL);
	HAS(out, "t_bucket{le=\"0.000100\"} 2\nt_bucket{le=\"0.000250\"} 3\n");
	HAS(out, "t_bucket{le=\"5\"} 3\nt_bucket{le=\"10\"} 4\nt_bucket{le=\"+Inf\"} 5\n");
	HAS(out, "t_sum{} 20.000202\nt_count{} 5\n");
}

static void test_buckets_of_jobs(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 16);
	struct histogram h = {.scale = HISTOGRAM_OF_JOBS};

	histogram_add(&h, INT64_C(172800) * 1000000);
	histogram_add(&h, INT64_C(172800) * 1000000 + 1);
	exposition_histogram(&out, "t", &h, "kind", "train", NULL);
	HAS(out,
	    "t_bucket{kind=\"train\",le=\"86400\"} 0\nt_bucket{kind=\"train\",le=\"172800\"} 1\n"
	    "t_bucket{kind=\"train\",le=\"+Inf\"} 2\n");
}

static void test_text(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 16);

	exposition_family(&out, "f", "gauge", "Help.");
	exposition_int(&out, "f", -3, "name", "a\\b\"c\nd", "other", "", NULL);
	exposition_micro(&out, "f", -1500001, NULL);
	exposition_micro(&out, "f", 7, NULL);
	assert_string_equal(buf_str(&out), "# HELP f Help.\n# TYPE f gauge\n"
					   "f{name=\"a\\\\b\\\"c\\nd\",other=\"\"} -3\n"
					   "f{} -1.500001\nf{} 0.000007\n");
}

static void test_what_does_not_fit_is_said(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(8);
	struct histogram h = {0};

	exposition_histogram(&out, "t", &h, NULL);
	assert_false(buf_ok(&out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges_of_buckets),
		cmocka_unit_test(test_buckets_of_jobs),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_what_does_not_fit_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
