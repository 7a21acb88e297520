/* SPDX-License-Identifier: MIT */
/* What a reader sees of events, of the counts by state and of the queue. */
#include "tests/unit/store_reader.h"

#include "storage/db_parts.h"
#include "storage/read/internal.h"

static void test_events(void **state)
{
	struct fixture *f = *state;
	char run[ID_LEN], ids[1][ID_LEN];
	json_t *j = NULL;

	insert_run(f, "first", 1, false, T0, NULL, NULL);
	insert_run(f, "second", 1, false, T0, run, ids);
	move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + 1500000);
	READER(f);
	OK(f, store_read_events(sr, &(struct event_filter){0}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 6);
	assert_int_equal(json_get_int(j, "next_since", 0), 6);
	/* The same as what the feed got. */
	OWN(json_decrefp) json_t *fed = store_take_events(f->st);
	assert_true(json_equal(json_object_get(j, "items"), fed));
	json_decref(j);
	OK(f, store_read_events(sr, &(struct event_filter){.run = run, .limit = 2}, &j, &f->e));
	assert_int_equal(json_get_int(j, "next_since", 0), 4);
	json_decref(j);
	OK(f, store_read_events(sr, &(struct event_filter){.job = ids[0], .kind = "job_state"}, &j,
				&f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 1);
	assert_int_equal(json_get_int(j, "next_since", 0), 6);
	json_decref(j);
	OK(f, store_read_events(sr, &(struct event_filter){.since = 6}, &j, &f->e));
	assert_string_equal(text_of(j), "{\"items\":[],\"next_since\":6}");
	assert_int_equal(store_read_events(sr, &(struct event_filter){.since = 7}, &j, &f->e),
			 -ERR_GONE);
}

static void test_events_trim(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];
	json_t *j = NULL;

	insert_run(f, "old", 1, false, T0, NULL, NULL);
	insert_run(f, "new", 1, false, T0 + 10, NULL, ids);
	BEGIN(f);
	assert_int_equal(store_events_trim(f->st, T0 + 10, &f->e), 0);
	COMMIT(f);
	READER(f);
	assert_int_equal(store_read_events(sr, &(struct event_filter){.since = 1}, &j, &f->e),
			 -ERR_GONE);
	assert_non_null(strstr(f->e.msg, "events up to 2 are no longer kept"));
	OK(f, store_read_events(sr, &(struct event_filter){.since = 2}, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 2);
	json_decref(j);
	BEGIN(f);
	assert_int_equal(store_events_trim(f->st, INT64_MAX, &f->e), 0);
	assert_int_equal(store_events_trim(f->st, INT64_MAX, &f->e), 0);
	COMMIT(f);
	assert_int_equal(store_read_events(sr, &(struct event_filter){.since = 3}, &j, &f->e),
			 -ERR_GONE);
	OK(f, store_read_events(sr, &(struct event_filter){.since = 4}, &j, &f->e));
	assert_string_equal(text_of(j), "{\"items\":[],\"next_since\":4}");
	move(f, ids[0], STATE_QUEUED, STATE_CANCELLED, T0); /* seq goes on from there */
	OK(f, store_read_events(sr, &(struct event_filter){.since = 4}, &j, &f->e));
	assert_int_equal(json_get_int(j, "next_since", 0), 6);
	json_decref(j);
}

static void test_trim_in_parts(void **state)
{
	struct fixture *f = *state;
	json_t *j = NULL;

	for (int i = 0; i < 20; i++) /* 5140 events: more than one call deletes */
		insert_run(f, "many", 256, false, T0, NULL, NULL);
	BEGIN(f);
	assert_int_equal(store_events_trim(f->st, T0 + 1, &f->e), 1);
	assert_int_equal(store_events_trim(f->st, T0 + 1, &f->e), 0);
	COMMIT(f);
	json_decref(store_take_events(f->st));
	READER(f);
	assert_int_equal(store_read_events(sr, &(struct event_filter){.since = 5139}, &j, &f->e),
			 -ERR_GONE);
	OK(f, store_read_events(sr, &(struct event_filter){.since = 5140}, &j, &f->e));
	json_decref(j);
}

static void test_counts(void **state)
{
	struct fixture *f = *state;
	struct job_counts counts;
	char ids[2][ID_LEN];
	json_t *j = NULL;

	insert_run(f, "pipe", 2, true, T0, NULL, ids);
	BEGIN(f);
	OK(f, store_savepoint(f->st, &f->e));
	OK(f, store_job_set_state(f->st, ids[0], STATE_QUEUED, STATE_STARTING, NULL, T0, &f->e));
	store_rollback_to(f->st); /* must not count */
	OK(f, store_job_set_state(f->st, ids[0], STATE_QUEUED, STATE_CANCELLED, NULL, T0, &f->e));
	COMMIT(f);
	READER(f);
	OK(f, store_read_counts(sr, &j, &f->e));
	assert_string_equal(text_of(j),
			    "{\"endpoints\":{\"creating\":0,\"deleted\":0,\"deleting\":0,"
			    "\"failed\":0,\"in_service\":0,\"updating\":0},"
			    "\"jobs\":{\"blocked\":1,\"cancelled\":1,\"failed\":0,\"queued\":0,"
			    "\"running\":0,\"skipped\":0,\"starting\":0,\"stopping\":0,"
			    "\"succeeded\":0},"
			    "\"runs\":{\"cancelled\":0,\"failed\":0,\"queued\":0,\"running\":1,"
			    "\"succeeded\":0}}");
	OK(f, store_read_job_counts(sr, &counts, &f->e));
	assert_int_equal(counts.n[JOB_TRAIN][STATE_CANCELLED], 1);
	assert_int_equal(counts.n[JOB_TRAIN][STATE_BLOCKED], 1);
	counts.n[JOB_TRAIN][STATE_CANCELLED] = counts.n[JOB_TRAIN][STATE_BLOCKED] = 0;
	assert_memory_equal(&counts, &(struct job_counts){0}, sizeof(counts));
}

static void test_queue(void **state)
{
	struct fixture *f = *state;
	char ids[4][ID_LEN];
	json_t *j = NULL;

	insert_run(f, "pipe", 2, true, T0, NULL, NULL);
	insert_run(f, "four", 4, false, T0 + 1, NULL, ids);
	BEGIN(f);
	OK(f, store_job_set_priority(f->st, ids[3], 10, T0, &f->e));
	OK(f, store_job_set_held(f->st, ids[1], true, T0, &f->e));
	OK(f, store_job_set_priority(f->st, ids[1], 99, T0, &f->e));
	COMMIT(f);
	READER(f);
	OK(f, queue_read(sr, 0, &j, &f->e));
	assert_string_equal(names_of(j), "d0 a0 a0 c0 b0 b0");
}

static int count_up(void *userdata)
{
	(*(int *)userdata)++;
	return 0;
}

/* Steps of SQLite's machine to read the queue's first rows. */
static int steps_of_queue(struct fixture *f)
{
	json_t *j = NULL;
	int steps = 0;

	READER(f);
	sqlite3_progress_handler(sr->db->h, 1, count_up, &steps);
	OK(f, queue_read(sr, 3, &j, &f->e));
	assert_int_equal(json_array_size(json_object_get(j, "items")), 3);
	json_decref(j);
	return steps;
}

/* All waiting rows were sorted: 46 ms at 100,000. */
static void test_queue_reads_its_first_rows_only(void **state)
{
	struct fixture *f = *state;
	int before;

	insert_run(f, "few", 10, false, T0, NULL, NULL);
	insert_run(f, "few", 10, true, T0, NULL, NULL);
	before = steps_of_queue(f);
	insert_run(f, "many", 200, false, T0, NULL, NULL);
	insert_run(f, "many", 200, true, T0, NULL, NULL);
	assert_int_equal(steps_of_queue(f), before);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_events),	  CASE(test_events_trim),
		CASE(test_trim_in_parts), CASE(test_counts),
		CASE(test_queue),	  CASE(test_queue_reads_its_first_rows_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
