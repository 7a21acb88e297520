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
#include "jobs/spec/entry_point.h"
#include "tests/unit/scratch.h"
#include "wire/execution.h"
#include "worker/script/contract.h"
#include "worker/script/copy.h"
#include "worker/script/output.h"

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
	static const char *const good[] = {"train.py", "a/b-c_d+e.sh", "x",	     ".hidden.py",
					   "+x.py",    "a@b.py",       "\xc3\xa9.py"};
	static const char *const bad[] = {"",	 "/train.py", "../x", "a/../b", "-c", "a b",
					  "a;b", "a//b",      "./a",  "a/.",	"$x"};
	char longest[ENTRY_POINT_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_null(entry_point_problem(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_non_null(entry_point_problem(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[ENTRY_POINT_MAX + 1] = '\0';
	assert_non_null(entry_point_problem(longest));
	longest[ENTRY_POINT_MAX] = '\0';
	assert_null(entry_point_problem(longest));
}

static void test_metrics(void **state)
{
	const char *line = "{'eval_loss': '0.5', 'epoch': 2.0, 'loss': nan}";
	struct slow_metrics slow = {.n = 0};
	OWN(log_metrics_freep) struct log_metrics *m = NULL;
	OWN(json_decrefp) json_t *values = NULL;

	assert_int_equal(log_metrics_new(NULL, &m, NULL), 0);
	assert_null(log_metrics_read(m, "nothing here", 12, NULL, &slow));
	values = log_metrics_read(m, line, strlen(line), NULL, &slow);
	assert_int_equal(slow.n, 0);
	assert_int_equal(json_object_size(values), 3);
	assert_true(json_get_num(values, "eval_loss", 0) == 0.5);
	assert_true(json_get_num(values, "epoch", 0) == 2.0);
	assert_string_equal(json_get_str(values, "loss", ""), "NaN"); /* it was left out */
	json_decref(TAKE(values));
	line = "{'loss': 'inf', 'grad_norm': -inf, 'epoch': '3'}";
	values = log_metrics_read(m, line, strlen(line), NULL, &slow);
	assert_string_equal(json_get_str(values, "loss", ""), "Infinity");
	assert_string_equal(json_get_str(values, "grad_norm", ""), "-Infinity");
}

/* Two that take too long on the same line: both are given up, each with its name. */
static void test_each_slow_metric_is_named(void **state)
{
	OWN(json_decrefp)
	json_t *list = parse("[{\"name\":\"m0\",\"regex\":\"(a+a+a+)[bc]\"},"
			     "{\"name\":\"m1\",\"regex\":\"(a+a+a+)[bc]\"}]");
	OWN(log_metrics_freep) struct log_metrics *m = NULL;
	char line[2000];
	struct slow_metrics slow = {.n = 0};

	memset(line, 'a', sizeof(line));
	assert_int_equal(log_metrics_new(list, &m, NULL), 0);
	assert_null(log_metrics_read(m, line, sizeof(line), NULL, &slow));
	assert_int_equal(slow.n, 2);
	assert_string_equal(slow.names[0], "m0");
	assert_string_equal(slow.names[1], "m1");
	assert_null(log_metrics_read(m, line, sizeof(line), NULL, &slow));
	assert_int_equal(slow.n, 2);
}

/* Before: 170 s for 64 starts of such a line, and no end for the whole of it. The first needs more
 * steps than a start has; the second stays below that at each of 65,536 starts. */
static void test_an_expression_has_an_end_on_the_longest_line(void **state)
{
	OWN(json_decrefp)
	json_t *list = parse("[{\"name\":\"steps\",\"regex\":\"(a)(?=.*.*Q)\"},"
			     "{\"name\":\"starts\",\"regex\":\"(a)(?=.{0,300}.{0,300}Q)\"}]");
	OWN(log_metrics_freep) struct log_metrics *m = NULL;
	OWN(freep) char *line = malloc(LOG_METRICS_LINE_MAX);
	const _Atomic bool stop = true;
	struct slow_metrics slow = {.n = 0};

	memset(line, 'a', LOG_METRICS_LINE_MAX);
	assert_int_equal(log_metrics_new(list, &m, NULL), 0);
	assert_null(log_metrics_read(m, line, LOG_METRICS_LINE_MAX, &stop, &slow));
	assert_int_equal(slow.n, 0); /* stopped, not too slow */
	assert_null(log_metrics_read(m, line, LOG_METRICS_LINE_MAX, NULL, &slow));
	assert_int_equal(slow.n, 2);
	assert_string_equal(slow.names[0], "steps");
	assert_string_equal(slow.names[1], "starts");
}

/* A line is searched in parts: what looks back, or at both ends, finds the same. */
static void test_a_value_is_found_wherever_it_stands(void **state)
{
	OWN(json_decrefp)
	json_t *list = parse("[{\"name\":\"behind\",\"regex\":\"(?<=x)loss=([0-9.]+)\"},"
			     "{\"name\":\"word\",\"regex\":\"loss=([0-9.]+)$\"},"
			     "{\"name\":\"line\",\"regex\":\"^x+loss=([0-9.]+)\"},"
			     "{\"name\":\"far\",\"regex\":\"xxxx.*=([0-9.]+)\"}]");
	OWN(log_metrics_freep) struct log_metrics *m = NULL;
	char line[400];
	struct slow_metrics slow = {.n = 0};

	assert_int_equal(log_metrics_new(list, &m, NULL), 0);
	memset(line, 'x', sizeof(line));
	for (size_t n = 4; n < 300; n++) {
		OWN(json_decrefp) json_t *values = NULL;

		memcpy(line + n, "loss=1.5", 8);
		values = log_metrics_read(m, line, n + 8, NULL, &slow);
		assert_int_equal(json_object_size(values), 4);
		line[n] = 'x';
	}
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
	assert_non_null(
		strstr(e.msg, "metric 'm': 'm=([0-9]+' is not a valid expression at character"));
	assert_string_equal(e.field, "/metric_definitions/0/regex");
}

static void collect(void *userdata, const char *line, size_t len)
{
	buf_printf(userdata, "<%.*s>", (int)len, line);
}

/* A script's output, and a file in the place of our stdout. */
struct rig {
	char dir[64];
	int dirfd, out, stdout_was;
	struct output output;
};

static void rig_open(struct rig *rig)
{
	OWN(closep) int log = -1;

	scratch_make(rig->dir, sizeof(rig->dir), "script");
	rig->dirfd = open(rig->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log = openat(rig->dirfd, EXECUTION_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(output_open(&rig->output, &rig->out, NULL), 0);
	fflush(stdout);
	rig->stdout_was = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(dup2(log, STDOUT_FILENO) >= 0);
}

static void rig_write(const struct rig *rig, const char *text)
{
	assert_int_equal(fd_write_all(rig->out, text, strlen(text)), 0);
}

/* What has been passed on is *log. */
static void rig_close(struct rig *rig, struct buf *log)
{
	assert_true(dup2(rig->stdout_was, STDOUT_FILENO) >= 0);
	close(rig->stdout_was);
	assert_int_equal(file_read(rig->dirfd, EXECUTION_LOG, log, NULL), 0);
	output_done(&rig->output);
	if (rig->out >= 0)
		close(rig->out);
	close(rig->dirfd);
	scratch_remove(rig->dir);
}

static void test_output_is_read_by_lines_and_passed_on(void **state)
{
	OWN(buf_done) struct buf seen = BUF_INIT(4096);
	OWN(buf_done) struct buf log = BUF_INIT(4096);
	struct rig rig;
	size_t len;

	rig_open(&rig);
	rig_write(&rig, "half");
	output_pass(&rig.output, collect, &seen);
	rig_write(&rig, "-line\n\none\rtwo\nthr");
	output_pass(&rig.output, collect, &seen);
	output_pass(&rig.output, collect, &seen); /* nothing is there */
	assert_string_equal(buf_str(&seen), "<half-line><one><two>");
	rig_write(&rig, "ee\nfour");
	output_end(&rig.output, collect, &seen); /* others may still have the other end */
	assert_int_equal(rig.output.fd, -1);
	assert_string_equal(buf_str(&seen), "<half-line><one><two><three><four>");
	assert_memory_equal(output_tail(&rig.output, &len), "half-line\n\none\rtwo\nthree\nfour",
			    29);
	assert_int_equal(len, 29);
	rig_close(&rig, &log);
	assert_string_equal(buf_str(&log), "half-line\n\none\rtwo\nthree\nfour");
}

static void count_line(void *userdata, const char *line, size_t len)
{
	int *n = userdata;

	*n += len == 7 && memcmp(line, "loss=1x", 7) == 0;
}

/* More than the tail and than the log may keep: no line is missed. */
static void test_no_line_of_much_output_is_missed(void **state)
{
	OWN(buf_done) struct buf log = BUF_INIT(16 << 20);
	OWN(buf_done) struct buf part = BUF_INIT(65536);
	struct rig rig;
	int n = 0, parts = 100;
	size_t len;

	while (part.len < 4000 * 8)
		buf_puts(&part, "loss=1x\n");
	rig_open(&rig);
	for (int i = 0; i < parts; i++) {
		rig_write(&rig, buf_str(&part));
		output_pass(&rig.output, count_line, &n);
		output_tail(&rig.output, &len);
		assert_int_equal(len, OUTPUT_TAIL_MAX);
	}
	rig_write(&rig, "the end");
	assert_int_equal(close(TAKE_FD(rig.out)), 0);
	output_pass(&rig.output, count_line, &n);
	output_pass(&rig.output, count_line, &n);
	assert_int_equal(rig.output.fd, -1); /* poll(2) would say so for ever */
	output_end(&rig.output, count_line, &n);
	assert_int_equal(n, parts * 4000);
	assert_memory_equal(output_tail(&rig.output, &len) + OUTPUT_TAIL_MAX - 15,
			    "loss=1x\nthe end", 15);
	rig_close(&rig, &log);
	assert_int_equal(log.len, (size_t)parts * part.len + 7);
}

/* Parts of 64 KiB, between which a stop is seen; a line that is too long comes in parts. */
static void test_one_look_at_the_output_has_an_end(void **state)
{
	OWN(buf_done) struct buf seen = BUF_INIT(1 << 20);
	OWN(buf_done) struct buf log = BUF_INIT(1 << 20);
	OWN(freep) char *text = calloc(1, 2 * OUTPUT_LINE_MAX + 1);
	struct rig rig;

	memset(text, 'x', 2 * OUTPUT_LINE_MAX);
	rig_open(&rig);
	assert_true(fcntl(rig.out, F_SETPIPE_SZ, 4 * OUTPUT_LINE_MAX) > 0);
	rig_write(&rig, text);
	output_pass(&rig.output, collect, &seen);
	assert_int_equal(rig.output.line.len, OUTPUT_LINE_MAX);
	assert_int_equal(seen.len, 0);
	output_pass(&rig.output, collect, &seen);
	assert_int_equal(seen.len, OUTPUT_LINE_MAX + 2);
	output_end(&rig.output, collect, &seen);
	assert_int_equal(seen.len, 2 * (OUTPUT_LINE_MAX + 2));
	rig_close(&rig, &log);
	assert_int_equal(log.len, 2 * OUTPUT_LINE_MAX);
}

static void test_copy_tree(void **state)
{
	char dir[64];
	OWN(buf_done) struct buf text = BUF_INIT(64);
	OWN(closep) int dirfd = -1;
	struct err e;

	scratch_make(dir, sizeof(dir), "script");
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
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_float_repr),
		cmocka_unit_test(test_python_texts),
		cmocka_unit_test(test_entry_point_names),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_each_slow_metric_is_named),
		cmocka_unit_test(test_an_expression_has_an_end_on_the_longest_line),
		cmocka_unit_test(test_a_value_is_found_wherever_it_stands),
		cmocka_unit_test(test_metric_definitions_limits),
		cmocka_unit_test(test_output_is_read_by_lines_and_passed_on),
		cmocka_unit_test(test_no_line_of_much_output_is_missed),
		cmocka_unit_test(test_one_look_at_the_output_has_an_end),
		cmocka_unit_test(test_copy_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
