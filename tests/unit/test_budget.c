/* SPDX-License-Identifier: MIT */
/* daemon/schedule/budget: caps, what is reserved, settled, renewed. */
#include "tests/unit/budget_rig.h"

/* A job of its own run with this spec, and a row of it. */
static void make_job(struct rig *rig, const char *text, char job[ID_LEN])
{
	struct run_spec *rs = make_run("paid", 1, false);
	OWN(job_rows_done) struct job_rows jobs = {0};
	struct fixture *f = rig->f;
	char run[ID_LEN];

	json_decref(rs->jobs[0].spec);
	rs->jobs[0].spec = spec_of(text);
	rs->jobs[0].target = TARGET_SAGEMAKER;
	id_new('r', run);
	BEGIN(f);
	OK(f, store_run_insert(f->st, rs, run, T0, NULL, &f->e));
	COMMIT(f);
	OK(f, store_jobs_of_run(f->st, run, &jobs, &f->e));
	memcpy(job, jobs.rows[0].id, ID_LEN);
	free_run(rs);
}

static struct resource_row reserve(struct rig *rig, enum resource_kind kind, const char *job,
				   const char *endpoint, int64_t micro_usd)
{
	struct resource_row row = new_resource(kind, job, endpoint);
	struct fixture *f = rig->f;

	BEGIN(f);
	OK(f, store_resource_insert(f->st, &row, &f->e));
	OK(f, budget_reserve(&rig->manager, &row, micro_usd, "words", &f->e));
	COMMIT(f);
	return row;
}

static void settle(struct rig *rig, const struct resource_row *row, int64_t billable_us)
{
	struct fixture *f = rig->f;

	BEGIN(f);
	OK(f, budget_settle(&rig->manager, row, billable_us, &f->e));
	COMMIT(f);
}

static int64_t cost_now(struct rig *rig, const char *resource)
{
	struct money_sums sums;

	OK(rig->f, store_money_sums(rig->f->st, "", resource, clock_now_us(), &sums, &rig->f->e));
	return sums.resource;
}

static bool fits(struct rig *rig, const char *job, int64_t micro_usd, struct reason *reason)
{
	struct job_row row = {0};

	str_must_copy(row.id, sizeof(row.id), job);
	return budget_fits(&rig->manager, &row, micro_usd, reason);
}

#define G5_1H "{\"max_runtime\":\"1h\",\"sagemaker\":{\"instance_type\":\"ml.g5.xlarge\"}}"

static void test_settle(void **state)
{
	struct rig *rig = *state;
	char job[ID_LEN];

	make_job(rig, G5_1H, job);
	OWN(resource_row_done)
	struct resource_row a = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(1.408));
	OWN(resource_row_done)
	struct resource_row b = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(1.408));
	OWN(resource_row_done)
	struct resource_row c = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(1.408));
	OWN(resource_row_done) struct resource_row adopted = new_resource(RESOURCE_MODEL, "", "");

	settle(rig, &a, 900 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, a.id), USD(0.352));
	settle(rig, &b, 0); /* it never came to be */
	assert_int_equal(cost_now(rig, b.id), 0);
	settle(rig, &c, 4000 * USEC_PER_SEC); /* the service took its time to stop */
	assert_int_equal(cost_now(rig, c.id), USD(1.564445)); /* rounded up */
	insert_resource(rig->f, &adopted);
	settle(rig, &adopted, 900 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, adopted.id), 0);
}

/* Its price was taken out of the configuration meanwhile: what was reserved stands. */
static void test_settle_without_a_price(void **state)
{
	struct rig *rig = *state;
	char job[ID_LEN];

	make_job(rig, "{\"sagemaker\":{\"instance_type\":\"ml.x9.large\"}}", job);
	OWN(resource_row_done)
	struct resource_row row = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(7));
	settle(rig, &row, 60 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, row.id), USD(7));
}

static void test_day_and_month_caps(void **state)
{
	struct rig *rig = *state;
	char job[ID_LEN], other[ID_LEN];
	struct reason reason;

	make_job(rig, G5_1H, job);
	make_job(rig, G5_1H, other);
	rig->set.money_job_max = MONEY_NONE;
	rig->set.money_month_max = USD(150);
	OWN(resource_row_done)
	struct resource_row a = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(60));
	assert_true(fits(rig, other, USD(40), &reason));
	assert_false(fits(rig, other, USD(40) + 1, &reason));
	assert_int_equal(reason.code, REASON_WAITING_FOR_MONEY);
	assert_string_equal(
		reason.message,
		"the worst case is 40.000001 US dollars; of the day's 100.00, 60.00 "
		"is reserved or spent; enough is free at 2023-11-15T00:00:00.000Z, or when "
		"something that runs costs less than was reserved");
	/* The job that runs ends: what it did not use is free at once. */
	settle(rig, &a, 3600 * USEC_PER_SEC);
	assert_true(fits(rig, other, USD(40) + 1, &reason));
	clock_fake_us(T0 + 2 * INT64_C(3600000000)); /* after midnight */
	OWN(resource_row_done)
	struct resource_row b = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(99));
	assert_int_equal(b.kind, RESOURCE_TRAINING_JOB);
	assert_false(fits(rig, other, USD(1) + 1, &reason));
	assert_non_null(strstr(reason.message, "of the day's 100.00, 99.00 is"));
	clock_fake_us(T0 + 26 * INT64_C(3600000000));
	assert_true(fits(rig, other, USD(49), &reason));
	assert_false(fits(rig, other, USD(50), &reason));
	assert_non_null(strstr(reason.message,
			       "of the month's 150.00, 100.408 is reserved or spent; "
			       "enough is free at 2023-12-01T00:00:00.000Z"));
	clock_fake_us(T0 + 20 * 24 * INT64_C(3600000000));
	assert_true(fits(rig, other, USD(100), &reason));
}

