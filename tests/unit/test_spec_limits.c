/* SPDX-License-Identifier: MIT */
/*
 * jobs/spec/spec: limits at the edge and one past, very many problems, and random damage to a good
 * spec, which must never do more than be refused.
 */
#include "tests/unit/spec_refusal.h"

#define MUTATIONS 4000

static void test_without_native_engine(void **state)
{
	OWN(json_decrefp)
	json_t *body = fixture_json(
		RUN(PREP("") "," SCRIPT("") ", {'kind': 'train', 'entry_point': 'a', 'source_dir': "
					    "'d', 'channels': {'x': '${prep.train}'}}"));
	OWN(json_decrefp) json_t *problems = json_array();
	struct spec_context ctx = fixture_context;
	struct run_spec *rs = NULL;

	ctx.native = false;
	assert_int_equal(run_spec_parse(body, &ctx, &rs, problems, NULL), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), 1);
	assert_true(fixture_has(problems, "/jobs/0/kind", "unsupported", "the native engine"));
}

/* A name of `len` letters between the two halves of a spec. */
static int parse_with_name(const char *const halves[2], int len)
{
	OWN(json_decrefp) json_t *body = NULL, *problems = json_array();
	char name[1024], text[4096];
	struct run_spec *rs = NULL;
	int r;

	memset(name, 'a', sizeof(name));
	name[len] = '\0';
	snprintf(text, sizeof(text), "%s%s%s", halves[0], name, halves[1]);
	body = fixture_json(text);
	r = run_spec_parse(body, &fixture_context, &rs, problems, NULL);
	run_spec_free(rs);
	return r;
}

static void test_names_at_their_limits(void **state)
{
#define HALF(more) "{'jobs': [{'kind': 'script', 'entry_point': 'a', 'source_dir': 'd', " more
	static const char *const channel[] = {HALF("'channels': {'"), "': 'x'}}]}"};
	static const char *const variable[] = {HALF("'environment': {'"), "': 'x'}}]}"};
	static const char *const role[] = {HALF("'sagemaker': {'role': '"), "'}}]}"};
#undef HALF

	assert_int_equal(parse_with_name(channel, 64), 0);
	assert_int_equal(parse_with_name(channel, 65), -ERR_INVALID);
	assert_int_equal(parse_with_name(variable, 512), 0);
	assert_int_equal(parse_with_name(variable, 513), -ERR_INVALID);
	assert_int_equal(parse_with_name(role, 64), 0);
	assert_int_equal(parse_with_name(role, 65), -ERR_INVALID);
}

/* Everything wrong is said at once, up to the limit. */
static void test_many_problems(void **state)
{
	OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs"), *problems = json_array();
	struct run_spec *rs = NULL;
	struct err e = {0};

	for (int i = 0; i < SPEC_PROBLEMS_MAX + 5; i++)
		json_array_append_new(json_object_get(body, "jobs"),
				      json_pack("{s:s}", "kind", "nonsense"));
	assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, &e), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), SPEC_PROBLEMS_MAX);
	assert_string_equal(e.field, "/jobs/0/kind");
	assert_non_null(strstr(e.msg, "(and more problems)"));
}

/* Names of any length and script are cut between characters, in the pointer too. */
static void test_long_unknown_names(void **state)
{
	for (size_t n = 1; n < 300; n++) {
		OWN(json_decrefp)
		json_t *body = fixture_json(RUN(TRAIN(""))), *problems = json_array();
		OWN(buf_done) struct buf name = BUF_INIT(1 << 16);
		struct run_spec *rs = NULL;
		const json_t *one;

		for (size_t i = 0; i < n; i++)
			buf_puts(&name, i % 3 ? "ü" : "語");
		json_object_set_new(json_array_get(json_object_get(body, "jobs"), 0),
				    buf_str(&name), json_true());
		assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, NULL),
				 -ERR_INVALID);
		assert_int_equal(json_array_size(problems), 1);
		one = json_array_get(problems, 0);
		assert_true(str_starts(json_get_str(one, "pointer", ""), "/jobs/0/語"));
	}
}

