/* SPDX-License-Identifier: MIT */
/* storage/write/warning: kinds, counts, events, and whose warnings a submit's are. */
#include "tests/unit/store_fixture.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/store_read.h"

static void warn(struct fixture *f, const char *job, int attempt, const char *code,
		 const char *detail)
{
	OK(f, store_warning_insert(f->st, job, attempt, code, detail, T0, &f->e));
}

static json_t *warnings_of(struct fixture *f, const char *job)
{
	OWN(json_decrefp) json_t *item = NULL;
	struct store_reader *sr = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_job(sr, job, &item, &f->e));
	store_reader_close(sr);
	return json_incref(json_object_get(item, "warnings"));
}

static void expect(const json_t *list, size_t i, const char *code, const char *detail, int count)
{
	const json_t *warning = json_array_get(list, i);

	assert_string_equal(json_get_str(warning, "code", ""), code);
	assert_string_equal(json_get_str(warning, "detail", ""), detail);
	assert_int_equal(json_get_int(warning, "count", 0), count);
}

static size_t count_events(struct fixture *f)
{
	OWN(json_decrefp) json_t *events = store_take_events(f->st);
	const json_t *event;
	size_t i, n = 0;

	json_array_foreach(events, i, event)
		n += str_eq(json_get_str(event, "kind", ""), "warning");
	return n;
}

static void test_a_code_is_one_row_with_a_count(void **state)
{
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *list = NULL;
	char run[ID_LEN], ids[1][ID_LEN];
	int number;

	insert_run(f, "one", 1, false, T0, run, ids);
	assert_null(warnings_of(f, ids[0]));
	json_decref(store_take_events(f->st));
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0, &number, &f->e));
	for (int i = 0; i < 10; i++)
		warn(f, ids[0], number, "slow", i ? "another" : "the first");
	warn(f, ids[0], number, "bytes", "not \xff UTF-8");
	COMMIT(f);
	list = warnings_of(f, ids[0]);
	assert_int_equal(json_array_size(list), 2);
	expect(list, 0, "slow", "the first", 10);
	expect(list, 1, "bytes", "not ? UTF-8", 1);
	assert_int_equal(count_events(f), 4 + 1); /* at 1, 2, 4, 8; and the other code */
}

static void test_codes_of_an_attempt_are_bounded(void **state)
{
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *list = NULL, *next = NULL;
	char run[ID_LEN], ids[1][ID_LEN], code[16];
	int number;

	insert_run(f, "one", 1, false, T0, run, ids);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0, &number, &f->e));
	for (int i = 0; i < STORE_WARNING_KINDS_MAX + 3; i++) {
		snprintf(code, sizeof(code), "code%d", i);
		warn(f, ids[0], number, code, "x");
	}
	COMMIT(f);
	list = warnings_of(f, ids[0]);
	assert_int_equal(json_array_size(list), STORE_WARNING_KINDS_MAX + 1);
	expect(list, STORE_WARNING_KINDS_MAX - 1, "code31", "x", 1);
	expect(list, STORE_WARNING_KINDS_MAX, "more",
	       "the job has more kinds of warnings; see the log", 3);
	BEGIN(f); /* another attempt begins with none */
	OK(f, store_attempt_insert(f->st, ids[0], T0, &number, &f->e));
	warn(f, ids[0], number, "again", "y");
	COMMIT(f);
	next = warnings_of(f, ids[0]);
	assert_int_equal(json_array_size(next), 1);
	expect(next, 0, "again", "y", 1);
}

static void test_a_warning_changes_what_a_job_shows(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[1][ID_LEN];
	OWN(json_decrefp) json_t *before = NULL, *after = NULL;
	struct store_reader *sr = NULL;

	insert_run(f, "one", 1, false, T0, run, ids);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_job(sr, ids[0], &before, &f->e));
	BEGIN(f);
	warn(f, ids[0], 0, "spec", "x");
	COMMIT(f);
	OK(f, store_read_job(sr, ids[0], &after, &f->e));
	store_reader_close(sr);
	assert_true(json_get_int(after, "seq", 0) > json_get_int(before, "seq", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_code_is_one_row_with_a_count, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_codes_of_an_attempt_are_bounded, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_a_warning_changes_what_a_job_shows,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
