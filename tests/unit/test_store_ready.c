/* SPDX-License-Identifier: MIT */
/* storage/write/job.c: which jobs may start, in which order, and what it costs to find them. */
#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "base/own.h"
#include "storage/db_parts.h"
#include "storage/write/internal.h"

static int count_up(void *userdata)
{
	(*(int *)userdata)++;
	return 0;
}

/* Steps of SQLite's machine to read what may start, which is nothing. */
static int steps_of_queue(struct fixture *f)
{
	OWN(job_rows_done) struct job_rows ready = {0};
	int64_t due;
	int steps = 0;

	sqlite3_progress_handler(f->st->db->h, 1, count_up, &steps);
	OK(f, store_jobs_ready(f->st, TARGET_LOCAL, PLACE_CPU, T0 + 100, 0, 64, &ready, &f->e));
	OK(f, store_next_not_before(f->st, T0, &due, &f->e));
	sqlite3_progress_handler(f->st->db->h, 0, NULL, NULL);
	assert_int_equal(ready.n, 0);
	return steps;
}

/* Each pass read past all held jobs. */
static void test_held_jobs_cost_the_scheduler_nothing(void **state)
{
	struct fixture *f = *state;
	char ids[200][ID_LEN];
	int before;

	insert_run(f, "held", 200, false, T0, NULL, ids);
	BEGIN(f);
	for (size_t i = 0; i < 200; i++)
		OK(f, store_job_set_held(f->st, ids[i], true, T0, &f->e));
	COMMIT(f);
	before = steps_of_queue(f);
	insert_run(f, "more", 200, false, T0, NULL, ids);
	BEGIN(f);
	for (size_t i = 0; i < 200; i++)
		OK(f, store_job_set_held(f->st, ids[i], true, T0, &f->e));
	COMMIT(f);
	assert_int_equal(steps_of_queue(f), before);
}

/* SQLite chose the index of the queue's list and read past the jobs of all other lines. */
static void test_ready_jobs_of_one_line_cost_the_others_nothing(void **state)
{
	struct fixture *f = *state;
	struct job_rows ready = {0};
	int steps[2] = {0};

	for (size_t i = 0; i < 2; i++) {
		insert_run(f, "cpu", 200, false, T0, NULL, NULL);
		sqlite3_progress_handler(f->st->db->h, 1, count_up, &steps[i]);
		OK(f, store_jobs_ready(f->st, TARGET_LOCAL, PLACE_GPU, T0 + 100, 0, 64, &ready,
				       &f->e));
		sqlite3_progress_handler(f->st->db->h, 0, NULL, NULL);
		assert_int_equal(ready.n, 0);
	}
	assert_int_equal(steps[0], steps[1]);
}

static void test_ready_order(void **state)
{
	struct fixture *f = *state;
	char ids[4][ID_LEN];
	OWN(job_rows_done) struct job_rows ready = {0}, one = {0}, aws = {0};
	int64_t next = 0;

	insert_run(f, "four", 4, false, T0, NULL, ids);
	OK(f, store_next_not_before(f->st, T0, &next, &f->e));
	assert_int_equal(next, USEC_NEVER);
	BEGIN(f);
	OK(f, store_job_set_priority(f->st, ids[2], 5, T0, &f->e));
	OK(f, store_job_set_held(f->st, ids[0], true, T0, &f->e));
	OK(f, store_job_set_retry(f->st, ids[1], 1, T0 + 100, &f->e));
	COMMIT(f);
	OK(f, store_jobs_ready(f->st, TARGET_LOCAL, PLACE_CPU, T0 + 99, 0, 10, &ready, &f->e));
	assert_int_equal(ready.n, 2);
	assert_string_equal(ready.rows[0].id, ids[2]);
	assert_string_equal(ready.rows[1].id, ids[3]);
	OK(f, store_next_not_before(f->st, T0 + 99, &next, &f->e));
	assert_int_equal(next, T0 + 100);
	OK(f, store_jobs_ready(f->st, TARGET_LOCAL, PLACE_CPU, T0 + 100, 0, 1, &one, &f->e));
	assert_int_equal(one.n, 1);
	OK(f, store_jobs_ready(f->st, TARGET_SAGEMAKER, PLACE_CPU, T0 + 100, 0, 9, &aws, &f->e));
	assert_int_equal(aws.n, 0);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_ready_jobs_of_one_line_cost_the_others_nothing),
		CASE(test_held_jobs_cost_the_scheduler_nothing),
		CASE(test_ready_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
