/* SPDX-License-Identifier: MIT */
/* jobs/spec/spec: the limits of SageMaker at the edge and one past it, tags, and references into
 * archives. */
#include "tests/unit/spec_sagemaker.h"

#include "jobs/sagemaker/resource.h"

#define TAGS_OURS 6

/* `n` entries of a map, or one entry of `n` bytes; there and here. */
static int parse_with(const char *field, size_t entries, size_t bytes, const char *target,
		      json_t *problems)
{
	OWN(json_decrefp)
	json_t *body = fixture_json(SAGEMAKER_SCRIPT("")), *text = NULL;
	OWN(freep) char *long_text = calloc(1, bytes + 1);
	OWN(run_spec_freep) struct run_spec *rs = NULL;
	json_t *job = json_array_get(json_object_get(body, "jobs"), 0), *map = json_object();
	char name[32];

	memset(long_text, 'v', bytes);
	text = json_string(long_text);
	for (size_t i = 0; i < entries; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		json_object_set(map, name, text);
	}
	json_object_set_new(job, field, map);
	json_object_set_new(job, "target", json_string(target));
	return run_spec_parse(body, &fixture_context, &rs, problems, NULL);
}

static void test_limits(void **state)
{
	static const struct {
		const char *field;
		size_t entries, bytes; /* the most */
		bool count;	       /* one more entry, or one more byte */
		const char *pointer, *code;
	} cases[] = {
		{"tags", SPEC_TAGS_SAGEMAKER_MAX, 1, true, "/jobs/0/tags", "too_many"},
		{"environment", 1, 512, false, "/jobs/0/environment/n0", "out_of_range"},
		{"hyperparameters", 95, 1, true, "/jobs/0/hyperparameters", "out_of_range"},
	};

	assert_int_equal(SPEC_TAGS_SAGEMAKER_MAX + TAGS_OURS, 50);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(json_decrefp) json_t *problems = json_array();
		size_t entries = cases[i].entries + cases[i].count;
		size_t bytes = cases[i].bytes + !cases[i].count;

		assert_int_equal(parse_with(cases[i].field, cases[i].entries, cases[i].bytes,
					    "sagemaker", problems),
				 0);
		assert_int_equal(parse_with(cases[i].field, entries, bytes, "sagemaker", problems),
				 -ERR_INVALID);
		assert_int_equal(json_array_size(problems), 1);
		if (!fixture_has(problems, cases[i].pointer, cases[i].code, "SageMaker"))
			fail_msg("%s", cases[i].field);
		assert_int_equal(parse_with(cases[i].field, entries, bytes, "local", problems), 0);
	}
}

static void test_tags(void **state)
{
	static const struct refusal cases[] = {
		{RUN(TRAIN(", 'tags': {'aws:x': 'y'}")), "/jobs/0/tags", "invalid",
		 "belong to AWS"},
		{RUN(TRAIN(", 'tags': {'AWS:x': 'y'}")), "/jobs/0/tags", "invalid",
		 "belong to AWS"},
		{RUN(TRAIN(", 'tags': {'" RESOURCE_TAG_NONCE "': 'y'}")), "/jobs/0/tags", "invalid",
		 "belong to the daemon"},
		{"{'tags': {'Trainyard:run': 'y'}, 'jobs': [" TRAIN("") "]}", "/tags", "invalid",
		 "to the daemon"},
		{"{'tags': {'trainyard:run': 'y'}, 'jobs': [" TRAIN("") "]}", "/tags", "invalid",
		 "belong to the daemon"},
		{SAGEMAKER_SCRIPT(", 'tags': {'a&b': 'y'}"), "/jobs/0/tags/a&b", "invalid",
		 "AWS does not accept this tag; use letters"},
		{SAGEMAKER_SCRIPT(", 'tags': {'Env': 'a', 'env': 'b'}"), "/jobs/0/tags/env",
		 "invalid", "'Env' and 'env' are one name for AWS"},
		{SAGEMAKER_SCRIPT(", 'tags': {'a': 'y?'}"), "/jobs/0/tags/a", "invalid",
		 "AWS does not accept this tag; use letters"},
	};

	check_all(cases, ARRAY_LEN(cases));
	run_spec_free(fixture_good(SAGEMAKER_SCRIPT(", 'tags': {'Tëam _.:/=+-@': '日本'}"),
				   &fixture_context));
	run_spec_free(fixture_good(RUN(SCRIPT(", 'tags': {'a&b': '?'}")), &fixture_context));
	run_spec_free(
		fixture_good(RUN(SCRIPT(", 'tags': {'Env': 'a', 'env': 'b'}")), &fixture_context));
}

/* What runs there leaves archives. */
static void test_references_into_archives(void **state)
{
	static const struct refusal cases[] = {
		{RUN(TRAIN(", " THERE ", 'sagemaker': {" SM_MIN
			   "}") ", {'kind': 'evaluate', "
				"'model': '${t.output}/best', 'data': 'd'}"),
		 "/jobs/1/model", "invalid", "points into an archive"},
		{RUN("{'name': 's', 'kind': 'script', 'entry_point': 'a.py', 'source_dir': "
		     "'d', " THERE ", 'sagemaker': {" SM_MIN "}}, {'kind': 'evaluate', 'model': "
		     "'${s.model}/best', 'data': 'd'}"),
		 "/jobs/1/model", "invalid", "runs on SageMaker"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_references_into_archives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
