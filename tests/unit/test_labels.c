/* SPDX-License-Identifier: MIT */
/*
 * worker/dataset/labels.h: which classes the values of all rows make. Each case is decided for the
 * rows as they stand and backwards: the order decides nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "worker/dataset/labels.h"

#include <math.h>
#include <string.h>

#define ROWS_MAX 16

/* The rows of a training and of a test file, as words with a space between; '_' is an empty one. */
struct rows {
	const char *train, *test;
	const char *names; /* `labels`, as a JSON list, or NULL */
	bool of_model;	   /* the names are those of a model */
	const char *no_label;
	const char *classes; /* ClassLabel of both files, as words; then the values are integers */
	bool json;	     /* not CSV: "true" is a boolean, "~x" the text x */
};

static void value_of(const struct rows *c, const char *word, size_t len, struct label_value *ret)
{
	if (!c->json)
		label_from_text(ret, word, word[0] == '_' ? 0 : len, true);
	else if (word[0] == '~')
		label_from_text(ret, word + 1, len - 1, false);
	else if (word[0] == 't' || word[0] == 'f')
		label_from_bool(ret, word[0] == 't');
	else if (word[0] == 'n')
		label_from_double(ret, NAN);
	else if (memchr(word, '.', len))
		label_from_double(ret, strtod(word, NULL));
	else
		label_from_int(ret, strtoll(word, NULL, 10));
}

static size_t cut(const char *text, const char *words[ROWS_MAX], size_t lens[ROWS_MAX])
{
	size_t n = 0;

	for (const char *at = text ? text : ""; *at; at += lens[n - 1] + (at[lens[n - 1]] == ' ')) {
		assert_true(n < ROWS_MAX);
		words[n] = at;
		lens[n++] = strcspn(at, " ");
	}
	return n;
}

static struct source source_of(const struct rows *c, const char *path, char names[ROWS_MAX][32],
			       char *list[ROWS_MAX])
{
	struct source s = {.path = (char *)path, .field = "/dataset", .label_names = list};
	const char *words[ROWS_MAX];
	size_t lens[ROWS_MAX];

	s.label_names_n = cut(c->classes, words, lens);
	for (size_t i = 0; i < s.label_names_n; i++) {
		snprintf(names[i], 32, "%.*s", (int)lens[i], words[i]);
		list[i] = names[i];
	}
	return s;
}

static int add_split(struct labels *l, const struct rows *c, size_t split, bool backwards,
		     int32_t values[ROWS_MAX], size_t *ret_n, struct err *e)
{
	char names[ROWS_MAX][32], *list[ROWS_MAX], path[16];
	struct source s = source_of(c, path, names, list);
	const char *words[ROWS_MAX];
	size_t lens[ROWS_MAX], n = cut(split ? c->test : c->train, words, lens);
	int r;

	snprintf(path, sizeof(path), "%s.csv", split ? "test" : "train");
	r = labels_open(l, &s, split, e);
	for (size_t i = 0; i < n && r >= 0; i++) {
		size_t at = backwards ? n - 1 - i : i;
		struct source_row row = {.number = (int64_t)at + 1};

		value_of(c, words[at], lens[at], &row.label);
		r = labels_add(l, &s, &row, split, &values[at], e);
	}
	path[0] = '\0'; /* a source is closed before the decision */
	*ret_n = n;
	return r;
}

