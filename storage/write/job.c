/* SPDX-License-Identifier: MIT */
/* Reads rows of jobs and their needs; write/job_move.c changes them. The manager thread calls this
 * through store.h. */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/store_resource.h"
#include "storage/write/internal.h"

#define JOB_COLUMNS_READ                                                                  \
	"SELECT j.id, j.run, j.idx, j.name, j.kind, j.target, j.state, j.reason_code, "   \
	"j.reason_message, j.attempt, j.auto_retries, j.priority, j.held, "               \
	"j.cancel_requested_us, j.created_us, j.queued_us, j.started_us, j.finished_us, " \
	"j.not_before_us, s.spec, j.tags, j.outputs FROM jobs j "
#define JOB_SPEC_JOIN "JOIN job_specs s ON s.n = j.n "
#define JOB_SELECT    JOB_COLUMNS_READ JOB_SPEC_JOIN

static int job_read(struct db_stmt *q, void *into, struct err *reterr)
{
	struct job_row *row = into;
	int r = COL_ENUM(q, 4, job_kind_parse, &row->kind, reterr);

	COL_COPY(row->id, q, 0);
	COL_COPY(row->run, q, 1);
	row->index = (int)db_col_int(q, 2);
	COL_COPY(row->name, q, 3);
	row->attempt = (int)db_col_int(q, 9);
	row->auto_retries = (int)db_col_int(q, 10);
	row->priority = (int)db_col_int(q, 11);
	row->held = db_col_int(q, 12);
	row->cancel_requested_us = db_col_int(q, 13);
	row->created_us = db_col_int(q, 14);
	row->queued_us = db_col_int(q, 15);
	row->started_us = db_col_int(q, 16);
	row->finished_us = db_col_int(q, 17);
	row->not_before_us = db_col_int(q, 18);
	if (r >= 0)
		r = COL_ENUM(q, 5, job_target_parse, &row->target, reterr);
	if (r >= 0)
		r = COL_ENUM(q, 6, job_state_parse, &row->state, reterr);
	if (r >= 0)
		r = col_reason(q, 7, &row->reason, reterr);
	if (r >= 0)
		r = db_col_json(q, 19, &row->spec, reterr);
	if (r >= 0)
		r = db_col_plain(q, 20, &row->tags, reterr);
	if (r >= 0)
		r = db_col_json(q, 21, &row->outputs, reterr);
	return r;
}

void job_row_done(struct job_row *row)
{
	json_decref(TAKE(row->spec));
	json_decref(TAKE(row->tags));
	json_decref(TAKE(row->outputs));
}

void job_rows_done(struct job_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		job_row_done(&rows->rows[i]);
	free(TAKE(rows->rows));
	rows->n = 0;
}

/* Read the row on which `q` stands; db_first() has returned `r`. `id` is for the message. */
static int one_job(struct db_stmt *q, int r, const char *id, struct job_row *ret,
		   struct err *reterr)
{
	OWN(job_row_done) struct job_row row = {0};

	if (r == 0)
		return no_row(reterr, "job", id);
	if (r > 0)
		r = job_read(q, &row, reterr);
	if (r >= 0)
		r = db_check_whole(q, reterr);
	if (r < 0)
		return r;
	*ret = row;
	row = (struct job_row){0};
	return 0;
}

int store_job_get(struct store *st, const char *id, struct job_row *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, JOB_SELECT "WHERE j.id = ?", DB_ARGS(DB_TEXT(id)), &q, reterr);

	return one_job(q, r, id, ret, reterr);
}

int store_job_of_run(struct store *st, const char *run, const char *name, struct job_row *ret,
		     struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, JOB_SELECT "WHERE j.run = ? AND j.name = ?",
			 DB_ARGS(DB_TEXT(run), DB_TEXT(name)), &q, reterr);

	return one_job(q, r, name, ret, reterr);
}

/* Read all rows of `q` and release `q`. *ret is set only on success. */
static int jobs_read(struct db_stmt *q, struct job_rows *ret, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows rows = {0};
	int r = rows_read(q, (void **)&rows.rows, &rows.n, sizeof(*rows.rows), job_read, reterr);

	if (r < 0)
		return r;
	*ret = rows;
	rows = (struct job_rows){0};
	return 0;
}

