/* SPDX-License-Identifier: MIT */
/* storage/write/metric: of a long series an even sample stays, and what matters beside it. */
#include "tests/unit/store_fixture.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/db.h"
#include "storage/store_read.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define CHUNK	 700 /* points of one transaction */
#define LONG	 (STORE_METRIC_SAMPLE_MAX * 5 + 321)
#define LEAST	 12345
#define GREATEST 777
#define NAN_AT	 20001
#define INF_AT	 33333

static void start(struct fixture *f, char job[ID_LEN])
{
	char run[ID_LEN], ids[1][ID_LEN];
	int number;

	insert_run(f, "one", 1, false, T0, run, ids);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0, &number, &f->e));
	COMMIT(f);
	memcpy(job, ids[0], ID_LEN);
}

static double value_at(int i)
{
	switch (i) {
	case LEAST:
		return -5;
	case GREATEST:
		return 1e9;
	case NAN_AT:
	case NAN_AT + 2:
		return NAN;
	case INF_AT:
		return -INFINITY;
	default:
		return 1 + 1.0 / (i + 2);
	}
}

static void add(struct fixture *f, const char *job, int i, const char *name, double v)
{
	OWN(json_decrefp) json_t *values = json_object();

	json_object_set_new(values, name, json_any_number(v));
	OK(f, store_metric_insert(f->st, job, 1, T0 + i, i, i / 100.0, values, &f->e));
}

static void add_many(struct fixture *f, const char *job, int from, int to)
{
	for (int i = from; i < to; i += CHUNK) {
		BEGIN(f);
		for (int k = i; k < to && k < i + CHUNK; k++)
			add(f, job, k, "loss", value_at(k));
		COMMIT(f);
	}
}

/* The steps that are kept, in order; returns how many. */
static int kept(struct fixture *f, const char *job, int *steps, int size)
{
	struct store_reader *sr = NULL;
	int64_t since = 0;
	int n = 0;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	for (;;) {
		OWN(json_decrefp) json_t *page = NULL;
		const json_t *item;
		size_t i;

		OK(f, store_read_metrics(sr, job, 1, NULL, since, STORE_METRICS_MAX, &page, &f->e));
		json_array_foreach(json_object_get(page, "items"), i, item) {
			assert_true(n < size);
			steps[n++] = (int)json_get_int(item, "step", -1);
		}
		if (json_get_int(page, "next_since", 0) == since)
			break;
		since = json_get_int(page, "next_since", 0);
	}
	store_reader_close(sr);
	return n;
}

static bool has(const int *steps, int n, int step)
{
	for (int i = 0; i < n; i++)
		if (steps[i] == step)
			return true;
	return false;
}

static const char *warnings_of(struct fixture *f, const char *job)
{
	OWN(json_decrefp) json_t *item = NULL;
	struct store_reader *sr = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_job(sr, job, &item, &f->e));
	store_reader_close(sr);
	return text_of(json_incref(json_object_get(item, "warnings")));
}

static void test_the_sample_at_its_limit_and_past_it(void **state)
{
	static int steps[2 * STORE_METRIC_SAMPLE_MAX];
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *item = NULL;
	struct store_reader *sr = NULL;
	char job[ID_LEN];

	start(f, job);
	for (int i = 0; i < STORE_METRIC_SAMPLE_MAX; i += CHUNK) {
		BEGIN(f);
		for (int k = i; k < STORE_METRIC_SAMPLE_MAX && k < i + CHUNK; k++)
			add(f, job, k, "loss", 1);
		COMMIT(f);
	}
	assert_int_equal(kept(f, job, steps, (int)ARRAY_LEN(steps)), STORE_METRIC_SAMPLE_MAX);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_job(sr, job, &item, &f->e));
	assert_null(json_object_get(item, "warnings"));
	store_reader_close(sr);
	BEGIN(f);
	add(f, job, STORE_METRIC_SAMPLE_MAX, "loss", 1);
	COMMIT(f);
	/* Every second one, 0 to 10,000, the last of which is the newest, too. */
	assert_int_equal(kept(f, job, steps, (int)ARRAY_LEN(steps)),
			 STORE_METRIC_SAMPLE_MAX / 2 + 1);
	assert_non_null(strstr(warnings_of(f, job), "\"code\":\"metrics_thinned\",\"count\":1"));
}