/* Two jobs that start before either has reserved do not fit a cap together. */
static void test_what_is_being_staged_counts(void **state)
{
	struct rig *rig = *state;
	struct fixture *f = rig->f;
	char first[ID_LEN], second[ID_LEN];
	struct reason reason;
	int attempt;

	make_job(rig, G5_1H, first);
	make_job(rig, G5_1H, second);
	rig->set.money_day_max = USD(2);
	assert_true(fits(rig, second, USD(1.408), &reason));
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, first, T0, &attempt, &f->e));
	OK(f, store_job_set_state(f->st, first, STATE_QUEUED, STATE_STARTING, NULL, T0, &f->e));
	assert_false(fits(rig, second, USD(1.408), &reason)); /* in the same turn */
	COMMIT(f);
	assert_non_null(strstr(reason.message, "of the day's 2.00, 1.408 is"));
	rig->set.money_day_max = MONEY_NONE;
	rig->set.money_month_max = USD(2);
	assert_false(fits(rig, second, USD(0.593), &reason));
	assert_non_null(strstr(reason.message, "of the month's 2.00, 1.408 is"));
	assert_true(fits(rig, second, USD(0.592), &reason));
	rig->set.money_month_max = MONEY_NONE;
	rig->set.money_day_max = USD(2);
	assert_true(fits(rig, first, USD(1.408), &reason)); /* its own is not counted twice */
	OWN(resource_row_done)
	struct resource_row row = reserve(rig, RESOURCE_TRAINING_JOB, first, "", USD(1.408));
	assert_false(fits(rig, second, USD(0.593), &reason));
	assert_true(fits(rig, second, USD(0.592), &reason));
	/* A second attempt that is staged counts anew. */
	settle(rig, &row, 0);
	assert_true(fits(rig, second, USD(2), &reason));
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, first, T0, &attempt, &f->e));
	COMMIT(f);
	assert_int_equal(attempt, 2);
	assert_false(fits(rig, second, USD(0.593), &reason));
	/* One that is over before it has reserved anything promises nothing. */
	move(f, first, STATE_STARTING, STATE_FAILED, T0);
	assert_true(fits(rig, second, USD(2), &reason));
}

/* A warm pool's instances go on costing after the job. */
static void test_keep_alive_is_settled_whole(void **state)
{
	struct rig *rig = *state;
	char job[ID_LEN];

	make_job(rig,
		 "{\"max_runtime\":\"1h\",\"sagemaker\":{\"instance_type\":\"ml.g5.xlarge\","
		 "\"keep_alive\":\"30m\"}}",
		 job);
	OWN(resource_row_done)
	struct resource_row a = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(2.112));
	OWN(resource_row_done)
	struct resource_row b = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(2.112));
	settle(rig, &a, 1800 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, a.id), USD(1.408));
	settle(rig, &b, 0); /* it never ran */
	assert_int_equal(cost_now(rig, b.id), 0);
}

static void test_job_cap_over_attempts(void **state)
{
	struct rig *rig = *state;
	char job[ID_LEN], other[ID_LEN];
	struct reason reason;

	make_job(rig, G5_1H, job);
	make_job(rig, G5_1H, other);
	OWN(resource_row_done)
	struct resource_row a = reserve(rig, RESOURCE_TRAINING_JOB, job, "", USD(30));
	assert_true(fits(rig, job, USD(20), &reason));
	assert_false(fits(rig, job, USD(20) + 1, &reason));
	assert_int_equal(reason.code, REASON_WAITING_FOR_MONEY); /* the try may cost less */
	assert_non_null(
		strstr(reason.message, "waits until the resources of an earlier attempt are gone"));
	settle(rig, &a, 10 * 3600 * USEC_PER_SEC);
	assert_true(fits(rig, job, USD(35.92), &reason));
	assert_false(fits(rig, job, USD(35.92) + 1, &reason));
	assert_int_equal(reason.code, REASON_MONEY_CAP);
	assert_non_null(strstr(reason.message, "a job may cost 50.00 (money.job_max), and 14.08 is "
					       "already reserved or spent for this one"));
	assert_true(fits(rig, other, USD(50), &reason));
}