/* "a|b: 0 1 / 1 -": names, the ids of the training and of the test rows; or "FIELD MESSAGE". */
static void decide(const struct rows *c, bool backwards, struct buf *out)
{
	OWN(labels_done) struct labels l;
	OWN(json_decrefp) json_t *dataset = json_object();
	int32_t values[LABELS_SPLITS][ROWS_MAX];
	size_t n[LABELS_SPLITS] = {0};
	struct err e = {0};
	int r;

	if (c->names)
		json_object_set_new(dataset, "labels", json_loads(c->names, 0, NULL));
	if (c->no_label)
		json_object_set_new(dataset, "no_label", json_integer(atoll(c->no_label)));
	r = labels_init(&l, dataset, &e);
	l.of_model = c->of_model;
	for (size_t i = 0; i < LABELS_SPLITS && r >= 0; i++)
		r = add_split(&l, c, i, backwards, values[i], &n[i], &e);
	if (r >= 0)
		r = labels_decide(&l, &e);
	if (r < 0) {
		buf_printf(out, "%s %s", e.field, e.msg);
		return;
	}
	for (size_t i = 0; i < l.names.n; i++)
		buf_printf(out, "%s%s", i ? "|" : "", l.names.items[i]);
	if (!l.names.n)
		buf_printf(out, "%zu", l.classes);
	buf_puts(out, ":");
	for (size_t i = 0; i < LABELS_SPLITS; i++) {
		buf_puts(out, i && n[i] ? " /" : "");
		for (size_t j = 0; j < n[i]; j++) {
			int32_t id = labels_class(&l, values[i][j]);

			buf_printf(out, id == LABEL_NONE ? " -" : " %d", id);
		}
	}
}

static void expect(struct rows c, const char *want)
{
	for (int backwards = 0; backwards < 2; backwards++) {
		OWN(buf_done) struct buf got = BUF_INIT(1 << 16);

		decide(&c, backwards, &got);
		assert_string_equal(buf_str(&got), want);
	}
}

/* All `words`, which '*' separates, are in the message, and the field begins it. */
static void refused(struct rows c, const char *field, const char *words)
{
	OWN(buf_done) struct buf got = BUF_INIT(1 << 16);

	decide(&c, false, &got);
	assert_int_equal(strncmp(buf_str(&got), field, strlen(field)), 0);
	for (const char *at = words; *at; at += strcspn(at, "*") + (at[strcspn(at, "*")] == '*')) {
		OWN(freep) char *word = strndup(at, strcspn(at, "*"));

		assert_non_null(strstr(buf_str(&got), word));
	}
}

static void test_whole_numbers(void **state)
{
	expect((struct rows){"0 1 2 1"}, "3: 0 1 2 1");
	expect((struct rows){"1 2 3 4"}, "1|2|3|4: 0 1 2 3");
	expect((struct rows){"101 205 9001 205"}, "101|205|9001: 0 1 2 1");
	expect((struct rows){"10 9 2 100"}, "2|9|10|100: 2 1 0 3");
	expect((struct rows){"1.0 0.0 2.0"}, "3: 1 0 2");
	expect((struct rows){"1.0 1 2 2.00"}, "1|2: 0 0 1 1");
	expect((struct rows){"+1 -1"}, "-1|1: 1 0");
	expect((struct rows){"0 1", "0 1 2"}, "3: 0 1 / 0 1 2");
	expect((struct rows){"0 2", "1"}, "3: 0 2 / 1");
	expect((struct rows){"1e1 2e0"}, "2|10: 1 0");
	expect((struct rows){"9007199254740993 2"}, "2|9007199254740993: 1 0");
}

static void test_minus_one(void **state)
{
	expect((struct rows){"-1 1 1"}, "-1|1: 0 1 1");
	expect((struct rows){"0 -1 1"}, "-1|0|1: 1 0 2");
	expect((struct rows){"-1 0"}, "-1|0: 0 1");
	expect((struct rows){"-1 2 5"}, "-1|2|5: 0 1 2");
	expect((struct rows){"0 1 1", "-1 -1"}, "2: 0 1 1 / - -");
	expect((struct rows){"0 1 2", "-1 _ -1.0"}, "3: 0 1 2 / - - -");
	expect((struct rows){"-1 0 1 2", .no_label = "-1"}, "3: - 0 1 2");
	expect((struct rows){"-1 1", .no_label = "-1"}, "1: - 0");
	expect((struct rows){"9 0 1", .no_label = "9"}, "2: - 0 1");
	expect((struct rows){"-1 0 1 2", .names = "[\"-1\", \"0\", \"1\", \"2\"]"},
	       "-1|0|1|2: 0 1 2 3");
	expect((struct rows){"-1 0 1", .names = "[\"no\", \"yes\"]"}, "no|yes: - 0 1");
	refused((struct rows){"0 1 2 -1"}, "/dataset/no_label",
		"train.csv, row 4*no_label to -1*labels");
	refused((struct rows){"-1 0 1 2"}, "/dataset/no_label", "train.csv, row 1");
	refused((struct rows){"0 1", "-1 2"}, "/dataset/no_label", "test.csv, row 1");
}