/* The costly search for the nearest name ends with the list of problems. */
static void test_very_many_problems(void **state)
{
	OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs"), *problems = json_array();
	json_t *needs = json_array();
	struct run_spec *rs = NULL;
	char name[SPEC_NAME_MAX + 1];

	for (int i = 0; i < SPEC_NEEDS_MAX; i++) {
		snprintf(name, sizeof(name), "%063d", i);
		json_array_append_new(needs, json_string(name));
	}
	for (int i = 0; i < SPEC_JOBS_MAX; i++) {
		snprintf(name, sizeof(name), "%062dx", i);
		json_array_append_new(json_object_get(body, "jobs"),
				      json_pack("{s:s, s:s, s:s, s:s, s:O}", "name", name, "kind",
						"script", "entry_point", "a", "source_dir", "d",
						"needs", needs));
	}
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		json_object_set_new(body, name, json_null());
	}
	json_decref(needs);
	assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, NULL), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), SPEC_PROBLEMS_MAX);
}

/* A script job with n of something, as submitted. */
static json_t *with_many(const char *field, size_t n)
{
	json_t *job = json_pack("{s:s, s:s, s:s, s:s}", "name", "many", "kind", "script",
				"entry_point", "a", "source_dir", "d");
	bool list = str_eq(field, "needs");
	json_t *values = list ? json_array() : json_object();

	for (size_t i = 0; i < n; i++) {
		char text[32];

		snprintf(text, sizeof(text), "j%zu", i);
		if (list)
			json_array_append_new(values, json_string(text));
		else
			json_object_set_new(values, text, json_string("v"));
	}
	json_object_set_new(job, field, values);
	return job;
}

static void check_limit(const char *field, size_t max, const char *pointer)
{
	for (size_t n = max; n <= max + 1; n++) {
		OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs");
		OWN(json_decrefp) json_t *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		json_t *jobs = json_object_get(body, "jobs");
		struct err e = {0};
		int r;

		json_array_append_new(jobs, with_many(field, n));
		for (size_t i = 0; str_eq(field, "needs") && i < n; i++) {
			json_t *job = with_many("tags", 0);
			char name[32];

			snprintf(name, sizeof(name), "j%zu", i);
			json_object_set_new(job, "name", json_string(name));
			json_array_append_new(jobs, job);
		}
		r = run_spec_parse(body, &fixture_context, &rs, problems, &e);
		assert_int_equal(r, n == max ? 0 : -ERR_INVALID);
		if (n > max)
			assert_true(fixture_has(problems, pointer, "too_many", "at most"));
	}
}

static void test_counts(void **state)
{
	check_limit("needs", SPEC_NEEDS_MAX, "/jobs/0/needs");
	check_limit("tags", SPEC_TAGS_MAX, "/jobs/0/tags");
	check_limit("environment", 100, "/jobs/0/environment");
	check_limit("hyperparameters", 100, "/jobs/0/hyperparameters");
	check_limit("channels", 20, "/jobs/0/channels");
}

static void test_jobs_max(void **state)
{
	for (size_t n = SPEC_JOBS_MAX; n <= SPEC_JOBS_MAX + 1; n++) {
		OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs");
		OWN(json_decrefp) json_t *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};

		for (size_t i = 0; i < n; i++) { /* one long chain */
			json_t *job = with_many("tags", 0);
			char name[32];

			snprintf(name, sizeof(name), "c%zu", i);
			json_object_set_new(job, "name", json_string(name));
			snprintf(name, sizeof(name), "c%zu", i + 1);
			if (i + 1 < n)
				json_object_set_new(job, "needs", json_pack("[s]", name));
			json_array_append_new(json_object_get(body, "jobs"), job);
		}
		assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, &e),
				 n == SPEC_JOBS_MAX ? 0 : -ERR_INVALID);
		if (n > SPEC_JOBS_MAX)
			assert_true(fixture_has(problems, "/jobs", "too_many", "at most 256"));
		else
			assert_int_equal(rs->jobs_n, n);
	}
}

/* Texts of `max` bytes pass, of one more do not. */
static void check_length(const char *before, size_t max, const char *after, const char *pointer)
{
	for (size_t n = max; n <= max + 1; n++) {
		OWN(buf_done) struct buf text = BUF_INIT(1 << 20);
		OWN(json_decrefp) json_t *body = NULL, *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};
		int r;

		buf_puts(&text, before);
		for (size_t i = 0; i < n; i++)
			buf_puts(&text, "n");
		buf_puts(&text, after);
		body = fixture_json(buf_str(&text));
		r = run_spec_parse(body, &fixture_context, &rs, problems, &e);
		assert_int_equal(r, n == max ? 0 : -ERR_INVALID);
		if (n > max && !fixture_has(problems, pointer, "out_of_range", "bytes"))
			fail_msg("%s: %s", pointer, e.msg);
	}
}

