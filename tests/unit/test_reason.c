/* SPDX-License-Identifier: MIT */
/* jobs/reason: names, retry rules, and messages that are cut between characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "jobs/reason.h"

#include <errno.h>
#include <string.h>

static void test_names(void **state)
{
	enum reason_code got;

	for (int i = 0; i < REASONS_; i++) {
		assert_int_equal(reason_code_parse(reason_code_str((enum reason_code)i), &got), 0);
		assert_int_equal(got, i);
	}
	assert_int_equal(reason_code_parse("OOM", &got), -EINVAL);
	assert_string_equal(reason_code_str(REASON_NONE), "");
	assert_string_equal(reason_code_str(REASON_SHIM_LOST), "shim_lost");
}

static void test_retry_rules(void **state)
{
	for (int i = 0; i < REASONS_; i++) {
		enum reason_code code = (enum reason_code)i;
		bool wanted = code == REASON_HOST_LOST || code == REASON_QUOTA ||
			      code == REASON_CAPACITY || code == REASON_THROTTLED ||
			      code == REASON_SPOT_INTERRUPTED;

		assert_int_equal(reason_retried_by_default(code), wanted);
		if (wanted) /* what is retried by itself may also be named */
			assert_true(reason_may_be_named(code));
	}
	assert_true(reason_may_be_named(REASON_OOM));
	assert_true(reason_may_be_named(REASON_SCRIPT_ERROR));
	assert_false(reason_may_be_named(REASON_CANCELLED));
	assert_false(reason_may_be_named(REASON_WAITING_FOR_GPU));
	assert_false(reason_may_be_named(REASON_INVALID_INPUT));
}

/* Who waits has not ended: nothing to retry. */
static void test_waiting_is_not_an_end(void **state)
{
	int n = 0;

	for (int i = 0; i < REASONS_; i++) {
		if (!str_starts(reason_code_str((enum reason_code)i), "waiting_for_"))
			continue;
		assert_false(reason_may_be_named((enum reason_code)i));
		n++;
	}
	assert_int_equal(n, 10);
}

/* The cloud's: what may come right by itself or by the user's hand may be named. */
static void test_cloud(void **state)
{
	static const struct {
		const char *name;
		enum reason_code code;
		bool may_name;
	} cases[] = {
		{"transfer_failed", REASON_TRANSFER_FAILED, true},
		{"access_denied", REASON_ACCESS_DENIED, true},
		{"role_invalid", REASON_ROLE_INVALID, true},
		{"bucket_missing", REASON_BUCKET_MISSING, true},
		{"bucket_region", REASON_BUCKET_REGION, false},
		{"image_missing", REASON_IMAGE_MISSING, false},
		{"instance_type_invalid", REASON_INSTANCE_TYPE_INVALID, false},
		{"container_failed", REASON_CONTAINER_FAILED, true},
		{"health_check_failed", REASON_HEALTH_CHECK_FAILED, true},
		{"spot_interrupted", REASON_SPOT_INTERRUPTED, true},
		{"max_wait_exceeded", REASON_MAX_WAIT_EXCEEDED, true},
		{"money_cap", REASON_MONEY_CAP, false},
		{"refused", REASON_REFUSED, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(reason_code_str(cases[i].code), cases[i].name);
		assert_int_equal(reason_may_be_named(cases[i].code), cases[i].may_name);
	}
}

static void test_message(void **state)
{
	struct reason r;

	reason_set(&r, REASON_OOM, "out of memory after %d steps", 12);
	assert_int_equal(r.code, REASON_OOM);
	assert_string_equal(r.message, "out of memory after 12 steps");
}

static void test_long_message(void **state)
{
	char text[REASON_MSG_MAX * 2];

	for (size_t n = REASON_MSG_MAX - 5; n < REASON_MSG_MAX + 5; n++)
		for (size_t shift = 0; shift < 4; shift++) { /* cut inside of "é" or beside it */
			struct reason r;

			memset(text, 'a', sizeof(text));
			for (size_t i = shift; i + 2 < n; i += 2)
				memcpy(text + i, "é", 2);
			text[n] = '\0';
			reason_set(&r, REASON_INTERNAL, "%s", text);
			assert_true(str_utf8_valid(r.message, strlen(r.message)));
			if (n < REASON_MSG_MAX)
				assert_string_equal(r.message, text);
			else
				assert_true(str_ends(r.message, "…") &&
					    strlen(r.message) >= REASON_MSG_MAX - 5);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_retry_rules),
		cmocka_unit_test(test_waiting_is_not_an_end),
		cmocka_unit_test(test_cloud),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_long_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
