/* SPDX-License-Identifier: MIT */
/* storage/answer.c, submitted.c, stored_json.c: answers that are written as text are those that
 * Jansson writes of a tree. */
#include "tests/unit/store_reader.h"

#include "base/json_put.h"
#include "base/str.h"
#include "storage/answer.h"
#include "storage/paths.h"
#include "storage/stored_json.h"

#include <string.h>

#define AT "2023-11-14T22:13:20.000Z"
/* Odd characters, U+0000, a surrogate pair's character, numbers at their limits, a path. */
#define ODD                                                                                     \
	"{\"b\":\"\\u0000\\u001f\\b\\f\\n\\r\\t\\\"\\\\/\\u007f\\u00e4\\u2028\\ud83d\\ude82\"," \
	"\"a\":[9223372036854775807,-9223372036854775808,0,-0.0,0.1,1e300,5e-324,"              \
	"123456789012345678,"                                                                   \
	"true,false,null,[],{}],\"data:/k\":{\"d\":\"data:/x\",\"e\":\"data::\",\"f\":\"data:\"}}"

static json_t *odd(void)
{
	json_t *j = NULL;

	assert_int_equal(json_parse_nul(ODD, strlen(ODD), &j, NULL), 0);
	return j;
}

/* Jansson's text of the tree; the numbers of ODD are written alike by both but for some reals. */
static char *oracle(const json_t *j)
{
	char *text = json_line(j);

	text[strlen(text) - 1] = '\0';
	return text;
}

static void assert_text(struct buf *text, json_t *expected)
{
	OWN(json_decrefp) json_t *owned = expected;
	OWN(freep) char *wanted = oracle(owned);

	buf_puts(text, "}");
	assert_true(buf_ok(text));
	assert_string_equal(buf_str(text), wanted);
	buf_done(text);
}

static struct run_spec *odd_run(void)
{
	struct run_spec *rs = make_run("odd", 3, true);
	struct job_spec *js = &rs->jobs[2];

	json_decref(js->spec);
	json_decref(js->tags);
	json_decref(rs->tags);
	js->spec = odd();
	js->tags = json_pack("{s:s, s:s}", "z", "\xf0\x9f\x9a\x82\"\x01", "a", "data:/tag");
	rs->tags = json_incref(js->tags);
	js->held = true;
	js->priority = -7;
	js->needs = realloc(js->needs, 3 * sizeof(*js->needs));
	js->needs[1] = (struct job_need){.job = 0, .when = NEED_FAILURE};
	js->needs[2] = (struct job_need){.job = 1, .when = NEED_ALWAYS};
	js->needs_n = 3;
	rs->jobs[0].held = true;
	rs->warnings = json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "pointer",
				 "/jobs/2/x/\xc3\xa4", "detail", "odd \"\n\x01", "pointer", "/name",
				 "detail", "of the run", "pointer", "/jobs/2", "detail", "again");
	return rs;
}

static void odd_run_free(struct run_spec *rs)
{
	json_decref(rs->warnings);
	free_run(rs);
}

static struct submitted *insert(struct fixture *f, const struct run_spec *rs)
{
	struct submitted *at = NULL;

	BEGIN(f);
	OK(f, store_run_insert(f->st, rs, "r1", T0, &at, &f->e));
	COMMIT(f);
	return at;
}

static json_t *warning(const char *pointer, const char *detail)
{
	return json_pack("{s:s, s:s, s:s, s:i}", "code", "spec", "pointer", pointer, "detail",
			 detail, "count", 1);
}

/* The job 2 of odd_run() as its answer names it. */
static json_t *odd_job(const struct submitted *at)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:n, s:n, s:s, s:s, s:{s:s, s:s}, s:i, s:i, s:b, s:[o, o]}",
		"id", at->jobs[2], "name", "c0", "state", "blocked", "created_at", AT, "started_at",
		"finished_at", "kind", "train", "target", "local", "reason", "code",
		"waiting_for_jobs", "message", "waits for b0, a0, b0", "attempt", 0, "seq", 4,
		"held", 1, "warnings", warning("/x/\xc3\xa4", "odd \"\n\x01"),
		warning("", "again"));
}

