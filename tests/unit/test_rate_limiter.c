/* SPDX-License-Identifier: MIT */
/* Token buckets, the quota of retries and the waits, with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/rate_limiter.h"
#include "base/clock.h"

#include <stdio.h>

#define T0 (1000 * USEC_PER_SEC)

static int set_up(void **state)
{
	*state = rate_limiter_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	rate_limiter_free(*state);
	return 0;
}

static struct rate_lane *listing(void **state)
{
	return rate_lane(*state, AWS_SAGEMAKER, "eu-west-1", "ListTrainingJobs");
}

/* Two a second: the first two go at once, then one each half second, in order. */
static void test_listing_has_two_a_second(void **state)
{
	struct rate_lane *lane = listing(state);

	assert_int_equal(rate_limiter_take(lane, T0), 0);
	assert_int_equal(rate_limiter_take(lane, T0), 0);
	for (int i = 1; i <= 10; i++)
		assert_int_equal(rate_limiter_take(lane, T0), i * USEC_PER_SEC / 2);
	assert_int_equal(rate_limiter_take(lane, T0 + 5 * USEC_PER_SEC), USEC_PER_SEC / 2);
	/* an idle hour saves no more than the burst */
	for (int i = 0; i < 2; i++)
		assert_int_equal(rate_limiter_take(lane, T0 + 3600 * USEC_PER_SEC), 0);
	assert_true(rate_limiter_take(lane, T0 + 3600 * USEC_PER_SEC) > 0);
}

static void test_lanes_are_apart(void **state)
{
	struct rate_lane *lane = listing(state);

	assert_ptr_equal(lane, listing(state));
	while (rate_limiter_take(lane, T0) < 60 * USEC_PER_SEC)
		;
	lane = rate_lane(*state, AWS_SAGEMAKER, "us-east-1", "ListTrainingJobs");
	assert_int_equal(rate_limiter_take(lane, T0), 0);
	lane = rate_lane(*state, AWS_SAGEMAKER, "eu-west-1", "ListEndpoints");
	assert_int_equal(rate_limiter_take(lane, T0), 0);
	lane = rate_lane(*state, AWS_LOGS, "eu-west-1", "ListTrainingJobs");
	assert_int_equal(rate_limiter_take(lane, T0), 0);
}

/* Every service has a rule for any operation. */
static void test_every_service_has_a_rule(void **state)
{
	for (int s = 0; s < AWS_SERVICES_; s++) {
		struct rate_lane *lane =
			rate_lane(*state, (enum aws_service)s, "eu-west-1", "SomethingNew");

		assert_int_equal(rate_limiter_take(lane, T0), 0);
	}
}

static void test_slower_and_back(void **state)
{
	struct rate_lane *lane = listing(state);
	int64_t wait;

	rate_limiter_slower(lane, T0); /* one a second */
	assert_int_equal(rate_limiter_take(lane, T0), USEC_PER_SEC);
	rate_limiter_slower(lane, T0 + 1); /* the same moment */
	assert_int_equal(rate_limiter_take(lane, T0), 2 * USEC_PER_SEC);
	rate_limiter_slower(lane, T0 + 2 * USEC_PER_SEC); /* half of it */
	wait = rate_limiter_take(lane, T0 + 2 * USEC_PER_SEC);
	assert_int_equal(wait, 2 * USEC_PER_SEC);
	for (int i = 2; i < 50; i++) /* never to a stand: a twentieth */
		rate_limiter_slower(lane, T0 + 2 * i * USEC_PER_SEC);
	wait = rate_limiter_take(lane, T0 + 10000 * USEC_PER_SEC);
	assert_int_equal(wait, 0);
	wait = rate_limiter_take(lane, T0 + 10000 * USEC_PER_SEC);
	while (wait == 0)
		wait = rate_limiter_take(lane, T0 + 10000 * USEC_PER_SEC);
	assert_int_equal(wait, 10 * USEC_PER_SEC);
	for (int i = 0; i < 100; i++)
		rate_limiter_success(lane, 0);
	for (int i = 0; i < 2; i++) /* full again, not more */
		assert_int_equal(rate_limiter_take(lane, T0 + 20000 * USEC_PER_SEC), 0);
	assert_int_equal(rate_limiter_take(lane, T0 + 20000 * USEC_PER_SEC), USEC_PER_SEC / 2);
}

