/* SPDX-License-Identifier: MIT */
/* aws/policy: what a role may do, as far as its policies tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/policy.h"
#include "base/own.h"

#include <string.h>

#define OBJECTS	 "arn:aws:s3:::bucket/*"
#define STATE(x) "{\"Version\":\"2012-10-17\",\"Statement\":" x "}"

/* Documents as a JSON list. */
static enum policy_answer allows(const char *documents, const char *action, const char *resource)
{
	OWN(json_decrefp) json_t *list = NULL;
	struct err e = {0};

	assert_int_equal(json_parse(documents, strlen(documents), &list, &e), 0);
	return policy_allows(list, action, resource);
}

static void test_allow_and_deny(void **state)
{
	static const struct {
		const char *documents;
		enum policy_answer answer;
	} cases[] = {
		{"[]", POLICY_NO},
		{"[" STATE("[]") "]", POLICY_NO},
		{"[" STATE("[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]") "]",
		 POLICY_YES},
		/* one statement without a list */
		{"[" STATE("{\"Effect\":\"Allow\",\"Action\":[\"s3:Put*\",\"S3:getobject\"],"
			   "\"Resource\":[\"arn:aws:s3:::other\",\"" OBJECTS "\"]}") "]",
		 POLICY_YES},
		{"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\","
			   "\"Resource\":\"*\"}") "]",
		 POLICY_NO},
		{"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:G?tObject\","
			   "\"Resource\":\"arn:aws:s3:::b*t/*\"}") "]",
		 POLICY_YES},
		/* the bucket alone is none of its objects */
		{"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
			   "\"Resource\":\"arn:aws:s3:::bucket\"}") "]",
		 POLICY_NO},
		/* names are case-sensitive */
		{"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
			   "\"Resource\":\"arn:aws:s3:::Bucket/*\"}") "]",
		 POLICY_NO},
		/* a deny in another document wins */
		{"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}") "," STATE(
			 "{\"Effect\":\"Deny\",\"Action\":\"s3:*\",\"Resource\":\"*\"}") "]",
		 POLICY_NO},
		{"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}") "," STATE(
			 "{\"Effect\":\"Deny\",\"Action\":\"s3:Delete*\",\"Resource\":\"*\"}") "]",
		 POLICY_YES},
		/* a word that is no effect */
		{"[" STATE("{\"Effect\":\"Perhaps\",\"Action\":\"*\",\"Resource\":\"*\"}") "]",
		 POLICY_NO},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (allows(cases[i].documents, "s3:GetObject", OBJECTS) != cases[i].answer)
			fail_msg("case %zu: %s", i, cases[i].documents);
}

static void test_maybe(void **state)
{
	static const char *const documents[] = {
		/* a part of the bucket */
		"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
			  "\"Resource\":\"arn:aws:s3:::bucket/data/*\"}") "]",
		/* a condition */
		"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\","
			  "\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"true\"}}}") "]",
		"[" STATE("[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},"
			  "{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\","
			  "\"Condition\":{\"Null\":{\"aws:SourceVpc\":\"true\"}}}]") "]",
		/* a part is denied */
		"[" STATE("[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},"
			  "{\"Effect\":\"Deny\",\"Action\":\"*\","
			  "\"Resource\":\"arn:aws:s3:::*/secret*\"}]") "]",
		/* a variable */
		"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
			  "\"Resource\":\"arn:aws:s3:::bucket/${aws:username}/*\"}") "]",
		"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
			  "\"Resource\":\"arn:aws:s3:::${aws:PrincipalTag/b}/*\"}") "]",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		if (allows(documents[i], "s3:GetObject", OBJECTS) != POLICY_MAYBE)
			fail_msg("case %zu: %s", i, documents[i]);
}

static void test_everything_but(void **state)
{
	const char *not_iam = "[" STATE("{\"Effect\":\"Allow\",\"NotAction\":[\"iam:*\"],"
					"\"Resource\":\"*\"}") "]";
	const char *not_here = "[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
					 "\"NotResource\":\"" OBJECTS "\"}") "]";
	const char *not_part = "[" STATE("{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
					 "\"NotResource\":\"arn:aws:s3:::bucket/x/*\"}") "]";
	const char *only = "[" STATE("[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},"
				     "{\"Effect\":\"Deny\",\"NotAction\":\"s3:*\","
				     "\"Resource\":\"*\"}]") "]";

	assert_int_equal(allows(not_iam, "s3:GetObject", OBJECTS), POLICY_YES);
	assert_int_equal(allows(not_iam, "iam:PassRole", "*"), POLICY_NO);
	assert_int_equal(allows(not_here, "s3:GetObject", OBJECTS), POLICY_NO);
	assert_int_equal(allows(not_here, "s3:GetObject", "arn:aws:s3:::else/*"), POLICY_YES);
	assert_int_equal(allows(not_part, "s3:GetObject", OBJECTS), POLICY_MAYBE);
	assert_int_equal(allows(only, "s3:GetObject", OBJECTS), POLICY_YES);
	assert_int_equal(allows(only, "logs:PutLogEvents", "*"), POLICY_NO);
}