int store_jobs_of_run(struct store *st, const char *run, struct job_rows *ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db, JOB_SELECT "WHERE j.run = ? ORDER BY j.idx", DB_ARGS(DB_TEXT(run)),
			 &q, reterr);

	return r < 0 ? r : jobs_read(q, ret, reterr);
}

int store_jobs_in_state(struct store *st, enum job_state state, struct job_rows *ret,
			struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db, JOB_SELECT "WHERE j.state = ? ORDER BY j.created_us, j.n",
			 DB_ARGS(DB_TEXT(job_state_str(state))), &q, reterr);

	return r < 0 ? r : jobs_read(q, ret, reterr);
}

int store_jobs_ready(struct store *st, enum job_target target, enum slot_class place,
		     int64_t now_us, size_t skip, size_t max, struct job_rows *ret,
		     struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 JOB_COLUMNS_READ
			 "INDEXED BY jobs_queued " JOB_SPEC_JOIN
			 "WHERE j.state = 'queued' AND j.target = ? AND j.place = ? AND j.held = 0 "
			 "AND j.not_before_us <= ? ORDER BY j.priority DESC, j.n LIMIT ? OFFSET ?",
			 DB_ARGS(DB_TEXT(job_target_str(target)), DB_TEXT(slot_class_str(place)),
				 DB_INT(now_us), DB_INT((int64_t)max), DB_INT((int64_t)skip)),
			 &q, reterr);

	return r < 0 ? r : jobs_read(q, ret, reterr);
}

int store_jobs_unplanned(struct store *st, struct job_rows *ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 JOB_SELECT "WHERE j.state IN ('starting', 'running') "
				    "AND j.target = 'sagemaker' AND NOT EXISTS (SELECT 1 FROM "
				    "resources c WHERE c.job = j.id AND c.attempt = j.attempt) "
				    "ORDER BY j.n",
			 NULL, 0, &q, reterr);

	return r < 0 ? r : jobs_read(q, ret, reterr);
}

int store_next_not_before(struct store *st, int64_t now_us, int64_t *ret, struct err *reterr)
{
	return db_get_int(st->db,
			  "SELECT not_before_us FROM jobs INDEXED BY jobs_backing_off "
			  "WHERE state = 'queued' AND not_before_us > 0 "
			  "AND not_before_us > ? AND held = 0 ORDER BY not_before_us LIMIT 1",
			  DB_ARGS(DB_INT(now_us)), USEC_NEVER, ret, reterr);
}

/* ---- needs ---- */

static int need_read(struct db_stmt *q, void *into, struct err *reterr)
{
	struct need_row *row = into;
	int r = COL_ENUM(q, 1, need_when_parse, &row->when, reterr);

	COL_COPY(row->job, q, 0);
	COL_COPY(row->name, q, 3);
	return r < 0 ? r : COL_ENUM(q, 2, job_state_parse, &row->state, reterr);
}

void need_rows_done(struct need_rows *rows)
{
	free(TAKE(rows->rows));
	rows->n = 0;
}

static int needs_read(struct db_stmt *q, struct need_rows *ret, struct err *reterr)
{
	OWN(need_rows_done) struct need_rows rows = {0};
	int r = rows_read(q, (void **)&rows.rows, &rows.n, sizeof(*rows.rows), need_read, reterr);

	if (r < 0)
		return r;
	*ret = rows;
	rows = (struct need_rows){0};
	return 0;
}

int store_needs_of(struct store *st, const char *job, struct need_rows *ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 "SELECT n.other, n.outcome, j.state, j.name FROM needs n JOIN jobs j "
			 "ON j.id = n.other WHERE n.job = ? ORDER BY n.at",
			 DB_ARGS(DB_TEXT(job)), &q, reterr);

	return r < 0 ? r : needs_read(q, ret, reterr);
}

int store_needed_by(struct store *st, const char *job, struct need_rows *ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 "SELECT n.job, n.outcome, j.state, j.name FROM needs n JOIN jobs j "
			 "ON j.id = n.job WHERE n.other = ? ORDER BY j.idx",
			 DB_ARGS(DB_TEXT(job)), &q, reterr);

	return r < 0 ? r : needs_read(q, ret, reterr);
}