static void test_no_label(void **state)
{
	expect((struct rows){"1 2 3 N/A"}, "1|2|3: 0 1 2 -");
	expect((struct rows){"N/A 1 2 3"}, "1|2|3: - 0 1 2");
	expect((struct rows){"a NA NaN null None _ b"}, "a|b: 0 - - - - - 1");
	expect((struct rows){"a None", .names = "[\"a\", \"None\"]"}, "a|None: 0 1");
	expect((struct rows){"~a ~NA ~None", .json = true}, "NA|None|a: 2 0 1");
	expect((struct rows){"~ ~a ~b", .json = true}, "a|b: - 0 1");
	expect((struct rows){"n 0 1", .json = true}, "2: - 0 1");
	expect((struct rows){"_ NA"}, "0: - -");
}

static void test_texts(void **state)
{
	expect((struct rows){"b B a \xC3\xA9"}, "B|a|b|\xC3\xA9: 2 0 1 3");
	expect((struct rows){"10 x 9"}, "10|9|x: 0 2 1");
	expect((struct rows){"007 01 1"}, "007|01|1: 0 1 2");
	expect((struct rows){"01 02 1"}, "01|02|1: 0 1 2");
	expect((struct rows){"2.50 x"}, "2.50|x: 0 1");
	expect((struct rows){"yes no", "maybe"}, "maybe|no|yes: 2 1 / 0");
	expect((struct rows){"none some"}, "none|some: 0 1");
	expect((struct rows){"0x10 1"}, "0x10|1: 0 1");
}

static void test_booleans(void **state)
{
	expect((struct rows){"True False True"}, "False|True: 1 0 1");
	expect((struct rows){"true false"}, "False|True: 1 0");
	expect((struct rows){"true other"}, "other|true: 1 0");
	expect((struct rows){"t f", .json = true}, "False|True: 1 0");
	expect((struct rows){"t f ~True", .json = true}, "False|True: 1 0 1");
	expect((struct rows){"t f", .names = "[\"true\", \"false\"]", .json = true},
	       "true|false: 0 1");
	expect((struct rows){"t f", .names = "[\"no\", \"yes\"]", .json = true}, "no|yes: 1 0");
	refused((struct rows){"t 0 1", .json = true}, "/dataset/label_column",
		"row 1*'True'*whole numbers");
}

/* Columns of unsigned 64-bit integers reach beyond the ids that a label can have. */
static void test_unsigned_numbers(void **state)
{
	struct label_value v;

	label_from_unsigned(&v, INT64_MAX);
	assert_int_equal(v.type, LABEL_INT);
	assert_int_equal(v.number, INT64_MAX);
	label_from_unsigned(&v, (uint64_t)INT64_MAX + 1);
	assert_int_equal(v.type, LABEL_FLOAT);
	assert_string_equal(v.digits, "9223372036854775808");
}

static void test_numbers_that_are_no_classes(void **state)
{
	refused((struct rows){"1 2.5 3"}, "/dataset/label_column", "row 2*'2.5'*labels");
	refused((struct rows){"1.5 2.0", .json = true}, "/dataset/label_column", "row 1*'1.5'");
	refused((struct rows){"1.0 9007199254740992.0", .json = true}, "/dataset/label_column",
		"too large for a class");
	expect((struct rows){"1.0 9007199254740991.0", .json = true}, "1|9007199254740991: 0 1");
	refused((struct rows){"1 99999999999999999999"}, "/dataset/label_column", "row 2");
	refused((struct rows){"1 .5"}, "/dataset/label_column", "row 2*'.5'");
	refused((struct rows){"1 -.25"}, "/dataset/label_column", "row 2*'-.25'");
	expect((struct rows){"1 . -.e5 .e5"}, "-.e5|.|.e5|1: 3 1 0 2");
	expect((struct rows){"4.5 3.5", .names = "[\"3.5\", \"4.5\"]", .json = true},
	       "3.5|4.5: 1 0");
}