static void test_a_submitted_run(void **state)
{
	struct fixture *f = *state;
	struct run_spec *rs = odd_run();
	OWN(freep) struct submitted *at = insert(f, rs);
	struct buf text = BUF_INIT(65536);
	OWN(json_decrefp) json_t *job = odd_job(at), *read = NULL, *mine = NULL;
	OWN(freep) char *line = NULL;

	json_object_set_new(job, "needs", json_pack("[s, s, s]", "a0", "b0", "b0"));
	answer_submitted_run(&text, rs, at);
	READER(f);
	OK(f, store_read_run(sr, "r1", &read, &f->e));
	mine = json_object_get(read, "jobs");
	line = oracle(json_array_get(mine, 2));
	mine = NULL;
	assert_non_null(strstr(buf_str(&text), line));
	free(TAKE(line));
	line = oracle(job);
	assert_non_null(strstr(buf_str(&text), line));
	assert_text(&text, json_incref(read));
	odd_run_free(rs);
}

static void test_a_submitted_job(void **state)
{
	struct fixture *f = *state;
	struct run_spec *rs = odd_run(), one = *rs;
	OWN(freep) struct submitted *at = NULL;
	OWN(json_decrefp) json_t *expected = NULL, *read = NULL;
	struct buf text = BUF_INIT(65536);

	rs->jobs[2].needs_n = 0;
	one.jobs = &rs->jobs[2];
	one.jobs_n = 1;
	one.warnings = NULL;
	at = insert(f, &one);
	answer_submitted_job(&text, &one, at);
	expected = json_pack(
		"{s:s, s:s, s:s, s:s, s:n, s:n, s:s, s:s, s:{s:s, s:s}, s:i, s:i, s:b, s:s, s:i, "
		"s:n, s:{s:s, s:s}, s:{}}",
		"id", at->jobs[0], "name", "c0", "state", "queued", "created_at", AT, "started_at",
		"finished_at", "kind", "train", "target", "local", "reason", "code", "held",
		"message", "held until it is released", "attempt", 0, "seq", 2, "held", 1, "run",
		"r1", "priority", -7, "cancel_requested_at", "tags", "a", "data:/tag", "z",
		"\xf0\x9f\x9a\x82\"\x01", "outputs");
	READER(f);
	OK(f, store_read_job(sr, at->jobs[0], &read, &f->e));
	json_object_set(expected, "spec", json_object_get(read, "spec"));
	assert_true(json_equal(json_object_get(read, "spec"), rs->jobs[2].spec));
	assert_text(&text, json_incref(expected));
	odd_run_free(rs);
}

/* A list is the items that one answer each has, whatever their texts hold. */
static void test_lists_are_the_texts_of_their_rows(void **state)
{
	struct fixture *f = *state;
	struct run_spec *rs = odd_run();
	OWN(freep) struct submitted *at = insert(f, rs);
	OWN(json_decrefp) json_t *outputs = odd(), *job = NULL, *list = NULL;
	struct buf text = BUF_INIT(1 << 20);
	char path[128];

	snprintf(path, sizeof(path), "%s/executions/x", f->dir);
	json_object_set_new(outputs, "path", json_string(path));
	BEGIN(f);
	OK(f, store_job_set_outputs(f->st, at->jobs[1], outputs, &f->e));
	COMMIT(f);
	READER(f);
	OK(f, store_read_jobs(sr, &(struct list_filter){.with_spec = true}, &text, &f->e));
	list = json_pack("{s:[], s:n}", "items", "next_cursor");
	for (size_t i = 3; i-- > 0;) {
		OK(f, store_read_job(sr, at->jobs[i], &job, &f->e));
		json_array_append_new(json_object_get(list, "items"), TAKE(job));
	}
	OK(f, store_read_job(sr, at->jobs[1], &job, &f->e));
	assert_true(json_equal(json_object_get(job, "outputs"), outputs));
	text.len--; /* assert_text() adds the brace */
	assert_text(&text, TAKE(list));
	odd_run_free(rs);
}

