/* SPDX-License-Identifier: MIT */
/* The parts of the command line client that need no daemon: --set, request paths, printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/own.h"
#include "cli/client.h"
#include "cli/set.h"
#include "cli/show.h"

#include <string.h>

static json_t *parse(const char *text)
{
	json_t *j = NULL;

	assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
	return j;
}

static void test_set(void **state)
{
	static const struct {
		const char *assignment, *result;
	} cases[] = {
		{"name=new", "{\"jobs\":[{\"name\":\"a\",\"n\":1}],\"name\":\"new\"}"},
		{"name=7", "{\"jobs\":[{\"name\":\"a\",\"n\":1}],\"name\":7}"},
		{"jobs.a.n=2.5", "{\"jobs\":[{\"n\":2.5,\"name\":\"a\"}],\"name\":\"old\"}"},
		{"jobs.0.n=[1,\"x\"]",
		 "{\"jobs\":[{\"n\":[1,\"x\"],\"name\":\"a\"}],\"name\":\"old\"}"},
		{"jobs.a.local.cpus=2",
		 "{\"jobs\":[{\"local\":{\"cpus\":2},\"n\":1,\"name\":\"a\"}],"
		 "\"name\":\"old\"}"},
		{"jobs.0=null", "{\"jobs\":[null],\"name\":\"old\"}"},
		{"/jobs/0/n=3", "{\"jobs\":[{\"name\":\"a\",\"n\":3}],\"name\":\"old\"}"},
		{"/jobs/a/x.y=3",
		 "{\"jobs\":[{\"name\":\"a\",\"n\":1,\"x.y\":3}],\"name\":\"old\"}"},
		{"/a~1b~0c~01=1", "{\"jobs\":[{\"name\":\"a\",\"n\":1}],\"name\":\"old\","
				  "\"a/b~c~1\":1}"},
		{"name=a=b", "{\"jobs\":[{\"n\":1,\"name\":\"a\"}],\"name\":\"a=b\"}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(json_decrefp)
		json_t *root = parse("{\"name\":\"old\",\"jobs\":[{\"name\":\"a\",\"n\":1}]}");
		OWN(json_decrefp) json_t *want = parse(cases[i].result);
		struct err e;

		assert_int_equal(set_apply(root, cases[i].assignment, &e), 0);
		if (!json_equal(root, want))
			fail_msg("%s made %s", cases[i].assignment, json_text(root));
	}
}

static void test_set_refusals(void **state)
{
	static const struct {
		const char *assignment, *word;
	} cases[] = {
		{"name", "PATH=VALUE"},	    {"=1", "PATH=VALUE"},
		{"jobs.b.n=1", "'b'"},	    {"jobs.1=1", "'1'"},
		{"jobs.-1=1", "'-1'"},	    {"name.x=1", "a string where the path looks up 'x'"},
		{"jobs..n=1", "empty"},	    {".name=1", "empty"},
		{"name=\xff", "not UTF-8"}, {"/=1", "empty"},
		{"/jobs//n=1", "empty"},    {"name.=1", "empty"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(json_decrefp)
		json_t *root = parse("{\"name\":\"old\",\"jobs\":[{\"name\":\"a\",\"n\":1}]}");
		struct err e = {0};

		assert_int_equal(set_apply(root, cases[i].assignment, &e), -ERR_INVALID);
		if (!strstr(e.msg, cases[i].word))
			fail_msg("%s: '%s' lacks '%s'", cases[i].assignment, e.msg, cases[i].word);
	}
}

static void test_path(void **state)
{
	struct request_path p;
	char long_name[CLI_PATH_MAX];

	request_path(&p, "/v1/endpoints");
	request_path_segment(&p, "a b/ö");
	request_path_param(&p, "none", NULL);
	request_path_param(&p, "state", "failed,running");
	request_path_param(&p, "limit", "5");
	assert_string_equal(p.text, "/v1/endpoints/a%20b%2F%C3%B6?state=failed%2Crunning&limit=5");
	assert_false(p.too_long);

	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	request_path(&p, "/");
	request_path_param(&p, "q", long_name);
	assert_true(p.too_long);
}

static void test_cells(void **state)
{
	OWN(json_decrefp)
	json_t *job = parse("{\"name\":\"a\\u001b[31mb\",\"progress\":{\"done\":30,\"total\":120},"
			    "\"n\":1048576,"
			    "\"reason\":{\"code\":\"oom\",\"message\":\"no "
			    "memory\"},\"lease\":{\"ttl\":\"1h\"},"
			    "\"started_at\":\"2026-01-02T03:04:05.000Z\",\"finished_at\":\"2026-01-"
			    "02T04:05:06.000Z\"}");
	static const struct {
		struct show_column column;
		const char *cell;
	} cases[] = {
		{{"", "name"}, "a?[31mb"},
		{{"", "name", SHOW_TEXT, 4}, "a?[…"},
		{{"", "progress", SHOW_PROGRESS}, "25%"},
		{{"", "n", SHOW_BYTES}, "1.0 MiB"},
		{{"", "reason", SHOW_REASON}, "oom: no memory"},
		{{"", "lease.ttl"}, "1h"},
		{{"", "lease.idle"}, "-"},
		{{"", "started_at", SHOW_TOOK}, "1h 01m"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char cell[SHOW_CELL_MAX];

		show_cell(cell, job, &cases[i].column);
		assert_string_equal(cell, cases[i].cell);
	}
}

static void test_ages(void **state)
{
	OWN(json_decrefp)
	json_t *e = parse("{\"was\":\"2026-01-02T03:04:05.000Z\","
			  "\"comes\":\"2026-01-02T03:05:10.000Z\"}");
	static const struct show_column was = {"", "was", SHOW_AGE},
					comes = {"", "comes", SHOW_AGE};
	char cell[SHOW_CELL_MAX];
	int64_t now_us;

	assert_int_equal(clock_parse("2026-01-02T03:04:10.500Z", &now_us), 0);
	clock_fake_us(now_us);
	show_cell(cell, e, &was);
	assert_string_equal(cell, "5.5s ago");
	show_cell(cell, e, &comes);
	assert_string_equal(cell, "in 59s");
	clock_fake_us(0);
}

static void test_durations_and_bars(void **state)
{
	char buf[32];

	assert_string_equal(show_duration(buf, -1), "0.0s");
	assert_string_equal(show_duration(buf, 9900000), "9.9s");
	assert_string_equal(show_duration(buf, INT64_C(61) * USEC_PER_SEC), "1m 01s");
	assert_string_equal(show_duration(buf, INT64_C(47) * 3600 * USEC_PER_SEC), "47h 00m");
	assert_string_equal(show_duration(buf, INT64_C(49) * 3600 * USEC_PER_SEC), "2d 01h");
	assert_string_equal(show_bar(buf, 4, 0.5), "[##  ]");
	assert_string_equal(show_bar(buf, 4, 7), "[####]");
	assert_string_equal(show_bar(buf, 4, -1), "[    ]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),  cmocka_unit_test(test_set_refusals),
		cmocka_unit_test(test_path), cmocka_unit_test(test_cells),
		cmocka_unit_test(test_ages), cmocka_unit_test(test_durations_and_bars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