static void test_given_names(void **state)
{
	expect((struct rows){"yes no 1", .names = "[\"no\", \"yes\"]"}, "no|yes: 1 0 1");
	expect((struct rows){"3 1", .names = "[\"1\", \"2\", \"3\"]"}, "1|2|3: 2 0");
	expect((struct rows){"3 1", .names = "[\"1\", \"2\", \"3\"]", .json = true}, "1|2|3: 2 0");
	expect((struct rows){"1.0 0", .names = "[\"0\", \"1\"]"}, "0|1: 1 0");
	expect((struct rows){"1.0 2.0", .names = "[\"1.0\", \"2.0\", \"3.0\"]", .json = true},
	       "1.0|2.0|3.0: 0 1");
	expect((struct rows){"1 2.00 3", .names = "[\"1.0\", \"2.0\", \"3.0\"]"},
	       "1.0|2.0|3.0: 0 1 2");
	expect((struct rows){"-1.0 1.0", .names = "[\"-1.0\", \"1.0\"]", .json = true},
	       "-1.0|1.0: 0 1");
	expect((struct rows){"0.50 2", .names = "[\"2e0\", \".5\"]"}, "2e0|.5: 1 0");
	expect((struct rows){"1 1.0", .names = "[\"1.0\", \"1\"]"}, "1.0|1: 1 0");
	refused((struct rows){"1 2.0", .names = "[\"1\", \"2.00\", \"2e0\"]"}, "/dataset/labels",
		"'2.0'");
	refused((struct rows){"1 2 3 0", .names = "[\"1\", \"2\", \"3\"]"}, "/dataset/labels",
		"row 4*'0'*'1', '2', '3'*names of classes");
	refused((struct rows){"yes maybe", .names = "[\"no\", \"yes\"]"}, "/dataset/labels",
		"row 2: the label 'maybe'*2 known labels*'no', 'yes'");
	refused((struct rows){"0 2", .names = "[\"no\", \"yes\"]"}, "/dataset/labels", "row 2*'2'");
	refused((struct rows){"0 -2", .names = "[\"no\", \"yes\"]"}, "/dataset/labels", "'-2'");
	refused((struct rows){"a", .names = "[\"a\", \"a\"]"}, "/dataset/labels/1", "twice");
	refused((struct rows){"a", .names = "[\"a\"]"}, "/dataset/labels", "at least two");
}

static void test_names_of_the_source(void **state)
{
	expect((struct rows){"0 1 -1", .classes = "neg pos", .json = true}, "neg|pos: 0 1 -");
	expect((struct rows){"0 1", .classes = "neg pos", .names = "[\"pos\", \"x\", \"neg\"]",
			     .json = true},
	       "pos|x|neg: 2 0");
	expect((struct rows){"0 1", .classes = "neg pos", .names = "[\"bad\", \"good\"]",
			     .json = true},
	       "bad|good: 0 1");
	refused((struct rows){"0 1", .classes = "neg pos", .names = "[\"neg\", \"x\"]",
			      .json = true},
		"/dataset/labels", "row 2: the label 'pos'");
	refused((struct rows){"0 2", .classes = "neg pos", .json = true}, "/dataset/label_column",
		"row 2*label is 2*2 classes");
	expect((struct rows){"0 2 1", .classes = "neg pos", .no_label = "2", .json = true},
	       "neg|pos: 0 - 1");
}

