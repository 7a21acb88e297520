/* SPDX-License-Identifier: MIT */
/* Locations of the files of attempts and endpoints. API threads call this through store_read.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/folder.h"
#include "storage/pruned.h"
#include "storage/read/internal.h"

int store_read_pruned(struct store_reader *sr, const char *run, struct err *reterr)
{
	return pruned_check(sr->db, run, reterr);
}

int store_read_folder_check(struct store_reader *sr, const char *path, struct err *reterr)
{
	return folder_check(sr->db, path, reterr);
}

static int job_facts(struct store_reader *sr, const char *job, int *attempt,
		     struct attempt_dir *place, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db, "SELECT kind, state, attempt, run FROM jobs WHERE id = ?",
			 DB_ARGS(DB_TEXT(job)), &q, reterr);

	if (r < 0)
		return r;
	if (!r)
		return err_set(reterr, ERR_NOT_FOUND, "there is no job '%.64s'", job);
	if (job_kind_parse(db_col_text(q, 0), &place->kind) < 0 ||
	    job_state_parse(db_col_text(q, 1), &place->job_state) < 0)
		return err_set(reterr, ERR_CORRUPT, "database: job '%.64s' has an unknown state",
			       job);
	if (!db_col_int(q, 2))
		return err_set(reterr, ERR_NOT_FOUND, "job '%.64s' has not been started yet", job);
	if (!*attempt)
		*attempt = (int)db_col_int(q, 2);
	db_col_copy(q, 3, place->run, sizeof(place->run));
	return db_check_whole(q, reterr);
}

/* Read the first row of `q` (dir, state, run) and release `q`. Without a row the directory is "",
 * and `ended` is `over`. */
static int place_of(struct db_stmt *q, bool over, struct attempt_dir *place, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	enum execution_state state = EXECUTION_ENDED;
	int r = db_step(owned, reterr);

	if (r < 0)
		return r;
	place->dir[0] = '\0';
	place->ended = over;
	if (!r)
		return 0;
	if (execution_state_parse(db_col_text(owned, 1), &state) < 0)
		return err_set(reterr, ERR_CORRUPT, "database: '%s' is not a state of an execution",
			       db_col_text(owned, 1));
	if (!place->run[0])
		db_col_copy(owned, 2, place->run, sizeof(place->run));
	place->ended = state == EXECUTION_ENDED;
	r = db_check_whole(owned, reterr);
	return r < 0 ? r : db_col_path(owned, 0, place->dir, sizeof(place->dir), reterr);
}

/* A deploy has no process of its own; its log is the log of its endpoint. */
static int execution_of(struct store_reader *sr, const char *job, int attempt, bool over,
			struct attempt_dir *place, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r;

	if (place->kind == JOB_DEPLOY)
		r = db_query(sr->db,
			     "SELECT x.dir, x.state, '' FROM endpoints e JOIN executions x "
			     "ON x.endpoint = e.id WHERE e.job = ? ORDER BY x.n DESC LIMIT 1",
			     DB_ARGS(DB_TEXT(job)), &q, reterr);
	else
		r = db_query(sr->db,
			     "SELECT dir, state, '' FROM executions WHERE job = ? AND attempt = ? "
			     "ORDER BY n DESC LIMIT 1",
			     DB_ARGS(DB_TEXT(job), DB_INT(attempt)), &q, reterr);
	return r < 0 ? r : place_of(q, over, place, reterr);
}

static int attempt_over(struct store_reader *sr, const char *job, int attempt, bool *ret,
			struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db, "SELECT finished_us FROM attempts WHERE job = ? AND number = ?",
			 DB_ARGS(DB_TEXT(job), DB_INT(attempt)), &q, reterr);

	if (r < 0)
		return r;
	if (!r)
		return err_set(reterr, ERR_NOT_FOUND, "job '%.64s' has no attempt %d", job,
			       attempt);
	*ret = db_col_int(q, 0) != 0;
	return 0;
}

int store_read_attempt_dir(struct store_reader *sr, const char *job, int attempt,
			   struct attempt_dir *ret, struct err *reterr)
{
	struct attempt_dir place = {0};
	bool over = false;
	int r = db_begin_read(sr->db, reterr);

	if (r >= 0)
		r = job_facts(sr, job, &attempt, &place, reterr);
	if (r >= 0)
		r = attempt_over(sr, job, attempt, &over, reterr);
	if (r >= 0)
		r = execution_of(sr, job, attempt, over, &place, reterr);
	db_end_read(sr->db);
	if (r < 0)
		return r;
	/* The staging of a SageMaker job ends long before the job's log does. */
	if (place.kind != JOB_DEPLOY && !over)
		place.ended = false;
	place.attempt = attempt;
	*ret = place;
	return 0;
}

int store_read_endpoint_dir(struct store_reader *sr, const char *name, struct attempt_dir *ret,
			    struct err *reterr)
{
	struct attempt_dir place = {.kind = JOB_DEPLOY};
	struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 "SELECT x.dir, x.state, j.run FROM endpoints e JOIN executions x "
			 "ON x.endpoint = e.id LEFT JOIN jobs j ON j.id = coalesce(x.job, e.job) "
			 "WHERE e.name = ? "
			 "ORDER BY e.state NOT IN ('deleted', 'failed') DESC, x.n DESC LIMIT 1",
			 DB_ARGS(DB_TEXT(name)), &q, reterr);

	if (r >= 0)
		r = place_of(q, false, &place, reterr);
	if (r < 0)
		return r;
	if (!place.dir[0])
		return err_set(reterr, ERR_NOT_FOUND,
			       "no endpoint '%.64s' was ever started on this machine", name);
	*ret = place;
	return 0;
}

int store_read_executions(struct store_reader *sr, const char *run, json_t *into,
			  struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int64_t there = 1;
	int r = 0;

	if (run)
		r = db_get_int(sr->db, "SELECT count(*) FROM runs WHERE id = ?",
			       DB_ARGS(DB_TEXT(run)), 0, &there, reterr);
	if (r >= 0 && !there)
		return err_set(reterr, ERR_NOT_FOUND, "there is no run '%s'", run);
	if (r >= 0)
		r = db_query(sr->db,
			     "SELECT x.id, j.id, j.name, j.run, r.name FROM executions x "
			     "LEFT JOIN endpoints e ON e.id = x.endpoint "
			     "LEFT JOIN jobs j ON j.id = coalesce(x.job, e.job) "
			     "LEFT JOIN runs r ON r.id = j.run WHERE ?1 IS NULL OR j.run = ?1 "
			     "ORDER BY x.id DESC LIMIT ?2",
			     DB_ARGS(DB_TEXT(run), DB_INT(STORE_USAGE_MAX)), &q, reterr);
	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		json_object_set_new(into, db_col_text(q, 0),
				    !*db_col_text(q, 1)
					    ? json_object()
					    : json_pack("{ss ss ss ss}", "job", db_col_text(q, 1),
							"name", db_col_text(q, 2), "run",
							db_col_text(q, 3), "run_name",
							db_col_text(q, 4)));
	return r < 0 ? r : 0;
}
