/* SPDX-License-Identifier: MIT */
/* worker/dataset/labels.h: how many labels there may be, and labels that are no text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "worker/dataset/labels.h"

#include <string.h>

static int add_number(struct labels *l, int number, struct err *e)
{
	struct source s = {.path = (char *)"file", .field = "/dataset"};
	struct source_row row = {.number = number + 1};
	char text[16];
	int32_t value;

	snprintf(text, sizeof(text), "c%d", number);
	label_from_text(&row.label, text, strlen(text), true);
	return labels_add(l, &s, &row, 0, &value, e);
}

static void test_limits(void **state)
{
	OWN(labels_done) struct labels l, values;
	struct source file = {.path = (char *)"file", .field = "/dataset"};
	struct err e;

	assert_int_equal(labels_init(&l, NULL, &e), 0);
	assert_int_equal(labels_open(&l, &file, 0, &e), 0);
	for (int i = 0; i < LABELS_MAX; i++)
		assert_int_equal(add_number(&l, i, &e), 0);
	assert_int_equal(labels_decide(&l, &e), 0);
	assert_int_equal(l.classes, LABELS_MAX);
	label_names_done(&l.names);
	l.classes = 0;
	assert_int_equal(add_number(&l, LABELS_MAX, &e), 0);
	assert_int_equal(labels_decide(&l, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "label_column"));

	assert_int_equal(labels_init(&values, NULL, &e), 0);
	for (int i = 0; i < LABELS_VALUES_MAX; i++)
		assert_int_equal(add_number(&values, i, &e), 0);
	assert_int_equal(add_number(&values, 7, &e), 0);
	assert_int_equal(add_number(&values, LABELS_VALUES_MAX, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "more than 40000 different labels; check label_column"));
}

static void test_label_that_is_no_text(void **state)
{
	OWN(labels_done) struct labels l;
	struct source s = {.path = (char *)"file", .field = "/dataset"};
	struct source_row row = {.number = 3};
	int32_t value;
	struct err e;

	assert_int_equal(labels_init(&l, NULL, &e), 0);
	label_from_text(&row.label, "a\0b", 3, true);
	assert_int_equal(labels_add(&l, &s, &row, 0, &value, &e), -ERR_INVALID);
	label_from_text(&row.label, "\xFF", 1, true);
	assert_int_equal(labels_add(&l, &s, &row, 0, &value, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "row 3: the label is not valid UTF-8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_label_that_is_no_text),
	};

	return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
