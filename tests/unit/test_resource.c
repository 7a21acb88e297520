/* SPDX-License-Identifier: MIT */
/* jobs/sagemaker/resource: words, who follows whom, and names at their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/sagemaker/resource.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NONCE "0123456789ab"

static void test_words(void **state)
{
	enum resource_kind kind;
	enum resource_state got;

	for (int i = 0; i < RESOURCE_KINDS_; i++) {
		assert_int_equal(
			resource_kind_parse(resource_kind_str((enum resource_kind)i), &kind), 0);
		assert_int_equal(kind, i);
	}
	for (int i = 0; i < RESOURCE_STATES_; i++) {
		assert_int_equal(
			resource_state_parse(resource_state_str((enum resource_state)i), &got), 0);
		assert_int_equal(got, i);
	}
	assert_int_equal(resource_kind_parse("bucket", &kind), -EINVAL);
	assert_int_equal(resource_state_parse("", &got), -EINVAL);
	assert_string_equal(resource_kind_str(RESOURCE_ENDPOINT_CONFIG), "endpoint_config");
}

static void test_every_pair_of_states(void **state)
{
	static const bool may[RESOURCE_STATES_][RESOURCE_STATES_] = {
		[RESOURCE_PLANNED] = {[RESOURCE_PRESENT] = true, [RESOURCE_REFUSED] = true},
		[RESOURCE_PRESENT] = {[RESOURCE_ENDING] = true, [RESOURCE_ENDED] = true},
		[RESOURCE_ENDING] = {[RESOURCE_ENDED] = true},
	};

	for (int from = 0; from < RESOURCE_STATES_; from++) {
		for (int to = 0; to < RESOURCE_STATES_; to++)
			assert_int_equal(resource_state_may((enum resource_state)from,
							    (enum resource_state)to),
					 may[from][to]);
		assert_int_equal(resource_state_is_final((enum resource_state)from),
				 from == RESOURCE_ENDED || from == RESOURCE_REFUSED);
	}
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* SageMaker's rule for the names of models and endpoints; training jobs allow no less. */
static void assert_good_name(const char *name)
{
	size_t n = strlen(name);

	assert_in_range(n, 1, RESOURCE_NAME_MAX);
	assert_true(is_alnum(name[0]) && is_alnum(name[n - 1]));
	for (size_t i = 0; i < n; i++)
		assert_true(is_alnum(name[i]) || (name[i] == '-' && name[i + 1] != '-'));
}

static void test_names(void **state)
{
	static const struct {
		const char *words, *name;
	} cases[] = {
		{"imdb train", "trainyard-imdb-train-" NONCE},
		{"imdb.train_2", "trainyard-imdb-train-2-" NONCE},
		{"--a  //  b--", "trainyard-a-b-" NONCE},
		{"", "trainyard-" NONCE},
		{"...", "trainyard-" NONCE},
		{"Übung", "trainyard-bung-" NONCE},
	};
	char name[RESOURCE_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		resource_name(name, cases[i].words, NONCE);
		assert_string_equal(name, cases[i].name);
		assert_good_name(name);
	}
}

/* Words of every length, also with a hyphen at every place of the cut. */
static void test_names_at_the_limit(void **state)
{
	char words[128], name[RESOURCE_NAME_MAX + 1];
	size_t longest = 0;

	for (size_t n = 0; n < sizeof(words); n++)
		for (size_t hyphen = 0; hyphen <= n; hyphen++) {
			memset(words, 'w', n);
			words[n] = '\0';
			if (hyphen < n)
				words[hyphen] = '-';
			resource_name(name, words, NONCE);
			assert_good_name(name);
			assert_string_equal(name + strlen(name) - strlen(NONCE), NONCE);
			if (strlen(name) > longest)
				longest = strlen(name);
		}
	assert_int_equal(longest, RESOURCE_NAME_MAX);
	memset(words, 'w', sizeof(words));
	words[40] = '\0';
	resource_name(name, words, NONCE);
	assert_int_equal(strlen(name), RESOURCE_NAME_MAX); /* 40 words fit, 41 are cut */
	words[40] = 'w';
	words[41] = '\0';
	resource_name(name, words, NONCE);
	assert_int_equal(strlen(name), RESOURCE_NAME_MAX);
}

static void test_nonces_differ(void **state)
{
	char nonces[256][RESOURCE_NONCE_LEN], name[RESOURCE_NAME_MAX + 1];

	for (size_t i = 0; i < 256; i++) {
		resource_nonce_new(nonces[i]);
		assert_int_equal(strlen(nonces[i]), RESOURCE_NONCE_LEN - 1);
		resource_name(name, "x", nonces[i]);
		assert_good_name(name);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(nonces[i], nonces[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	      cmocka_unit_test(test_every_pair_of_states),
		cmocka_unit_test(test_names),	      cmocka_unit_test(test_names_at_the_limit),
		cmocka_unit_test(test_nonces_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
