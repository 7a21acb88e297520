/* SPDX-License-Identifier: MIT */
/* jobs/s3_uri: what is an address in S3, its parts, and paths below it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/s3_uri.h"

#include <stdio.h>
#include <string.h>

static void test_good(void **state)
{
	static const struct {
		const char *uri, *bucket, *key;
		bool prefix;
	} cases[] = {
		{"s3://abc", "abc", "", true},
		{"s3://abc/", "abc", "", true},
		{"s3://my-bucket/a/b.csv.gz", "my-bucket", "a/b.csv.gz", false},
		{"s3://my.dotted.bucket/a b/ü+=&~'()/", "my.dotted.bucket", "a b/ü+=&~'()/", true},
		{"s3://1.2.3/x", "1.2.3", "x", false}, /* three numbers are not an address */
		{"s3://abc//twice", "abc", "/twice", false},
		{"s3://abc/..a/.b./...", "abc", "..a/.b./...", false},
	};
	struct s3_uri got;
	struct err e = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (s3_uri_parse(cases[i].uri, &got, &e) < 0)
			fail_msg("%s: %s", cases[i].uri, e.msg);
		assert_true(s3_uri_is(cases[i].uri));
		assert_string_equal(got.bucket, cases[i].bucket);
		assert_string_equal(got.key, cases[i].key);
		assert_int_equal(s3_uri_is_prefix(cases[i].uri), cases[i].prefix);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *uri, *word;
	} cases[] = {
		{"", "write s3://bucket/key"},
		{"/a/b", "write s3://bucket/key"},
		{"S3://abc/d", "write s3://bucket/key"},
		{"https://abc.s3.amazonaws.com/d", "write s3://bucket/key"},
		{"s3://", "not the name of a bucket"},
		{"s3:///key", "not the name of a bucket"},
		{"s3://ab/key", "3 to 63 lower-case"},
		{"s3://Abc/key", "'Abc' is not the name"},
		{"s3://a_b/key", "not the name of a bucket"},
		{"s3://-abc/key", "not the name of a bucket"},
		{"s3://abc-/key", "not the name of a bucket"},
		{"s3://abc./key", "not the name of a bucket"},
		{"s3://a..b/key", "not the name of a bucket"},
		{"s3://192.168.0.1/key", "not the name of a bucket"},
		{"s3://a b c/key", "not the name of a bucket"},
		{"s3://arn:aws:s3:us-east-1:1:accesspoint/x", "not the name of a bucket"},
		{"s3://abc/a/../b", "'.' or '..'"},
		{"s3://abc/..", "'.' or '..'"},
		{"s3://abc/./", "'.' or '..'"},
		{"s3://abc/a\nb", "control characters"},
		{"s3://abc/a\177", "control characters"},
	};
	struct s3_uri got;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = {0};

		assert_int_equal(s3_uri_parse(cases[i].uri, &got, &e), -ERR_INVALID);
		if (!strstr(e.msg, cases[i].word))
			fail_msg("%s: %s", cases[i].uri, e.msg);
	}
}

static void test_limits(void **state)
{
	for (size_t n = S3_BUCKET_MAX; n <= S3_BUCKET_MAX + 1; n++) {
		char uri[128];
		struct s3_uri got;

		memset(uri, 'b', sizeof(uri));
		memcpy(uri, "s3://", 5);
		memcpy(uri + 5 + n, "/k", 3);
		assert_int_equal(s3_uri_parse(uri, &got, NULL),
				 n == S3_BUCKET_MAX ? 0 : -ERR_INVALID);
	}
	for (size_t n = S3_KEY_MAX; n <= S3_KEY_MAX + 1; n++) {
		char uri[S3_KEY_MAX + 32];
		struct s3_uri got;

		memset(uri, 'k', sizeof(uri));
		memcpy(uri, "s3://abc/", 9);
		uri[9 + n] = '\0';
		assert_int_equal(s3_uri_parse(uri, &got, NULL), n == S3_KEY_MAX ? 0 : -ERR_INVALID);
	}
}

static void test_join(void **state)
{
	char buf[32];

	assert_true(s3_uri_join(buf, sizeof(buf), "s3://abc", "x/y"));
	assert_string_equal(buf, "s3://abc/x/y");
	assert_true(s3_uri_join(buf, sizeof(buf), "s3://abc/p/", "/x"));
	assert_string_equal(buf, "s3://abc/p/x");
	assert_true(s3_uri_join(buf, sizeof(buf), "s3://abc/p", ""));
	assert_string_equal(buf, "s3://abc/p/");
	assert_true(s3_uri_join(buf, 13, "s3://abc", "x/y"));
	assert_false(s3_uri_join(buf, 12, "s3://abc", "x/y"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