static const char *const canonical[] = {
	"{}",
	"[]",
	"\"\"",
	"0",
	"-1",
	"null",
	"true",
	"false",
	"1.5",
	"0.1",
	"1e300",
	"1e+22",
	"100000.0",
	"0.30000000000000004",
	"[1,[2,[3]],{\"a\":{}}]",
	"{\"data:/k\":\"data:/v\"}",
	"\"data::x\"",
	"\"data:x\"",
	"\"data:/\\u0000\"",
	"\"\\u0001\\u001F\\b\\f\\n\\r\\t\\\\\\\"\"",
	"\"\xc3\xa4\xf0\x9f\x9a\x82\x7f\"",
	"999999999999999999",
	"[\"data:/a\\\"b\"]",
};
static const char *const refused[] = {
	"",
	"{",
	"}",
	"[1,]",
	"[,1]",
	"{\"a\"}",
	"{\"a\":}",
	"{a:1}",
	" 1",
	"1 ",
	"[1, 2]",
	"01",
	"-",
	"-0",
	"1.",
	".5",
	"1e",
	"+1",
	"1.5.5",
	"1e5e",
	"1e999",
	"nul",
	"nulls",
	"tru",
	"\"",
	"\"\\\"",
	"\"\\/\"",
	"\"\\u0041\"",
	"\"\\u001f\"",
	"\"\\u000A\"",
	"\"\\u0008\"",
	"\"\x01\"",
	"\"\xff\"",
	"\"\xed\xa0\x80\"",
	"1]",
	"[1}",
	"[[1]",
	"9223372036854775808",
	"\"a\"b",
	"\"\\x\"",
	"{\"a\":1 }",
	"\"\\u00",
	"\"\\u000",
};

/* A stored text is copied exactly as it would be parsed and written; else it is not copied. */
static void test_stored_texts_are_copied_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(canonical); i++) {
		OWN(buf_done) struct buf out = BUF_INIT(1000), plain = BUF_INIT(1000);
		OWN(json_decrefp) json_t *j = NULL;
		OWN(freep) char *as_is = NULL, *unpacked = NULL;

		assert_int_equal(json_parse_nul(canonical[i], strlen(canonical[i]), &j, NULL), 0);
		as_is = oracle(j);
		assert_true(stored_json_put(&plain, canonical[i], strlen(canonical[i]), NULL));
		assert_string_equal(buf_str(&plain), as_is);
		j = paths_unpack("/d\"\\\n", j);
		unpacked = oracle(j);
		assert_true(stored_json_put(&out, canonical[i], strlen(canonical[i]), "/d\"\\\n"));
		assert_string_equal(buf_str(&out), unpacked);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		OWN(buf_done) struct buf out = BUF_INIT(1000);

		buf_puts(&out, "before");
		if (stored_json_put(&out, refused[i], strlen(refused[i]), NULL))
			fail_msg("%s is copied", refused[i]);
		assert_string_equal(buf_str(&out), "before");
	}
}

static void test_nesting_has_the_parser_s_limit(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 3];

	for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		OWN(buf_done) struct buf out = BUF_INIT(1000);

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(stored_json_put(&out, text, 2 * depth, NULL),
				 depth == JSON_DEPTH_MAX);
	}
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_a_submitted_run),
		CASE(test_a_submitted_job),
		CASE(test_lists_are_the_texts_of_their_rows),
		cmocka_unit_test(test_stored_texts_are_copied_or_refused),
		cmocka_unit_test(test_nesting_has_the_parser_s_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
