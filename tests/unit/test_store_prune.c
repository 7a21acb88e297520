/* SPDX-License-Identifier: MIT */
/* storage/write/prune: frozen copies of source directories, and the queries of a held run. */
#include "storage/write/prune.h"
#include "tests/unit/query_count.h"
#include "tests/unit/store_fixture.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOURCE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *source_path(const struct fixture *f)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/sources/" SOURCE, f->dir);
	return path;
}

static int insert_with_source(struct fixture *f)
{
	struct run_spec *rs = make_run("uses", 1, false);
	char run[ID_LEN];
	int r;

	json_object_set_new(rs->jobs[0].spec, "source_dir", json_string(source_path(f)));
	id_new('r', run);
	BEGIN(f);
	r = store_run_insert(f->st, rs, run, T0, NULL, &f->e);
	if (r < 0)
		store_rollback(f->st);
	else
		COMMIT(f);
	free_run(rs);
	return r;
}

static size_t prune_source(struct fixture *f)
{
	OWN(json_decrefp) json_t *names = json_pack("[s]", SOURCE), *result = NULL;

	BEGIN(f);
	OK(f, store_prune_runs(f->st, NULL, names, false, "user", T0, &result, &f->e));
	COMMIT(f);
	return json_array_size(json_object_get(result, "sources"));
}

static size_t removals(struct fixture *f)
{
	OWN(json_decrefp) json_t *names = NULL;

	OK(f, store_source_removals(f->st, &names, &f->e));
	return json_array_size(names);
}

/* A submit that was prepared before the move to the trash, and is committed after it. */
static void test_a_copy_that_has_gone_is_stale(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(insert_with_source(f), -ERR_STALE);
	assert_non_null(strstr(f->e.msg, "removed during the submit; submit again"));
	OK(f, dir_make(AT_FDCWD, source_path(f), 0755, &f->e));
	OK(f, insert_with_source(f));
	assert_int_equal(prune_source(f), 0); /* the job needs it */
	assert_int_equal(removals(f), 0);
}

/* Between the intent and the move: the copy is in its place, so the submit keeps it. */
static void test_a_submit_ends_the_intent_of_its_copy(void **state)
{
	struct fixture *f = *state;

	OK(f, dir_make(AT_FDCWD, source_path(f), 0755, &f->e));
	assert_int_equal(prune_source(f), 1);
	assert_int_equal(removals(f), 1);
	assert_int_equal(prune_source(f), 1); /* again: one intent */
	assert_int_equal(removals(f), 1);
	OK(f, insert_with_source(f));
	assert_int_equal(removals(f), 0);
	/* a submit that is undone ends nothing */
	assert_int_equal(rmdir(source_path(f)), 0);
	assert_int_equal(insert_with_source(f), -ERR_STALE);
}

static void succeed(struct fixture *f, const char *job)
{
	int attempt;

	move(f, job, STATE_QUEUED, STATE_STARTING, T0);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, job, T0, &attempt, &f->e));
	COMMIT(f);
	move(f, job, STATE_STARTING, STATE_RUNNING, T0);
	move(f, job, STATE_RUNNING, STATE_SUCCEEDED, T0);
}

/* Statements that one look at the run takes; it is held for `code`. */
static int queries(struct fixture *f, const char *run, const char *code)
{
	OWN(json_decrefp) json_t *runs = json_pack("[s]", run), *none = NULL, *result = NULL;
	const json_t *kept;
	int plan;

	BEGIN(f);
	query_count_begin("");
	OK(f, store_prune_runs(f->st, NULL, NULL, false, "user", T0, &none, &f->e));
	plan = query_count_read().asked;
	query_count_begin("");
	OK(f, store_prune_runs(f->st, runs, NULL, false, "user", T0, &result, &f->e));
	plan = query_count_read().asked - plan;
	COMMIT(f);
	kept = json_array_get(json_object_get(result, "kept"), 0);
	assert_string_equal(json_get_str(json_object_get(kept, "reason"), "code", ""), code);
	return plan;
}

/* Before: 1 for an unfinished run, 5 for one with a reference. */
static void test_a_held_run_takes_two_queries(void **state)
{
	struct fixture *f = *state;
	struct run_spec *rs = make_run("uses", 1, false);
	char made[ID_LEN], uses[ID_LEN], ids[1][ID_LEN];
	OWN(job_rows_done) struct job_rows jobs = {0};

	insert_run(f, "made", 1, false, T0, made, ids);
	assert_int_equal(queries(f, made, "unfinished"), 1);
	succeed(f, ids[0]);
	rs->jobs[0].pins = calloc(1, sizeof(*rs->jobs[0].pins));
	rs->jobs[0].pins_n = 1;
	rs->jobs[0].pins[0].attempt = 1;
	str_must_copy(rs->jobs[0].pins[0].job, ID_LEN, ids[0]);
	id_new('r', uses);
	BEGIN(f);
	OK(f, store_run_insert(f->st, rs, uses, T0, NULL, &f->e));
	OK(f, store_jobs_of_run(f->st, uses, &jobs, &f->e));
	COMMIT(f);
	assert_int_equal(queries(f, made, "job"), 2);
	succeed(f, jobs.rows[0].id);
	assert_int_equal(queries(f, made, "reference"), 2);
	free(rs->jobs[0].pins);
	free_run(rs);
}

/* Before: a statement for the copies and one for the pruned files of each job. */
static void test_a_submit_without_files_asks_for_none(void **state)
{
	static const char *const words[] = {"INTO source_uses", "SELECT s.spec FROM jobs"};
	struct fixture *f = *state;
	char run[ID_LEN], ids[3][ID_LEN];

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		query_count_begin(words[i]);
		insert_run(f, "none", 3, false, T0, run, ids);
		assert_int_equal(query_count_read().asked, 0);
	}
	OK(f, dir_make(AT_FDCWD, source_path(f), 0755, &f->e));
	query_count_begin(words[0]);
	OK(f, insert_with_source(f));
	assert_int_equal(query_count_read().asked, 1);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_a_copy_that_has_gone_is_stale),
		CASE(test_a_submit_ends_the_intent_of_its_copy),
		CASE(test_a_held_run_takes_two_queries),
		CASE(test_a_submit_without_files_asks_for_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
