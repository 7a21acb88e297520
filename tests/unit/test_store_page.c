/* SPDX-License-Identifier: MIT */
/* storage/store_read: pages over many rows while others are inserted; cursors that are not ours. */
#include "tests/unit/store_reader.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/store_read.h"

#include <string.h>

#define ROWS 1000
#define PAGE 37

/* Which of the ROWS jobs were seen; `index` in their short form is in their name ("x17"). */
struct seen {
	bool was[ROWS];
	int n, strangers;
};

static void see(struct seen *seen, const json_t *list, char (*ids)[ID_LEN])
{
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(list, "items"), i, item) {
		const char *id = json_get_str(item, "id", "");
		int at = -1;

		for (int k = 0; k < ROWS && at < 0; k++)
			at = str_eq(ids[k], id) ? k : -1;
		if (at < 0) {
			seen->strangers++;
			continue;
		}
		assert_false(seen->was[at]); /* never twice */
		seen->was[at] = true;
		seen->n++;
	}
}

/* All pages of `sort`; a run of one job is inserted between each two of them. */
static int walk(struct fixture *f, struct store_reader *sr, const char *sort, char (*ids)[ID_LEN],
		struct seen *seen)
{
	struct list_filter lf = {.sort = sort, .limit = PAGE, .with_short = true};
	char cursor[128] = "";
	int pages = 0;

	for (;;) {
		json_t *list = NULL;
		const char *next;

		lf.cursor = cursor[0] ? cursor : NULL;
		OK(f, list_read(store_read_jobs, sr, &lf, &list, &f->e));
		pages++;
		see(seen, list, ids);
		next = json_get_str(list, "next_cursor", "");
		assert_true(str_copy(cursor, sizeof(cursor), next));
		json_decref(list);
		if (!cursor[0])
			return pages;
		assert_true(pages < 100);
		insert_run(f, "later", 1, false, T0 + ROWS + pages, NULL, NULL);
	}
}

static void test_pages_under_inserts(void **state)
{
	struct fixture *f = *state;
	static char ids[ROWS][ID_LEN];
	struct seen newest = {0}, oldest = {0};
	struct store_reader *sr = NULL;

	/* Several share a moment, so that the row's number must decide. */
	for (int i = 0; i < ROWS; i += 200)
		insert_run(f, "many", 200, false, T0 + i / 400, NULL, ids + i);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	assert_int_equal(walk(f, sr, NULL, ids, &newest), (ROWS + PAGE - 1) / PAGE);
	assert_int_equal(newest.n, ROWS);
	assert_int_equal(newest.strangers, 0); /* newer ones are before the first page */
	walk(f, sr, "created_at", ids, &oldest);
	assert_int_equal(oldest.n, ROWS);
	assert_true(oldest.strangers > 0); /* newer ones are after the last */
	store_reader_close(sr);
}

static void test_pages_by_metric(void **state)
{
	struct fixture *f = *state;
	static char ids[ROWS][ID_LEN];
	struct seen best = {0}, worst = {0};
	struct store_reader *sr = NULL;
	int n;

	for (int i = 0; i < ROWS; i += 250)
		insert_run(f, "many", 250, false, T0, NULL, ids + i);
	BEGIN(f);
	for (int i = 0; i < ROWS / 2; i++) { /* the other half has no such metric */
		OWN(json_decrefp) json_t *values = json_pack("{s:f}", "f1", (i % 7) / 7.0);

		OK(f, store_attempt_insert(f->st, ids[i], T0, &n, &f->e));
		OK(f, store_metric_insert(f->st, ids[i], 1, T0, 1, 0, values, &f->e));
	}
	COMMIT(f);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	walk(f, sr, "-metrics.f1", ids, &best);
	walk(f, sr, "metrics.f1", ids, &worst);
	assert_int_equal(best.n, ROWS);
	assert_int_equal(worst.n, ROWS);
	store_reader_close(sr);
}

static void test_exact_last_page(void **state)
{
	struct fixture *f = *state;
	struct store_reader *sr = NULL;
	json_t *list = NULL;

	insert_run(f, "four", 4, false, T0, NULL, NULL);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, list_read(store_read_jobs, sr, &(struct list_filter){.limit = 4}, &list, &f->e));
	assert_true(json_is_null(json_object_get(list, "next_cursor")));
	json_decref(list);
	OK(f, list_read(store_read_jobs, sr, &(struct list_filter){.limit = 3}, &list, &f->e));
	assert_true(json_is_string(json_object_get(list, "next_cursor")));
	json_decref(list);
	store_reader_close(sr);
}

