/* SPDX-License-Identifier: MIT */
/* Attempts of jobs, and the metrics that came out of them. */
#include "base/own.h"
#include "base/str.h"
#include "storage/store_internal.h"

#include <math.h>

int store_attempt_insert(struct store *st, const char *job, int64_t now_us, int *ret_number,
			 struct err *reterr)
{
	int64_t number = 0;
	int r = run_on_row(st, "job", job, "UPDATE jobs SET attempt = attempt + 1 WHERE id = ?",
			   DB_ARGS(DB_TEXT(job)), reterr);

	if (r >= 0)
		r = db_get_int(st->db, "SELECT attempt FROM jobs WHERE id = ?",
			       DB_ARGS(DB_TEXT(job)), 0, &number, reterr);
	if (r >= 0)
		r = db_run(st->db,
			   "INSERT INTO attempts (job, number, state, created_us) "
			   "VALUES (?, ?, ?, ?)",
			   DB_ARGS(DB_TEXT(job), DB_INT(number),
				   DB_TEXT(attempt_state_str(ATTEMPT_STARTING)), DB_INT(now_us)),
			   reterr);
	if (r < 0)
		return r;
	*ret_number = (int)number;
	return 0;
}

int store_attempt_set_state(struct store *st, const char *job, int number, enum attempt_state state,
			    const struct reason *reason, int64_t now_us, struct err *reterr)
{
	bool starts = state == ATTEMPT_RUNNING;
	bool ends = state != ATTEMPT_RUNNING && state != ATTEMPT_STARTING;
	int r = run_on_row(st, "attempt of job", job,
			   "UPDATE attempts SET state = ?1, reason_code = ?2, reason_message = ?3, "
			   "started_us = CASE WHEN ?5 THEN ?4 ELSE started_us END, "
			   "finished_us = CASE WHEN ?6 THEN max(?4, started_us) "
			   "ELSE finished_us END "
			   "WHERE job = ?7 AND number = ?8",
			   DB_ARGS(DB_TEXT(attempt_state_str(state)),
				   DB_TEXT(reason_code_str(reason ? reason->code : REASON_NONE)),
				   DB_TEXT(reason ? reason->message : ""), DB_INT(now_us),
				   DB_INT(starts), DB_INT(ends), DB_TEXT(job), DB_INT(number)),
			   reterr);

	return r < 0 ? r : 0;
}

int store_attempt_set_result(struct store *st, const char *job, int number, const json_t *exit,
			     const json_t *outputs, struct err *reterr)
{
	int r = run_on_row(st, "attempt of job", job,
			   "UPDATE attempts SET exit = coalesce(?, exit), "
			   "outputs = coalesce(?, outputs) WHERE job = ? AND number = ?",
			   DB_ARGS(DB_JSON(exit), DB_JSON(outputs), DB_TEXT(job), DB_INT(number)),
			   reterr);

	return r < 0 ? r : 0;
}

int store_attempt_set_progress(struct store *st, const char *job, int number,
			       const json_t *progress, struct err *reterr)
{
	int r = run_on_row(st, "attempt of job", job,
			   "UPDATE attempts SET progress = ? WHERE job = ? AND number = ?",
			   DB_ARGS(DB_JSON(progress), DB_TEXT(job), DB_INT(number)), reterr);

	return r < 0 ? r : 0;
}

int store_attempt_outputs(struct store *st, const char *job, int number, json_t **ret,
			  struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(st->db, "SELECT outputs FROM attempts WHERE job = ? AND number = ?",
			 DB_ARGS(DB_TEXT(job), DB_INT(number)), &q, reterr);

	*ret = NULL;
	if (r >= 0)
		r = db_step(q, reterr);
	if (r == 0)
		return no_row(reterr, "attempt of job", job);
	if (r > 0)
		r = db_col_json(q, 0, ret, reterr);
	if (r >= 0 && !*ret)
		*ret = json_object();
	return r < 0 ? r : 0;
}

/* ---- metrics ---- */

static int keep_last(struct store *st, const char *job, int attempt, const json_t *values,
		     struct err *reterr)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)values, name, value) {
		int r;

		if (!json_is_number(value))
			continue;
		r = db_run(st->db,
			   "INSERT INTO metrics_last (job, name, attempt, value) "
			   "VALUES (?, ?, ?, ?) ON CONFLICT (job, name) DO UPDATE SET "
			   "attempt = excluded.attempt, value = excluded.value",
			   DB_ARGS(DB_TEXT(job), DB_TEXT(name), DB_INT(attempt),
				   DB_REAL(json_number_value(value))),
			   reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int store_metric_insert(struct store *st, const char *job, int attempt, int64_t at_us, int64_t step,
			double epoch, const json_t *values, struct err *reterr)
{
	int r = db_run(st->db,
		       "INSERT INTO metrics (job, attempt, at_us, step, epoch, points) "
		       "VALUES (?, ?, ?, ?, ?, ?)",
		       DB_ARGS(DB_TEXT(job), DB_INT(attempt), DB_INT(at_us), DB_INT(step),
			       DB_REAL(isfinite(epoch) && epoch >= 0 ? epoch : NAN),
			       DB_JSON(values)),
		       reterr);

	return r < 0 ? r : keep_last(st, job, attempt, values, reterr);
}

int store_metric_last_step(struct store *st, const char *job, int attempt, int64_t *ret,
			   struct err *reterr)
{
	return db_get_int(
		st->db, "SELECT coalesce(max(step), 0) FROM metrics WHERE job = ? AND attempt = ?",
		DB_ARGS(DB_TEXT(job), DB_INT(attempt)), 0, ret, reterr);
}

int store_metric_step_before(struct store *st, const char *job, int attempt, int64_t *ret,
			     struct err *reterr)
{
	return db_get_int(
		st->db, "SELECT coalesce(max(step), 0) FROM metrics WHERE job = ? AND attempt < ?",
		DB_ARGS(DB_TEXT(job), DB_INT(attempt)), 0, ret, reterr);
}

int store_metrics_last(struct store *st, const char *job, int attempt, json_t **ret,
		       struct err *reterr)
{
	OWN(json_decrefp) json_t *values = json_object();
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 "SELECT name, value FROM metrics_last WHERE job = ? AND attempt = ?",
			 DB_ARGS(DB_TEXT(job), DB_INT(attempt)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		json_object_set_new(values, db_col_text(q, 0), json_number(db_col_real(q, 1)));
	if (r >= 0)
		*ret = TAKE(values);
	return r;
}