static void test_statements_that_say_nothing(void **state)
{
	static const char *const documents[] = {
		"[1, \"x\", null, {}]",
		"[{\"Statement\":[1, \"x\", [], {}]}]",
		"[" STATE("{\"Effect\":\"Allow\",\"Resource\":\"*\"}") "]",
		"[" STATE("{\"Effect\":\"Allow\",\"Action\":\"*\"}") "]",
		"[" STATE("{\"Effect\":\"Allow\",\"Action\":[7],\"Resource\":{}}") "]",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		assert_int_equal(allows(documents[i], "s3:GetObject", OBJECTS), POLICY_NO);
}

/* A pattern that would take a backtracking matcher for ever. */
static void test_many_stars(void **state)
{
	char pattern[401], text[2001], document[700];

	for (size_t i = 0; i < 400; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[400] = '\0';
	memset(text, 'a', 2000);
	text[2000] = '\0';
	snprintf(document, sizeof(document),
		 "[" STATE("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"%sb\"}") "]",
		 pattern);
	assert_int_equal(allows(document, "s3:GetObject", text), POLICY_NO);
	text[1999] = 'b';
	assert_int_equal(allows(document, "s3:GetObject", text), POLICY_YES);
}

static enum policy_answer trusts(const char *text)
{
	OWN(json_decrefp) json_t *document = NULL;
	struct err e = {0};

	assert_int_equal(policy_parse(text, &document, &e), 0);
	return policy_trusts(document, "sagemaker.amazonaws.com");
}

#define TRUST(principal, rest)                                  \
	STATE("[{\"Effect\":\"Allow\",\"Principal\":" principal \
	      ",\"Action\":\"sts:AssumeRole\"" rest "}]")

static void test_trust(void **state)
{
	const char *encoded =
		"%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A"
		"%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22sagemaker.amazonaws.com%22"
		"%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

	assert_int_equal(trusts(encoded), POLICY_YES);
	assert_int_equal(trusts(TRUST("{\"Service\":\"sagemaker.amazonaws.com\"}", "")),
			 POLICY_YES);
	assert_int_equal(trusts(TRUST("{\"Service\":[\"ec2.amazonaws.com\","
				      "\"sagemaker.amazonaws.com\"]}",
				      "")),
			 POLICY_YES);
	assert_int_equal(trusts(TRUST("{\"Service\":\"ec2.amazonaws.com\"}", "")), POLICY_NO);
	assert_int_equal(trusts(TRUST("{\"AWS\":\"sagemaker.amazonaws.com\"}", "")), POLICY_NO);
	assert_int_equal(trusts(TRUST("{\"Service\":\"xsagemaker.amazonaws.com\"}", "")),
			 POLICY_NO);
	assert_int_equal(trusts(TRUST("{\"Service\":\"sagemaker.amazonaws.com\"}",
				      ",\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":"
				      "\"1\"}}")),
			 POLICY_MAYBE);
	assert_int_equal(trusts(TRUST("\"*\"", "")), POLICY_MAYBE);
	assert_int_equal(
		trusts(STATE("[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
			     "\"sagemaker.amazonaws.com\"},\"Action\":\"sts:TagSession\"}]")),
		POLICY_NO);
}

static void test_parse(void **state)
{
	json_t *document = NULL;
	struct err e = {0};

	assert_int_equal(policy_parse("[]", &document, &e), -ERR_INVALID);
	assert_int_equal(policy_parse("%5B%5D", &document, &e), -ERR_INVALID);
	assert_int_equal(policy_parse("%7", &document, &e), -ERR_INVALID);
	assert_int_equal(policy_parse("", &document, &e), -ERR_INVALID);
	assert_int_equal(policy_parse("{\"a\": \"100%25\"}", &document, &e), 0);
	assert_string_equal(json_get_str(document, "a", ""), "100%25"); /* it was not encoded */
	json_decref(document);
}

static void test_longest(void **state)
{
	char *text = malloc(POLICY_TEXT_MAX + 2);
	json_t *document = NULL;
	struct err e = {0};

	assert_non_null(text);
	memset(text, ' ', POLICY_TEXT_MAX + 1);
	memcpy(text, "{}", 2);
	text[POLICY_TEXT_MAX] = '\0';
	assert_int_equal(policy_parse(text, &document, &e), 0);
	json_decref(document);
	text[POLICY_TEXT_MAX] = ' ';
	text[POLICY_TEXT_MAX + 1] = '\0';
	assert_int_equal(policy_parse(text, &document, &e), -ERR_LIMIT);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allow_and_deny),
		cmocka_unit_test(test_maybe),
		cmocka_unit_test(test_everything_but),
		cmocka_unit_test(test_statements_that_say_nothing),
		cmocka_unit_test(test_many_stars),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