#define OLD (STORE_METRIC_SAMPLE_MAX + 500)

/* A series from before migration 0010: all its points are there, and nothing was said. */
static void test_a_series_of_before_the_sample_is_thinned(void **state)
{
	static int steps[2 * STORE_METRIC_SAMPLE_MAX];
	struct fixture *f = *state;
	OWN(buf_done) struct buf sql = BUF_INIT(4096);
	struct db *db = NULL;
	char job[ID_LEN], path[PATH_MAX];

	start(f, job);
	assert_true(path_join(path, sizeof(path), f->dir, STORE_FILE));
	store_close(f->st);
	f->st = NULL;
	OK(f, db_open(path, DB_WRITER, &db, &f->e));
	buf_printf(&sql,
		   "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) "
		   "INSERT INTO metrics (job, attempt, i, at_us, step, epoch, points) "
		   "SELECT '%s', 1, i, i, i, NULL, '{\"loss\":1}' FROM c",
		   OLD - 1, job);
	OK(f, db_begin(db, &f->e));
	OK(f, db_script(db, buf_str(&sql), &f->e));
	OK(f, db_commit(db, &f->e));
	db_close(db);
	OK(f, store_open(f->dir, &f->st, &f->e));
	assert_int_equal(kept(f, job, steps, (int)ARRAY_LEN(steps)), OLD);
	BEGIN(f);
	add(f, job, OLD, "loss", 1);
	COMMIT(f);
	assert_int_equal(kept(f, job, steps, (int)ARRAY_LEN(steps)), OLD / 2 + 1);
	assert_non_null(strstr(warnings_of(f, job), "\"code\":\"metrics_thinned\",\"count\":1"));
	/* Once only: it is thinned now, and a restart knows it. */
	fixture_reopen(f);
	BEGIN(f);
	add(f, job, OLD + 1, "loss", 1);
	COMMIT(f);
	assert_non_null(strstr(warnings_of(f, job), "\"code\":\"metrics_thinned\",\"count\":1"));
}

static void test_what_stays_of_a_long_series(void **state)
{
	static int steps[2 * STORE_METRIC_SAMPLE_MAX], again[2 * STORE_METRIC_SAMPLE_MAX];
	struct fixture *f = *state;
	char one[ID_LEN], two[ID_LEN];
	int n, m, stride = 1;

	start(f, one);
	start(f, two);
	add_many(f, one, 0, LONG);
	add_many(f, two, 0, 4321); /* in the middle of it another daemon goes on */
	fixture_reopen(f);
	add_many(f, two, 4321, 25000);
	fixture_reopen(f);
	add_many(f, two, 25000, LONG);
	n = kept(f, one, steps, (int)ARRAY_LEN(steps));
	m = kept(f, two, again, (int)ARRAY_LEN(again));
	assert_int_equal(n, m);
	assert_memory_equal(steps, again, (size_t)n * sizeof(*steps));
	while ((LONG - 1) / stride + 1 > STORE_METRIC_SAMPLE_MAX)
		stride *= 2;
	for (int i = 0; i < LONG; i += stride)
		assert_true(has(steps, n, i));
	assert_true(has(steps, n, 0) && has(steps, n, LONG - 1));
	assert_true(has(steps, n, GREATEST) && has(steps, n, LEAST));
	assert_true(has(steps, n, NAN_AT) && has(steps, n, INF_AT));
	assert_false(has(steps, n, NAN_AT + 2)); /* the second one */
	assert_true(n <= STORE_METRIC_SAMPLE_MAX + 5);
	assert_true(n >= STORE_METRIC_SAMPLE_MAX / 2);
	for (int i = 1; i < n; i++)
		assert_true(steps[i - 1] < steps[i]);
}

static void test_each_name_has_its_own_extremes(void **state)
{
	static int steps[2 * STORE_METRIC_SAMPLE_MAX];
	struct fixture *f = *state;
	char job[ID_LEN];
	int n;

	start(f, job);
	BEGIN(f);
	for (int i = 0; i < 3 * STORE_METRIC_SAMPLE_MAX; i++)
		add(f, job, i, i == 20001 || i == 9 ? "rare" : "loss", i);
	COMMIT(f);
	n = kept(f, job, steps, (int)ARRAY_LEN(steps));
	assert_true(has(steps, n, 9) && has(steps, n, 20001));
	assert_true(has(steps, n, 3 * STORE_METRIC_SAMPLE_MAX - 1));
}