/* Store `ep` as an endpoint on SageMaker with a job of its own, and reserve its first lease. */
static struct resource_row reserve_endpoint(struct rig *rig, struct endpoint_row *ep, int64_t usd)
{
	static const char spec[] = "{\"sagemaker\":{\"instance_type\":\"ml.m5.xlarge\"}}";
	struct fixture *f = rig->f;
	char job[ID_LEN];

	make_job(rig, spec, job);
	memcpy(ep->job, job, ID_LEN);
	json_decref(ep->spec);
	ep->spec = spec_of(spec);
	ep->target = TARGET_SAGEMAKER;
	BEGIN(f);
	OK(f, store_endpoint_insert(f->st, ep, &f->e));
	COMMIT(f);
	return reserve(rig, RESOURCE_ENDPOINT, job, ep->id, usd);
}

static void test_renew(void **state)
{
	struct rig *rig = *state;
	struct fixture *f = rig->f;
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("imdb");
	OWN(resource_row_done) struct resource_row row = reserve_endpoint(rig, &ep, USD(0.23));

	BEGIN(f);
	OK(f, budget_renew(&rig->manager, &ep, 7200 * USEC_PER_SEC, &f->e));
	assert_int_equal(cost_now(rig, row.id), USD(0.69));
	OK(f, budget_renew(&rig->manager, &ep, -5, &f->e)); /* less than a micro-dollar */
	assert_int_equal(cost_now(rig, row.id), USD(0.69));
	rig->set.money_day_max = USD(0.91);
	assert_int_equal(budget_renew(&rig->manager, &ep, 3600 * USEC_PER_SEC, &f->e),
			 -ERR_CONFLICT);
	assert_non_null(
		strstr(f->e.msg, "cannot renew the lease of 'imdb': the worst case is 0.23"));
	rig->set.money_day_max = USD(0.92);
	OK(f, budget_renew(&rig->manager, &ep, 3600 * USEC_PER_SEC, &f->e));
	COMMIT(f);
	settle(rig, &row, 1800 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, row.id), USD(0.115));
	/* A local endpoint costs nothing. */
	ep.target = TARGET_LOCAL;
	BEGIN(f);
	OK(f, budget_renew(&rig->manager, &ep, 3600 * USEC_PER_SEC, &f->e));
	store_rollback(f->st);
}

/* Prices have risen since the reservation: a shorter lease frees all of it, and not more. */
static void test_a_shorter_lease_gives_back_what_was_reserved_at_most(void **state)
{
	struct rig *rig = *state;
	struct fixture *f = rig->f;
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("imdb");
	OWN(resource_row_done) struct resource_row row = reserve_endpoint(rig, &ep, USD(0.23));

	own_prices(rig, "ml.m5.xlarge=1000");
	BEGIN(f);
	OK(f, budget_renew(&rig->manager, &ep, -3600 * USEC_PER_SEC, &f->e));
	COMMIT(f);
	assert_int_equal(cost_now(rig, row.id), 0);
}

/* An endpoint that was moved to a dearer instance by an update. */
static void test_updated_endpoint(void **state)
{
	struct rig *rig = *state;
	struct fixture *f = rig->f;
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("imdb");
	char first[ID_LEN], second[ID_LEN];

	make_job(rig, "{\"sagemaker\":{\"instance_type\":\"ml.m5.xlarge\"}}", first);
	make_job(rig, "{\"sagemaker\":{\"instance_type\":\"ml.g5.xlarge\"}}", second);
	BEGIN(f);
	OK(f, store_endpoint_insert(f->st, &ep, &f->e));
	COMMIT(f);
	OWN(resource_row_done)
	struct resource_row row = reserve(rig, RESOURCE_ENDPOINT, first, ep.id, USD(0.23));
	BEGIN(f);
	OK(f, budget_reserve(&rig->manager, &row, USD(1.408), "update", &f->e));
	COMMIT(f);
	OWN(resource_row_done)
	struct resource_row config = new_resource(RESOURCE_ENDPOINT_CONFIG, second, ep.id);
	config.state = RESOURCE_PRESENT;
	config.present_us = T0;
	insert_resource(f, &config);
	settle(rig, &row, 1800 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, row.id), USD(0.704));
	/* Two hours at that price are more than was reserved for both. */
	OWN(resource_row_done)
	struct resource_row again = reserve(rig, RESOURCE_ENDPOINT, first, ep.id, USD(1.638));
	settle(rig, &again, 7200 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, again.id), USD(1.638));
	/* By its own price alone it may be more. */
	OWN(resource_row_done)
	struct resource_row longer = reserve(rig, RESOURCE_ENDPOINT, first, ep.id, USD(0.23));
	settle(rig, &longer, 7200 * USEC_PER_SEC);
	assert_int_equal(cost_now(rig, longer.id), USD(0.46));
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_settle),
		CASE(test_settle_without_a_price),
		CASE(test_day_and_month_caps),
		CASE(test_what_is_being_staged_counts),
		CASE(test_keep_alive_is_settled_whole),
		CASE(test_job_cap_over_attempts),
		CASE(test_renew),
		CASE(test_a_shorter_lease_gives_back_what_was_reserved_at_most),
		CASE(test_updated_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
