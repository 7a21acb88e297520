/* SPDX-License-Identifier: MIT */
/* Lists as labels: which form they have, and the classes of each row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/own.h"
#include "worker/dataset/label_sets.h"

#include <string.h>

struct fixture {
	struct labels labels;
	struct label_rows all;
	struct label_sets sets[LABELS_SPLITS];
	struct err err;
};

static void fixture_done(struct fixture *f)
{
	labels_done(&f->labels);
	label_rows_done(&f->all);
	for (size_t i = 0; i < LABELS_SPLITS; i++)
		label_sets_done(&f->sets[i]);
}

/* Add rows, as cells of a file, to a split. */
static int add(struct fixture *f, size_t split, const char *const *rows)
{
	struct source s = {.path = (char *)(split ? "test.csv" : "train.csv")};
	int r = labels_open(&f->labels, &s, split, &f->err);

	for (int64_t i = 0; r >= 0 && rows[i]; i++) {
		struct source_row row = {.number = i + 1};
		bool any;

		label_from_text(&row.label, rows[i], strlen(rows[i]), true);
		r = label_sets_add(&f->sets[split], &f->all, &f->labels, &s, &row, split, &any,
				   &f->err);
	}
	return r;
}

static int decide(struct fixture *f)
{
	struct label_sets *sets[] = {&f->sets[0], &f->sets[1]};

	return label_sets_decide(sets, f->labels.paths[1] ? 2 : 1, &f->all, &f->labels, &f->err);
}

/* The classes of all rows: "0 2|1|". */
static void assert_rows(const struct label_sets *sets, const char *wanted)
{
	OWN(buf_done) struct buf b = BUF_INIT(4096);

	for (int64_t row = 0; row < sets->rows; row++) {
		for (int64_t i = sets->starts[row]; i < sets->starts[row + 1]; i++)
			buf_printf(&b, "%s%d", i > sets->starts[row] ? " " : "", sets->items[i]);
		buf_puts(&b, "|");
	}
	assert_string_equal(buf_str(&b), wanted);
}

static void check(const char *const *rows, const char *wanted, size_t classes, const char *names)
{
	OWN(fixture_done) struct fixture f = {0};
	OWN(buf_done) struct buf b = BUF_INIT(4096);

	assert_int_equal(add(&f, 0, rows), 0);
	assert_int_equal(decide(&f), 0);
	assert_rows(&f.sets[0], wanted);
	assert_int_equal(f.labels.classes, classes);
	for (size_t i = 0; i < f.labels.names.n; i++)
		buf_printf(&b, "%s ", f.labels.names.items[i]);
	assert_string_equal(buf_str(&b), names);
}

#define ROWS(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static void test_each_form(void **state)
{
	check(ROWS("[\"b\",\"a\"]", "[]", "[\"c\", \"a\", \"c\"]", ""), "0 1||0 2||", 3, "a b c ");
	check(ROWS("[0]", "[2, 1]", "[]"), "0|1 2||", 3, "");
	check(ROWS("[10]", "[30, 20]"), "0|1 2|", 3, "10 20 30 ");
	check(ROWS("[1, 0, 0]", "[0, 0, 1]", "[0, 0, 0]"), "0|2||", 3, "");
	check(ROWS("[1.0, 0.0]", "[1.0, 1.0]"), "0|0 1|", 2, "");
	check(ROWS("[false]", "[true]"), "|0|", 1, "");
	check(ROWS("[\"1\", \"0\", \"0\"]", "[\"1\"]"), "0 1|1|", 2, "");
}

static void test_two_bits_wait_for_another_row(void **state)
{
	check(ROWS("[0, 1]", "[1, 0]"), "1|0|", 2, "");
	check(ROWS("[0, 1]", "[1, 0]", "[0, 0]"), "1|0||", 2, "");
	check(ROWS("[0, 1]", "[1, 0]", "[2]"), "0 1|0 1|2|", 3, "");
	check(ROWS("[2]", "[1, 0]"), "2|0 1|", 3, "");
}