static void test_quota(void **state)
{
	struct rate_lane *lane = listing(state);
	int cost = 0, retries = 0;

	while (rate_limiter_retry(lane, false, &cost))
		retries++;
	assert_int_equal(retries, RATE_LIMITER_QUOTA / RATE_LIMITER_COST);
	assert_int_equal(cost, RATE_LIMITER_COST);
	/* shared by the operations of the service in the region, by nobody else */
	assert_false(rate_limiter_retry(
		rate_lane(*state, AWS_SAGEMAKER, "eu-west-1", "DescribeModel"), false, &cost));
	assert_true(rate_limiter_retry(
		rate_lane(*state, AWS_SAGEMAKER, "eu-west-2", "DescribeModel"), false, &cost));
	for (int i = 1; i < RATE_LIMITER_COST; i++)
		rate_limiter_success(lane, 0);
	assert_false(rate_limiter_retry(lane, false, &cost));
	rate_limiter_success(lane, 0);
	assert_true(rate_limiter_retry(lane, false, &cost));
	/* a time-out costs more; what it brought is given back */
	rate_limiter_success(lane, RATE_LIMITER_COST_TIMEOUT - 1);
	assert_false(rate_limiter_retry(lane, true, &cost));
	rate_limiter_success(lane, 0);
	assert_true(rate_limiter_retry(lane, true, &cost));
	assert_int_equal(cost, RATE_LIMITER_COST_TIMEOUT);
}

static void test_quota_has_a_maximum(void **state)
{
	struct rate_lane *lane = listing(state);
	int cost, retries = 0;

	for (int i = 0; i < 2 * RATE_LIMITER_QUOTA; i++)
		rate_limiter_success(lane, RATE_LIMITER_COST);
	while (rate_limiter_retry(lane, true, &cost))
		retries++;
	assert_int_equal(retries, RATE_LIMITER_QUOTA / RATE_LIMITER_COST_TIMEOUT);
}

static void test_number_of_lanes(void **state)
{
	struct rate_lane *first = rate_lane(*state, AWS_IAM, "eu-west-0", "ListRoles"),
			 *last = NULL;
	char region[32];

	for (int i = 0; i < RATE_LIMITER_LANES_MAX; i++) {
		struct rate_lane *lane;

		snprintf(region, sizeof(region), "eu-west-%d", i);
		lane = rate_lane(*state, AWS_IAM, region, "ListRoles");
		assert_non_null(lane);
		assert_ptr_not_equal(lane, last);
		last = lane;
	}
	assert_ptr_equal(first, rate_lane(*state, AWS_IAM, "eu-west-0", "ListRoles"));
	last = rate_lane(*state, AWS_IAM, "us-east-1", "ListRoles");
	assert_non_null(last);
	assert_ptr_equal(last, rate_lane(*state, AWS_IAM, "us-east-2", "GetRole"));
	assert_ptr_not_equal(last, rate_lane(*state, AWS_STS, "us-east-2", "GetRole"));
}

static void test_backoff(void **state)
{
	assert_int_equal(rate_limiter_backoff(1, 0), 0);
	assert_int_equal(rate_limiter_backoff(1, 0.5), USEC_PER_SEC / 2);
	assert_int_equal(rate_limiter_backoff(4, 0.5), 4 * USEC_PER_SEC);
	assert_int_equal(rate_limiter_backoff(5, 0.5), 8 * USEC_PER_SEC);
	assert_int_equal(rate_limiter_backoff(6, 0.5), 10 * USEC_PER_SEC);
	assert_int_equal(rate_limiter_backoff(1000, 0.5), 10 * USEC_PER_SEC);
}

static void test_a_wait_that_is_asked_for(void **state)
{
	const int64_t own_us = USEC_PER_SEC;

	assert_int_equal(rate_limiter_asked(own_us, "1500"), 1500000);
	assert_int_equal(rate_limiter_asked(own_us, "999"), own_us);
	assert_int_equal(rate_limiter_asked(own_us, "6000"), 6 * USEC_PER_SEC);
	assert_int_equal(rate_limiter_asked(own_us, "6001"), 6 * USEC_PER_SEC);
	assert_int_equal(rate_limiter_asked(own_us, "9223372036854775807"), 6 * USEC_PER_SEC);
	assert_int_equal(rate_limiter_asked(own_us, "9223372036854775808"), own_us);
	assert_int_equal(rate_limiter_asked(own_us, "-1"), own_us);
	assert_int_equal(rate_limiter_asked(own_us, "soon"), own_us);
	assert_int_equal(rate_limiter_asked(own_us, ""), own_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listing_has_two_a_second, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lanes_are_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_service_has_a_rule, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slower_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_quota, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_quota_has_a_maximum, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number_of_lanes, set_up, tear_down),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_a_wait_that_is_asked_for),
	};

	return cmocka_run_group_tests_name("rate_limiter", tests, NULL, NULL);
}
