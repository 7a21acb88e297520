/* SPDX-License-Identifier: MIT */
/* worker/script without a process: Python's texts, metric expressions, the log's lines, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/own.h"
#include "base/pytext.h"
#include "base/tree.h"
#include "jobs/log_metrics.h"
#include "wire/execution.h"
#include "worker/script/contract.h"
#include "worker/script/copy.h"
#include "worker/script/logtail.h"

#include <string.h>
#include <sys/stat.h>

static json_t *parse(const char *text)
{
	json_t *j = NULL;

	assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
	return j;
}

static void test_float_repr(void **state)
{
	static const struct {
		double v;
		const char *want;
	} cases[] = {
		{0.0, "0.0"},
		{-0.0, "-0.0"},
		{1.0, "1.0"},
		{0.1, "0.1"},
		{5e-05, "5e-05"},
		{0.0001, "0.0001"},
		{1e-4 / 3, "3.3333333333333335e-05"},
		{0x1p-44, "5.684341886080802e-14"}, /* not the nearest of its length */
		{1e15, "1000000000000000.0"},
		{1e16, "1e+16"},
		{1e22, "1e+22"},
		{123456789012345.6, "123456789012345.6"},
		{1e100, "1e+100"},
		{5e-324, "5e-324"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{2.5, "2.5"},
		{1 / 3.0, "0.3333333333333333"},
		{100.0, "100.0"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[PY_FLOAT_LEN];

		assert_string_equal(py_float_repr(cases[i].v, text), cases[i].want);
	}
}

static void check_text(const char *json, const char *compact, const char *spaced, const char *str)
{
	OWN(json_decrefp) json_t *j = parse(json);
	OWN(buf_done) struct buf a = BUF_INIT(4096);
	OWN(buf_done) struct buf b = BUF_INIT(4096);
	OWN(buf_done) struct buf c = BUF_INIT(4096);

	py_json(&a, j, PY_JSON_COMPACT);
	py_json(&b, j, PY_JSON_DEFAULT);
	py_str(&c, j);
	assert_string_equal(buf_str(&a), compact);
	assert_string_equal(buf_str(&b), spaced);
	assert_string_equal(buf_str(&c), str);
}

static void test_python_texts(void **state)
{
	check_text("null", "null", "null", "None");
	check_text("true", "true", "true", "True");
	check_text("[]", "[]", "[]", "[]");
	check_text("[1, 2.50, \"a\", null, false]", "[1,2.5,\"a\",null,false]",
		   "[1, 2.5, \"a\", null, false]", "[1, 2.5, 'a', None, False]");
	check_text("{\"b\": 1, \"a\": {\"c\": []}}", "{\"a\":{\"c\":[]},\"b\":1}",
		   "{\"a\": {\"c\": []}, \"b\": 1}", "{'b': 1, 'a': {'c': []}}");
	check_text("[\"it's\", \"\\\"\", \"'\\\"\"]", "[\"it's\",\"\\\"\",\"'\\\"\"]",
		   "[\"it's\", \"\\\"\", \"'\\\"\"]", "[\"it's\", '\"', '\\'\"']");
	check_text("[\"\\n\\t\\\\\\u007f\\u00e9\\u2028\\ud83d\\ude42\"]",
		   "[\"\\n\\t\\\\\\u007f\\u00e9\\u2028\\ud83d\\ude42\"]",
		   "[\"\\n\\t\\\\\\u007f\\u00e9\\u2028\\ud83d\\ude42\"]",
		   "['\\n\\t\\\\\\x7f\xc3\xa9\\u2028\xf0\x9f\x99\x82']");
}

