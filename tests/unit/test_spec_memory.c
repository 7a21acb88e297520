/* SPDX-License-Identifier: MIT */
/*
 * jobs/spec/spec when memory runs out: each allocation of JSON fails, alone or with all after it.
 * The answer is -ENOMEM or the full result, never a spec with something missing, a crash or a leak.
 */
#include "tests/unit/spec_fixture.h"

#include <errno.h>
#include <stdlib.h>

static long left;  /* allocations that still work; negative: all do */
static bool alone; /* only one fails */

static void *failing_malloc(size_t size)
{
	if (left == 0) {
		left = alone ? -1 : 0;
		return NULL;
	}
	if (left > 0)
		left--;
	return malloc(size);
}

static void check_same(const struct run_spec *got, const struct run_spec *want)
{
	assert_int_equal(got->jobs_n, want->jobs_n);
	assert_true(json_equal(got->tags, want->tags));
	for (size_t i = 0; i < want->jobs_n; i++) {
		if (!json_equal(got->jobs[i].spec, want->jobs[i].spec)) {
			OWN(freep) char *a = json_text(got->jobs[i].spec);
			OWN(freep) char *b = json_text(want->jobs[i].spec);

			fail_msg("%s\nin place of\n%s", a, b);
		}
		assert_true(json_equal(got->jobs[i].tags, want->jobs[i].tags));
		assert_int_equal(got->jobs[i].needs_n, want->jobs[i].needs_n);
		assert_int_equal(got->jobs[i].paths_n, want->jobs[i].paths_n);
	}
}

static void check_parse(void)
{
	OWN(json_decrefp) json_t *body = fixture_json(fixture_pipeline);
	OWN(run_spec_freep)
	struct run_spec *want = fixture_good(fixture_pipeline, &fixture_context);
	int failed = 0, whole = 0;

	for (long n = 0; !whole && n < 100000; n++) {
		OWN(json_decrefp) json_t *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};
		int r;

		left = n;
		r = run_spec_parse(body, &fixture_context, &rs, problems, &e);
		whole = left > 0;
		left = -1;
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(r == 0, rs != NULL);
		failed += r < 0;
		if (rs)
			check_same(rs, want);
	}
	assert_true(whole);
	assert_true(failed > 300);
}

static void test_parse(void **state)
{
	alone = false;
	check_parse();
	alone = true;
	check_parse();
}

static const char *find_output(void *userdata, const struct spec_ref *ref)
{
	return "/somewhere";
}

static void test_resolve(void **state)
{
	OWN(run_spec_freep) struct run_spec *rs = fixture_good(fixture_pipeline, &fixture_context);
	bool whole = false;

	alone = true;
	for (long n = 0; !whole && n < 10000; n++) {
		OWN(json_decrefp) json_t *got = NULL;
		struct err e = {0};
		int r;

		left = n;
		r = spec_resolve(rs->jobs[1].spec, find_output, NULL, &got, &e);
		whole = left > 0;
		left = -1;
		assert_int_equal(r, got ? 0 : -ENOMEM);
		if (got)
			assert_string_equal(
				json_get_str(json_object_get(got, "channels"), "train", ""),
				"/somewhere");
	}
	assert_true(whole);
}

static int set_up(void **state)
{
	left = -1;
	json_set_alloc_funcs(failing_malloc, free);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
