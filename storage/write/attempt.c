/* SPDX-License-Identifier: MIT */
/* Rows of attempts: insert, result, progress, outputs. The manager thread calls this through
 * store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"

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