static void test_bad_cursors(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
		"",
		"x",
		"....",
		"abc",
		"0.0.0",
		"zz.0.0.0",
		"1.2.3.4.5",
		"1.2.3.",
		"1.2..4",
		"1.2.3.4 ",
		"1.11111111111111111.3.4",
		"1.2.3.-4",
	};
	struct store_reader *sr = NULL;
	char cursor[128], other[128];
	json_t *list = NULL;

	insert_run(f, "four", 4, false, T0, NULL, NULL);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int r = list_read(store_read_jobs, sr, &(struct list_filter){.cursor = bad[i]},
				  &list, &f->e);

		if (r != -ERR_INVALID)
			fail_msg("cursor '%s': %d", bad[i], r);
	}
	OK(f, list_read(store_read_jobs, sr, &(struct list_filter){.limit = 2}, &list, &f->e));
	str_must_copy(cursor, sizeof(cursor), json_get_str(list, "next_cursor", ""));
	json_decref(list);
	assert_int_equal(list_read(store_read_jobs, sr,
				   &(struct list_filter){.cursor = cursor, .sort = "created_at"},
				   &list, &f->e),
			 -ERR_INVALID);
	str_must_copy(other, sizeof(other), cursor);
	other[0] = other[0] == '0' ? '1' : '0'; /* of another generation */
	assert_int_equal(list_read(store_read_jobs, sr, &(struct list_filter){.cursor = other},
				   &list, &f->e),
			 -ERR_GONE);
	/* a part of the generation is another one, too */
	assert_int_equal(list_read(store_read_jobs, sr, &(struct list_filter){.cursor = cursor + 1},
				   &list, &f->e),
			 -ERR_GONE);
	str_must_format(other, sizeof(other), "%.1s%s", cursor, strchr(cursor, '.'));
	assert_int_equal(list_read(store_read_jobs, sr, &(struct list_filter){.cursor = other},
				   &list, &f->e),
			 -ERR_GONE);
	OK(f,
	   list_read(store_read_jobs, sr, &(struct list_filter){.cursor = cursor}, &list, &f->e));
	assert_int_equal(json_array_size(json_object_get(list, "items")), 2);
	json_decref(list);
	store_reader_close(sr);
}

static void test_a_metric_to_sort_by_at_its_limit_and_past_it(void **state)
{
	struct fixture *f = *state;
	char sort[STORE_METRIC_NAME_BYTES_MAX + sizeof("metrics.x")] = "metrics.";
	struct list_filter lf = {.sort = sort};
	OWN(json_decrefp) json_t *values = json_object();
	struct store_reader *sr = NULL;
	json_t *list = NULL;
	char ids[1][ID_LEN];
	int n;

	memset(sort + strlen("metrics."), 'm', STORE_METRIC_NAME_BYTES_MAX);
	json_object_set_new(values, sort + strlen("metrics."), json_real(0.5));
	insert_run(f, "one", 1, false, T0, NULL, ids);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0, &n, &f->e));
	OK(f, store_metric_insert(f->st, ids[0], 1, T0, 1, 0, values, &f->e));
	COMMIT(f);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, list_read(store_read_jobs, sr, &lf, &list, &f->e));
	assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
	json_decref(list);
	sort[sizeof(sort) - 2] = 'm';
	assert_int_equal(list_read(store_read_jobs, sr, &lf, &list, &f->e), -ERR_INVALID);
	assert_non_null(strstr(f->e.msg, "sort is"));
	store_reader_close(sr);
}

/* Runs whose bodies have so many bytes each, newest last. */
static void insert_bodies(struct fixture *f, size_t first, size_t rest)
{
	for (int i = 0; i < 3; i++) {
		size_t n = (i == 2 ? first : rest) - strlen("{\"a\":\"\"}");
		OWN(freep) char *text = calloc(1, n + 1);
		struct run_spec *rs = make_run("big", 1, false);
		char id[ID_LEN];

		memset(text, 'x', n);
		json_decref(rs->body);
		rs->body = json_pack("{s:s}", "a", text);
		id_new('r', id);
		BEGIN(f);
		OK(f, store_run_insert(f->st, rs, id, T0 + i, NULL, &f->e));
		COMMIT(f);
		free_run(rs);
	}
}

/* Two bodies of half the most fill a page; with one byte less a third has room. */
static void test_pages_end_after_so_many_bytes_of_specs(void **state)
{
	struct fixture *f = *state;
	struct store_reader *sr = NULL;
	size_t half = STORE_LIST_SPECS_MAX / 2;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	for (size_t less = 0; less <= 1; less++) {
		struct list_filter lf = {.with_spec = true, .limit = 3};
		OWN(json_decrefp) json_t *list = NULL;

		insert_bodies(f, half - less, half);
		OK(f, list_read(store_read_runs, sr, &lf, &list, &f->e));
		assert_int_equal(json_array_size(json_object_get(list, "items")), 2 + less);
	}
	store_reader_close(sr);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_pages_under_inserts),
		CASE(test_pages_by_metric),
		CASE(test_exact_last_page),
		CASE(test_bad_cursors),
		CASE(test_a_metric_to_sort_by_at_its_limit_and_past_it),
		CASE(test_pages_end_after_so_many_bytes_of_specs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