static void test_lengths(void **state)
{
	check_length("{'name': '", SPEC_NAME_MAX, "', 'jobs': [" TRAIN("") "]}", "/name");
	check_length("{'jobs': [{'kind': 'delete-endpoint', 'endpoint': 'e', 'name': '",
		     SPEC_NAME_MAX, "'}]}", "/jobs/0/name");
	check_length("{'jobs': [{'kind': 'delete-endpoint', 'endpoint': '", SPEC_NAME_MAX, "'}]}",
		     "/jobs/0/endpoint");
	check_length("{'jobs': [{'kind': 'evaluate', 'model': 'm', 'data': '", SPEC_PATH_MAX,
		     "'}]}", "/jobs/0/data");
	check_length("{'tags': {'a': '", 256, "'}, 'jobs': [" TRAIN("") "]}", "/tags/a");
	check_length("{'tags': {'", 128, "': 'b'}, 'jobs': [" TRAIN("") "]}", "/tags");
	check_length("{'jobs': [{'kind': 'script', 'entry_point': 'a', 'source_dir': 'd', "
		     "'hyperparameters': {'h': '",
		     2500 - 2, "'}}]}", "/jobs/0/hyperparameters/h");
}

/* xorshift: the same damage every time. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static json_t *random_value(uint64_t *seed)
{
	switch (next_random(seed) % 10) {
	case 0:
		return json_null();
	case 1:
		return json_integer((json_int_t)next_random(seed));
	case 2:
		return json_real(-1e300);
	case 3:
		return json_string("");
	case 4:
		return json_string("${prep.train}");
	case 5:
		return json_string("${a.b}/../..");
	case 6:
		return json_array();
	case 7:
		return json_object();
	case 8:
		return json_pack("[{s:[n]}]", "jobs");
	default:
		return json_boolean(next_random(seed) & 1);
	}
}

/* Replace, remove or add something somewhere below `v`. */
static void damage(json_t *v, uint64_t *seed)
{
	size_t n = json_is_object(v) ? json_object_size(v) : json_array_size(v);
	size_t at = n ? next_random(seed) % n : 0;
	const char *key = NULL;
	json_t *child = json_array_get(v, at);
	void *iter = json_object_iter(v);

	for (size_t i = 0; iter && i < at; i++)
		iter = json_object_iter_next(v, iter);
	if (iter) {
		key = json_object_iter_key(iter);
		child = json_object_iter_value(iter);
	}
	if (child && next_random(seed) % 4 && (json_is_object(child) || json_is_array(child))) {
		damage(child, seed);
	} else if (json_is_array(v)) {
		if (next_random(seed) % 2 && n)
			json_array_set_new(v, at, random_value(seed));
		else
			json_array_append_new(v, n ? json_deep_copy(child) : random_value(seed));
	} else if (next_random(seed) % 3 && key) {
		json_object_set_new(v, key, random_value(seed));
	} else if (key) {
		OWN(freep) char *name = strdup(key);

		json_object_del(v, name);
	} else {
		json_object_set_new(v, "needs", random_value(seed));
	}
}

static void test_random_damage(void **state)
{
	OWN(json_decrefp) json_t *good = fixture_json(fixture_pipeline);
	uint64_t seed = 88172645463325252u;
	int refused = 0, taken = 0;

	for (int i = 0; i < MUTATIONS; i++) {
		OWN(json_decrefp) json_t *body = json_deep_copy(good), *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};
		int r;

		for (uint64_t n = 1 + next_random(&seed) % 4; n; n--)
			damage(body, &seed);
		r = run_spec_parse(body, &fixture_context, &rs, problems, &e);
		assert_true(r == 0 || r == -ERR_INVALID);
		assert_int_equal(r == 0, json_array_size(problems) == 0);
		assert_int_equal(r == 0, rs != NULL);
		refused += r < 0;
		taken += r == 0;
	}
	assert_true(refused > MUTATIONS / 2);
	assert_true(taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_native_engine),
		cmocka_unit_test(test_names_at_their_limits),
		cmocka_unit_test(test_many_problems),
		cmocka_unit_test(test_long_unknown_names),
		cmocka_unit_test(test_very_many_problems),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_jobs_max),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