static void test_names_at_the_limit_and_past_it(void **state)
{
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *newest = NULL;
	char job[ID_LEN], name[300], at[STORE_METRIC_NAME_BYTES_MAX + 2];

	start(f, job);
	BEGIN(f);
	for (int i = 0; i <= STORE_METRIC_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		add(f, job, i, name, i);
	}
	OK(f, store_metrics_last(f->st, job, 1, &newest, &f->e));
	assert_int_equal(json_object_size(newest), STORE_METRIC_NAMES_MAX);
	assert_null(json_object_get(newest, "m256"));
	COMMIT(f);
	assert_non_null(strstr(warnings_of(f, job), "metric_names"));
	assert_non_null(strstr(warnings_of(f, job), "'m256' is left out"));
	start(f, job);
	memset(at, 'x', sizeof(at));
	at[sizeof(at) - 1] = '\0';
	BEGIN(f);
	add(f, job, 0, at, 1); /* one past it */
	add(f, job, 1, at + 1, 1);
	json_decref(TAKE(newest));
	OK(f, store_metrics_last(f->st, job, 1, &newest, &f->e));
	assert_int_equal(json_object_size(newest), 1);
	COMMIT(f);
}

static void test_what_is_not_finite_is_shown_as_it_is(void **state)
{
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *newest = NULL;
	struct store_reader *sr = NULL;
	json_t *page = NULL;
	char job[ID_LEN];

	start(f, job);
	BEGIN(f);
	add(f, job, 1, "loss", NAN);
	add(f, job, 2, "loss", INFINITY);
	add(f, job, 3, "loss", -INFINITY);
	add(f, job, 4, "nan", NAN);
	COMMIT(f);
	BEGIN(f);
	OK(f, store_metrics_last(f->st, job, 1, &newest, &f->e));
	COMMIT(f);
	assert_string_equal(text_of(TAKE(newest)), "{\"loss\":\"-Infinity\",\"nan\":\"NaN\"}");
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_metrics(sr, job, 1, "loss", 0, 10, &page, &f->e));
	store_reader_close(sr);
	const char *text = text_of(page);
	assert_non_null(strstr(text, "{\"loss\":\"NaN\"}"));
	assert_non_null(strstr(text, "{\"loss\":\"Infinity\"}"));
	assert_non_null(strstr(text, "{\"loss\":\"-Infinity\"}"));
}

/* What is no value is left out, and a point of nothing else is none. */
static void test_values_that_are_none(void **state)
{
	static int steps[8];
	struct fixture *f = *state;
	OWN(json_decrefp)
	json_t *values =
		json_pack("{s:s, s:n, s:{s:i}, s:b}", "a", "text", "b", "c", "d", 1, "e", 1);
	char job[ID_LEN];

	start(f, job);
	BEGIN(f);
	OK(f, store_metric_insert(f->st, job, 1, T0, 1, 0, values, &f->e));
	json_object_set_new(values, "loss", json_real(0.5));
	OK(f, store_metric_insert(f->st, job, 1, T0, 2, 0, values, &f->e));
	COMMIT(f);
	assert_int_equal(kept(f, job, steps, 8), 1);
	assert_int_equal(steps[0], 2);
}

static void test_a_rollback_leaves_no_point(void **state)
{
	static int steps[8];
	struct fixture *f = *state;
	char job[ID_LEN];

	start(f, job);
	BEGIN(f);
	add(f, job, 1, "loss", 1);
	COMMIT(f);
	BEGIN(f);
	add(f, job, 2, "loss", 0);
	store_rollback(f->st);
	BEGIN(f);
	add(f, job, 3, "loss", 2);
	COMMIT(f);
	assert_int_equal(kept(f, job, steps, 8), 2);
	assert_int_equal(steps[0], 1);
	assert_int_equal(steps[1], 3);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_the_sample_at_its_limit_and_past_it),
		WITH(test_what_stays_of_a_long_series),
		WITH(test_a_series_of_before_the_sample_is_thinned),
		WITH(test_each_name_has_its_own_extremes),
		WITH(test_names_at_the_limit_and_past_it),
		WITH(test_what_is_not_finite_is_shown_as_it_is),
		WITH(test_values_that_are_none),
		WITH(test_a_rollback_leaves_no_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
