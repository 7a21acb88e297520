/* SPDX-License-Identifier: MIT */
/* Cloud resources made by hand, for the tests of the store's cloud and money. */
#pragma once

#include "tests/unit/store_fixture.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/db.h"
#include "storage/store_read.h"
#include "storage/store_resource.h"

#include <string.h>

/* A planned row with a request; done by the caller. `job`, `endpoint`: "" for none. */
static inline struct resource_row new_resource(enum resource_kind kind, const char *job,
					       const char *endpoint)
{
	struct resource_row row = {
		.kind = kind,
		.state = RESOURCE_PLANNED,
		.wanted = true,
		.region = "us-east-1",
		.attempt = job[0] ? 1 : 0,
		.created_us = T0,
	};

	id_new('c', row.id);
	resource_nonce_new(row.nonce);
	resource_name(row.name, "imdb train", row.nonce);
	str_must_copy(row.job, sizeof(row.job), job);
	str_must_copy(row.endpoint, sizeof(row.endpoint), endpoint);
	row.request = json_pack("{s:s}", "TrainingJobName", row.name);
	return row;
}

static inline void insert_resource(struct fixture *f, const struct resource_row *row)
{
	BEGIN(f);
	OK(f, store_resource_insert(f->st, row, &f->e));
	COMMIT(f);
}

static inline struct resource_row sagemaker_of(struct fixture *f, const char *id)
{
	struct resource_row row = {0};

	OK(f, store_resource_get(f->st, id, &row, &f->e));
	return row;
}

/* The events since the last call, oldest first, of one kind. New reference. */
static inline json_t *events_of(struct fixture *f, const char *kind)
{
	OWN(json_decrefp) json_t *all = store_take_events(f->st);
	json_t *some = json_array(), *event;
	size_t i;

	json_array_foreach(all, i, event)
		if (str_eq(json_get_str(event, "kind", ""), kind))
			json_array_append(some, event);
	return some;
}

/* "seq" of a job as readers see it. */
static inline int64_t job_seq(struct fixture *f, const char *job)
{
	struct store_reader *sr = NULL;
	json_t *j = NULL;
	int64_t seq;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_job(sr, job, &j, &f->e));
	seq = json_get_int(j, "seq", -1);
	json_decref(j);
	store_reader_close(sr);
	return seq;
}

/* A connection of its own; the store is closed. */
static inline struct db *raw_open(struct fixture *f)
{
	struct db *db = NULL;
	char path[256];

	store_close(f->st);
	f->st = NULL;
	snprintf(path, sizeof(path), "%s/%s", f->dir, STORE_FILE);
	OK(f, db_open(path, DB_WRITER, &db, &f->e));
	return db;
}

static inline int64_t raw_int(struct fixture *f, struct db *db, const char *sql)
{
	OWN(db_releasep) struct db_stmt *q = NULL;

	OK(f, db_query_text(db, sql, NULL, 0, &q, &f->e));
	assert_int_equal(db_step(q, &f->e), 1);
	return db_col_int(q, 0);
}