static void of_model(const char *rows, const char *classes, const char *names, const char *want)
{
	expect((struct rows){rows, .classes = classes, .names = names, .of_model = true,
			     .json = true},
	       want);
}

/* An index of ClassLabel is no id of the model: its name is looked up there. */
static void test_class_names_are_found_in_a_model(void **state)
{
	of_model("0 1 1", "negative positive", "[\"POSITIVE\", \"NEGATIVE\"]",
		 "POSITIVE|NEGATIVE: 1 0 0");
	of_model("0 1", "a b", "[\"B\", \"a\", \"A\"]", "B|a|A: 1 0");
	of_model("0 1", "\xC3\xA9 x", "[\"X\", \"\xC3\x89\"]", "X|\xC3\x89: 1 0");
	of_model("0 1", "neg pos", "[\"LABEL_0\", \"LABEL_1\"]", "LABEL_0|LABEL_1: 0 1");
	of_model("0 1", "LABEL_0 LABEL_1", "[\"b\", \"a\"]", "b|a: 0 1");
	refused((struct rows){"0 1", .classes = "neg pos", .names = "[\"bad\", \"good\"]",
			      .of_model = true, .json = true},
		"/dataset/labels", "row 1: the label 'neg'*'bad', 'good'*labels as a list");
	refused((struct rows){"0 1", .classes = "neg pos", .names = "[\"NEG\", \"Neg\", \"pos\"]",
			      .of_model = true, .json = true},
		"/dataset/labels", "'neg'");
	refused((struct rows){"0 1 2", .classes = "neg Neg pos", .names = "[\"NEG\", \"POS\"]",
			      .of_model = true, .json = true},
		"/dataset/labels", "'neg'");
	refused((struct rows){"0 2", .classes = "a b c", .names = "[\"LABEL_0\", \"LABEL_1\"]",
			      .of_model = true, .json = true},
		"/dataset/labels", "row 2: the label 'c'");
}

/* Names of the test file alone decide the ids of the training file's numbers, too. */
static void test_names_of_one_file_are_for_both(void **state)
{
	OWN(labels_done) struct labels l;
	char *names[] = {(char *)"neg", (char *)"pos"};
	struct source train = {.path = (char *)"a", .field = "/dataset/train"},
		      test = {.path = (char *)"b",
			      .field = "/dataset/test",
			      .label_names = names,
			      .label_names_n = 2};
	struct source_row row = {.number = 1};
	int32_t values[3];
	struct err e;

	assert_int_equal(labels_init(&l, NULL, &e), 0);
	assert_int_equal(labels_open(&l, &train, 0, &e), 0);
	label_from_int(&row.label, 1);
	assert_int_equal(labels_add(&l, &train, &row, 0, &values[0], &e), 0);
	label_from_text(&row.label, "neg", 3, true);
	assert_int_equal(labels_add(&l, &train, &row, 0, &values[1], &e), 0);
	assert_int_equal(labels_open(&l, &test, 1, &e), 0);
	label_from_int(&row.label, 0);
	assert_int_equal(labels_add(&l, &test, &row, 1, &values[2], &e), 0);
	assert_true(labels_has_any(&l, 1));
	assert_int_equal(labels_decide(&l, &e), 0);
	assert_int_equal(labels_class(&l, values[0]), 1);
	assert_int_equal(labels_class(&l, values[1]), 0);
	assert_int_equal(labels_class(&l, values[2]), 0);
	assert_int_equal(l.classes, 2);
	labels_forget(&l, 1);
	assert_false(labels_has_any(&l, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_numbers),
		cmocka_unit_test(test_minus_one),
		cmocka_unit_test(test_no_label),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_unsigned_numbers),
		cmocka_unit_test(test_booleans),
		cmocka_unit_test(test_numbers_that_are_no_classes),
		cmocka_unit_test(test_given_names),
		cmocka_unit_test(test_names_of_the_source),
		cmocka_unit_test(test_class_names_are_found_in_a_model),
		cmocka_unit_test(test_names_of_one_file_are_for_both),
	};

	return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