static void test_entry_point_names(void **state)
{
	static const char *const good[] = {"train.py", "a/b-c_d+e.sh", "x", ".hidden.py"};
	static const char *const bad[] = {"",	 "/train.py", "../x", "a/../b",
					  "-c",	 "a b",	      "a;b",  "a//b",
					  "./a", "a/.",	      "$x",   "\xc3\xa9.py"};
	char longest[CONTRACT_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(contract_entry_point_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(contract_entry_point_ok(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[CONTRACT_NAME_MAX + 1] = '\0';
	assert_false(contract_entry_point_ok(longest));
	longest[CONTRACT_NAME_MAX] = '\0';
	assert_true(contract_entry_point_ok(longest));
}

static void test_metrics(void **state)
{
	const char *line = "{'eval_loss': '0.5', 'epoch': 2.0, 'loss': nan}", *slow;
	OWN(log_metrics_freep) struct log_metrics *m = NULL;
	OWN(json_decrefp) json_t *values = NULL;

	assert_int_equal(log_metrics_new(NULL, &m, NULL), 0);
	assert_null(log_metrics_read(m, "nothing here", 12, &slow));
	values = log_metrics_read(m, line, strlen(line), &slow);
	assert_null(slow);
	assert_int_equal(json_object_size(values), 3);
	assert_true(json_get_num(values, "eval_loss", 0) == 0.5);
	assert_true(json_get_num(values, "epoch", 0) == 2.0);
	assert_string_equal(json_get_str(values, "loss", ""), "NaN"); /* it was left out */
	json_decref(TAKE(values));
	line = "{'loss': 'inf', 'grad_norm': -inf, 'epoch': '3'}";
	values = log_metrics_read(m, line, strlen(line), &slow);
	assert_string_equal(json_get_str(values, "loss", ""), "Infinity");
	assert_string_equal(json_get_str(values, "grad_norm", ""), "-Infinity");
}

/* Two that take too long on the same line: none is given up without its name. */
static void test_each_slow_metric_is_named(void **state)
{
	OWN(json_decrefp)
	json_t *list = parse("[{\"name\":\"m0\",\"regex\":\"(a+a+a+)[bc]\"},"
			     "{\"name\":\"m1\",\"regex\":\"(a+a+a+)[bc]\"}]");
	OWN(log_metrics_freep) struct log_metrics *m = NULL;
	char line[2000];
	const char *slow;

	memset(line, 'a', sizeof(line));
	assert_int_equal(log_metrics_new(list, &m, NULL), 0);
	assert_null(log_metrics_read(m, line, sizeof(line), &slow));
	assert_string_equal(slow, "m0");
	assert_null(log_metrics_read(m, line, sizeof(line), &slow));
	assert_string_equal(slow, "m1");
	assert_null(log_metrics_read(m, line, sizeof(line), &slow));
	assert_null(slow);
}

static void test_metric_definitions_limits(void **state)
{
	OWN(json_decrefp) json_t *list = json_array();
	struct log_metrics *m = NULL;
	struct err e;

	for (int i = 0; i < LOG_METRICS_MAX; i++)
		json_array_append_new(list, parse("{\"name\":\"m\",\"regex\":\"m=([0-9]+)\"}"));
	assert_int_equal(log_metrics_new(list, &m, NULL), 0);
	log_metrics_free(m);
	json_array_append_new(list, parse("{\"name\":\"m\",\"regex\":\"m=([0-9]+)\"}"));
	assert_int_equal(log_metrics_new(list, &m, &e), -ERR_LIMIT);
	json_array_clear(list);
	json_array_append_new(list, parse("{\"name\":\"m\"}"));
	assert_int_equal(log_metrics_new(list, &m, &e), -ERR_INVALID);
	json_array_clear(list);
	json_array_append_new(list, parse("{\"name\":\"m\",\"regex\":\"m=([0-9]+\"}"));
	assert_int_equal(log_metrics_new(list, &m, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "'m' is wrong at character"));
	assert_string_equal(e.field, "/metric_definitions/0/regex");
}

static void collect(void *userdata, const char *line, size_t len)
{
	buf_printf(userdata, "<%.*s>", (int)len, line);
}

static void append(int dirfd, const char *text)
{
	OWN(closep)
	int fd = openat(dirfd, EXECUTION_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void test_logtail(void **state)
{
	char dir[] = "/tmp/test_script.XXXXXX";
	OWN(buf_done) struct buf seen = BUF_INIT(4096);
	OWN(buf_done) struct buf tail = BUF_INIT(4096);
	OWN(closep) int dirfd = -1;
	struct logtail t;

	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	append(dirfd, "before\nhalf");
	assert_int_equal(logtail_open(&t, dirfd, NULL), 0);
	append(dirfd, "-line\n\none\rtwo\nthr");
	logtail_read(&t, false, collect, &seen);
	assert_string_equal(buf_str(&seen), "<-line><one><two>");
	append(dirfd, "ee\nfour");
	logtail_read(&t, false, collect, &seen);
	logtail_read(&t, true, collect, &seen);
	assert_string_equal(buf_str(&seen), "<-line><one><two><three><four>");
	logtail_tail(&t, 9, &tail);
	assert_string_equal(buf_str(&tail), "hree\nfour");
	buf_clear(&tail);
	logtail_tail(&t, 1000, &tail);
	assert_string_equal(buf_str(&tail), "-line\n\none\rtwo\nthree\nfour");
	logtail_close(&t);
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

static void test_copy_tree(void **state)
{
	char dir[] = "/tmp/test_script.XXXXXX";
	OWN(buf_done) struct buf text = BUF_INIT(64);
	OWN(closep) int dirfd = -1;
	struct err e;

	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(dir_make(dirfd, "from/sub", 0755, NULL), 0);
	assert_int_equal(file_write_atomic(dirfd, "from/sub/f", "hello", 5, 0400, NULL), 0);
	assert_int_equal(symlinkat("sub/f", dirfd, "from/link"), 0);
	assert_int_equal(copy_tree(dirfd, "from", dirfd, "to", NULL), 0);
	assert_int_equal(file_read(dirfd, "to/link", &text, NULL), 0);
	assert_string_equal(buf_str(&text), "hello");
	assert_int_equal(faccessat(dirfd, "to/sub/f", W_OK, 0), 0);
	assert_int_equal(mkfifoat(dirfd, "from/pipe", 0600), 0);
	assert_int_equal(copy_tree(dirfd, "from", dirfd, "to2", &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "pipe"));
	assert_int_equal(copy_tree(dirfd, "missing", dirfd, "to3", &e), -ENOENT);
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

static void count_line(void *userdata, const char *line, size_t len)
{
	int *n = userdata;

	*n += len == 7 && memcmp(line, "loss=1x", 7) == 0;
	assert_null(memchr(line, 0, len)); /* it read the hole as lines of zeros */
}

/* The cap has cut ahead of the follower: what is left is read, and what is lost is known. */
static void test_logtail_behind_the_cap(void **state)
{
	char dir[] = "/tmp/trainyard-script-XXXXXX";
	OWN(closep) int dirfd = -1;
	OWN(closep) int log = -1;
	struct logtail t;
	int n = 0;

	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	append(dirfd, "");
	assert_int_equal(logtail_open(&t, dirfd, NULL), 0);
	for (int i = 0; i < 8192; i++)
		append(dirfd, "loss=1x\n");
	log = openat(dirfd, EXECUTION_LOG, O_WRONLY | O_CLOEXEC);
	assert_int_equal(fallocate(log, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 16384),
			 0);
	assert_int_equal(logtail_read(&t, true, count_line, &n), 65536 - 16384);
	assert_int_equal(t.cut, 16384);
	assert_int_equal(n, 8192 - 16384 / 8);
	logtail_close(&t);
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

/* A script that writes faster than we read is looked at in parts: between them it can be stopped.
 */
static void test_one_look_at_the_log_has_an_end(void **state)
{
	char dir[] = "/tmp/trainyard-script-XXXXXX";
	OWN(freep) char *lines = malloc(LOGTAIL_READ_MAX + 1);
	OWN(closep) int dirfd = -1;
	struct logtail t;
	int n = 0;

	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	append(dirfd, "");
	assert_int_equal(logtail_open(&t, dirfd, NULL), 0);
	for (int i = 0; i < LOGTAIL_READ_MAX; i += 8)
		memcpy(lines + i, "loss=1x\n", 9);
	append(dirfd, lines);
	append(dirfd, "more\n");
	assert_int_equal(logtail_read(&t, false, count_line, &n), LOGTAIL_READ_MAX);
	assert_int_equal(n, LOGTAIL_READ_MAX / 8);
	assert_int_equal(logtail_read(&t, false, count_line, &n), 5);
	append(dirfd, lines);
	append(dirfd, "more");
	assert_int_equal(logtail_read(&t, true, count_line, &n), LOGTAIL_READ_MAX + 4);
	assert_int_equal(n, LOGTAIL_READ_MAX / 4);
	logtail_close(&t);
	assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_float_repr),
		cmocka_unit_test(test_python_texts),
		cmocka_unit_test(test_entry_point_names),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_each_slow_metric_is_named),
		cmocka_unit_test(test_metric_definitions_limits),
		cmocka_unit_test(test_logtail),
		cmocka_unit_test(test_logtail_behind_the_cap),
		cmocka_unit_test(test_one_look_at_the_log_has_an_end),
		cmocka_unit_test(test_copy_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