static void test_both_splits_have_one_form(void **state)
{
	OWN(fixture_done) struct fixture f = {0}, g = {0};

	assert_int_equal(add(&f, 0, ROWS("[0, 1]", "[1, 0]")), 0);
	assert_int_equal(add(&f, 1, ROWS("", "[3]")), 0);
	assert_int_equal(decide(&f), 0);
	assert_rows(&f.sets[0], "0 1|0 1|");
	assert_rows(&f.sets[1], "|2|");
	assert_int_equal(add(&g, 0, ROWS("[0, 1, 1]")), 0);
	assert_int_equal(add(&g, 1, ROWS("[0, 1]")), -ERR_INVALID);
	assert_non_null(strstr(g.err.msg, "test.csv, row 1: the label has 2 elements, but row 1 of "
					  "the other data has a 0 or 1 for each of 3"));
}

static void refused(const char *const *rows, const char *words)
{
	OWN(fixture_done) struct fixture f = {0};

	assert_int_equal(add(&f, 0, rows), -ERR_INVALID);
	assert_non_null(strstr(f.err.msg, words));
}

static void test_lists_that_are_refused(void **state)
{
	refused(ROWS("[0, 1]", "[1, 0, 1]"), "row 2: the label has 3 elements");
	refused(ROWS("[1, 1, 0]", "[]"), "row 2: the label has 0 elements, but row 1 has a 0 or 1");
	refused(ROWS("[5]", "[1, 1, 0]"), "but row 1 has a list of classes");
	refused(ROWS("[0.5]"), "'0.5', which is neither");
	refused(ROWS("[true, 1.5]"), "neither");
	refused(ROWS("[true, 3]"), "mixes true or false");
	refused(ROWS("[\"\"]"), "empty or null");
	refused(ROWS("{\"a\": 1}"), "is not a list");
	refused(ROWS("[[1]]"), "is not a list");
}

static void test_a_list_of_the_most_elements_and_one_more(void **state)
{
	OWN(buf_done) struct buf b = BUF_INIT(1 << 20);
	OWN(fixture_done) struct fixture f = {0};

	buf_puts(&b, "[0");
	for (int i = 1; i < LABEL_LIST_MAX; i++)
		buf_puts(&b, ",1");
	buf_puts(&b, "]");
	assert_int_equal(add(&f, 0, ROWS(buf_str(&b))), 0);
	assert_int_equal(decide(&f), 0);
	assert_int_equal(f.labels.classes, LABEL_LIST_MAX);
	b.data[b.len - 1] = ',';
	buf_puts(&b, "1]");
	refused(ROWS(buf_str(&b)), "more than 10000 elements");
}

static void test_the_names_of_positions(void **state)
{
	OWN(json_decrefp) json_t *dataset = json_pack("{s[sss]}", "labels", "2", "1", "0");
	OWN(fixture_done) struct fixture f = {0}, g = {0};

	assert_int_equal(labels_init(&f.labels, dataset, &f.err), 0);
	assert_int_equal(add(&f, 0, ROWS("[1, 0, 0]", "[0, 0, 1]")), 0);
	assert_int_equal(decide(&f), 0);
	assert_rows(&f.sets[0], "0|2|");
	assert_int_equal(labels_init(&g.labels, dataset, &g.err), 0);
	assert_int_equal(add(&g, 0, ROWS("[1, 0, 0, 1]")), 0);
	assert_int_equal(decide(&g), -ERR_INVALID);
	assert_string_equal(g.err.field, "/dataset/labels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_form),
		cmocka_unit_test(test_two_bits_wait_for_another_row),
		cmocka_unit_test(test_both_splits_have_one_form),
		cmocka_unit_test(test_lists_that_are_refused),
		cmocka_unit_test(test_a_list_of_the_most_elements_and_one_more),
		cmocka_unit_test(test_the_names_of_positions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
