/* SPDX-License-Identifier: MIT */
/* Opens a store in a scratch directory, and inserts runs, jobs and endpoints with chosen values. */
#include "tests/unit/store_fixture.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"

#include <string.h>

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	scratch_make(f->dir, sizeof(f->dir), "store");
	OK(f, store_open(f->dir, &f->st, &f->e));
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->st);
	scratch_remove(f->dir);
	free(f);
	text_of(NULL);
	return 0;
}

void fixture_close(struct fixture *f)
{
	store_close(f->st);
	f->st = NULL;
}

const char *fixture_path(struct fixture *f, const char *name)
{
	static char path[256];

	assert_true(path_join(path, sizeof(path), f->dir, name));
	return path;
}

void fixture_reopen(struct fixture *f)
{
	store_close(f->st);
	f->st = NULL;
	OK(f, store_open(f->dir, &f->st, &f->e));
}

struct run_spec *make_run(const char *name, size_t n, bool chained)
{
	struct run_spec *rs = calloc(1, sizeof(*rs));

	str_must_copy(rs->name, sizeof(rs->name), name);
	rs->body = json_pack("{s:s}", "name", name);
	rs->tags = json_pack("{s:s}", "team", "nlp");
	rs->jobs = calloc(n, sizeof(*rs->jobs));
	rs->jobs_n = n;
	for (size_t i = 0; i < n; i++) {
		struct job_spec *js = &rs->jobs[i];

		snprintf(js->name, sizeof(js->name), "%c%zu", (char)(97 + i % 26), i / 26);
		js->kind = JOB_TRAIN;
		js->spec = json_pack("{s:s, s:i}", "kind", "train", "index", (int)i);
		js->tags = json_pack("{s:s}", "team", "nlp");
		if (!chained || !i)
			continue;
		js->needs = calloc(1, sizeof(*js->needs));
		js->needs[0] = (struct job_need){.job = i - 1, .when = NEED_SUCCESS};
		js->needs_n = 1;
	}
	return rs;
}

void free_run(struct run_spec *rs)
{
	for (size_t i = 0; i < rs->jobs_n; i++) {
		json_decref(rs->jobs[i].spec);
		json_decref(rs->jobs[i].tags);
		free(rs->jobs[i].needs);
	}
	json_decref(rs->body);
	json_decref(rs->tags);
	free(rs->jobs);
	free(rs);
}

void insert_run(struct fixture *f, const char *name, size_t n, bool chained, int64_t now_us,
		char run[ID_LEN], char (*ids)[ID_LEN])
{
	struct run_spec *rs = make_run(name, n, chained);
	struct job_rows jobs = {0};
	char made[ID_LEN];

	id_new('r', made);
	BEGIN(f);
	OK(f, store_run_insert(f->st, rs, made, now_us, NULL, &f->e));
	COMMIT(f);
	if (run)
		memcpy(run, made, ID_LEN);
	if (ids) {
		OK(f, store_jobs_of_run(f->st, made, &jobs, &f->e));
		assert_int_equal(jobs.n, n);
		for (size_t i = 0; i < n; i++)
			memcpy(ids[i], jobs.rows[i].id, ID_LEN);
	}
	job_rows_done(&jobs);
	free_run(rs);
}

void move(struct fixture *f, const char *job, enum job_state from, enum job_state to,
	  int64_t now_us)
{
	BEGIN(f);
	OK(f, store_job_set_state(f->st, job, from, to, NULL, now_us, &f->e));
	COMMIT(f);
}

const char *text_of(json_t *j)
{
	static char *text;

	free(text);
	text = j ? json_text(j) : NULL;
	json_decref(j);
	return text;
}

struct endpoint_row make_endpoint(const char *name)
{
	struct endpoint_row row = {
		.target = TARGET_LOCAL,
		.state = ENDPOINT_CREATING,
		.wanted = true,
		.model = "/models/m",
		.lease_ttl_us = INT64_C(3600000000),
		.lease_idle_us = INT64_C(900000000),
		.created_us = T0,
	};

	id_new('e', row.id);
	str_must_copy(row.name, sizeof(row.name), name);
	row.spec = json_pack("{s:s}", "kind", "deploy");
	return row;
}

struct store_reader *fixture_reader(struct fixture *f)
{
	struct store_reader *sr = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	return sr;
}

void fixture_reader_done(struct store_reader **sr)
{
	store_reader_close(*sr);
}
