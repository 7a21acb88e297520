/* SPDX-License-Identifier: MIT */
/* storage/: readers on threads of their own beside a busy writer see whole transactions only. */
#include "tests/unit/store_fixture.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/store_read.h"

#include <pthread.h>
#include <string.h>

#define READERS 2
#define TURNS	200 /* transactions of the writer */

struct reader {
	const char *dir, *run, *job;
	const bool *over;
	pthread_t thread;
	int rounds;
	char problem[1024]; /* "" when all was well */
};

static void problem(struct reader *rd, const char *what, const char *detail)
{
	if (!rd->problem[0])
		snprintf(rd->problem, sizeof(rd->problem), "%.100s: %.800s", what, detail);
}

/* The run and its only job move together: queued/queued, running/starting, …, cancelled/cancelled.
 */
static void look_at_run(struct reader *rd, struct store_reader *sr)
{
	OWN(json_decrefp) json_t *run = NULL;
	const char *state, *job;
	struct err e;

	if (store_read_run(sr, rd->run, &run, &e) < 0) {
		problem(rd, "store_read_run", e.msg);
		return;
	}
	state = json_get_str(run, "state", "?");
	job = json_get_str(json_array_get(json_object_get(run, "jobs"), 0), "state", "?");
	if (str_eq(job, "starting") ? !str_eq(state, "running") : !str_eq(state, job))
		problem(rd, "run and job do not fit", job);
}

/* Each transaction writes as many events as jobs changed; seq has no gap here. */
static void look_at_events(struct reader *rd, struct store_reader *sr, int64_t *since)
{
	OWN(json_decrefp) json_t *page = NULL;
	struct event_filter f = {.since = *since, .limit = 500};
	struct err e;
	size_t i;
	json_t *event;

	if (store_read_events(sr, &f, &page, &e) < 0) {
		problem(rd, "store_read_events", e.msg);
		return;
	}
	json_array_foreach(json_object_get(page, "items"), i, event)
		if (json_get_int(event, "seq", 0) != ++*since)
			problem(rd, "events", "a gap");
	if (json_get_int(page, "next_since", 0) != *since)
		problem(rd, "events", "next_since is not the last one");
}

static void *read_on(void *arg)
{
	struct reader *rd = arg;
	struct store_reader *sr = NULL;
	int64_t since = 0;
	struct err e;

	if (store_reader_open(rd->dir, &sr, &e) < 0) {
		problem(rd, "store_reader_open", e.msg);
		return NULL;
	}
	while (!rd->problem[0]) {
		bool over = __atomic_load_n(rd->over, __ATOMIC_SEQ_CST);

		look_at_run(rd, sr);
		look_at_events(rd, sr, &since);
		rd->rounds++;
		if (over)
			break;
	}
	if (since != 3 + 4 * TURNS) /* run and job created and so on */
		problem(rd, "events", "not all were seen");
	store_reader_close(sr);
	return NULL;
}

static void test_readers_beside_writer(void **state)
{
	struct fixture *f = *state;
	struct reader readers[READERS] = {0};
	char run[ID_LEN], ids[1][ID_LEN];
	bool over = false;

	insert_run(f, "one", 1, false, T0, run, ids);
	BEGIN(f);
	OK(f, store_job_set_held(f->st, ids[0], false, T0, &f->e));
	COMMIT(f);
	for (int i = 0; i < READERS; i++) {
		readers[i] =
			(struct reader){.dir = f->dir, .run = run, .job = ids[0], .over = &over};
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
	for (int i = 0; i < TURNS / 2; i++) {
		move(f, ids[0], STATE_QUEUED, STATE_STARTING, T0 + i);
		move(f, ids[0], STATE_STARTING, STATE_CANCELLED, T0 + i);
		move(f, ids[0], STATE_CANCELLED, STATE_QUEUED, T0 + i);
		BEGIN(f);
		OK(f, store_job_set_priority(f->st, ids[0], i % 7, T0 + i, &f->e));
		OK(f, store_job_set_priority(f->st, ids[0], i % 5, T0 + i, &f->e));
		COMMIT(f);
		if (i % 10 == 0)
			store_checkpoint(f->st);
	}
	__atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
	for (int i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_string_equal(readers[i].problem, "");
		assert_true(readers[i].rounds > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_readers_beside_writer, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
