/* SPDX-License-Identifier: MIT */
/* Answers about runs: lists, and one run with its jobs. API threads call this through
 * store_read.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/read/internal.h"

#define RUN_COLUMNS                                                                         \
	"r.id, r.name, r.state, r.created_us, r.started_us, r.finished_us, r.tags, r.seq, " \
	"r.pruned_us "
#define RUN_COLUMNS_N 9

static int run_row_put(struct db_stmt *q, bool is_short, struct buf *out, struct err *reterr)
{
	OWN(buf_done) struct buf tags = BUF_INIT(SIZE_MAX / 2);
	int r = is_short ? 0 : db_col_json_put(q, 6, true, &tags, reterr);

	if (r < 0)
		return r;
	answer_run(out,
		   &(struct run_answer){
			   .id = db_col_text(q, 0),
			   .name = db_col_text(q, 1),
			   .state = db_col_text(q, 2),
			   .created_us = db_col_int(q, 3),
			   .started_us = db_col_int(q, 4),
			   .finished_us = db_col_int(q, 5),
			   .tags = buf_str(&tags),
			   .seq = db_col_int(q, 7),
			   .pruned_us = db_col_int(q, 8),
		   },
		   is_short);
	return tags.failed ? out_of_memory(reterr) : 0;
}

static int run_item(struct db_stmt *q, const struct list_filter *f, struct buf *out,
		    struct err *reterr)
{
	int r = run_row_put(q, f->with_short, out, reterr);

	if (r >= 0 && f->with_spec) {
		answer_key(out, "spec");
		r = db_col_json_put(q, RUN_COLUMNS_N + 2, false, out, reterr);
	}
	buf_puts(out, "}");
	return r;
}

static const char *state_name(int i)
{
	return run_state_str((enum run_state)i);
}

int store_read_runs(struct store_reader *sr, const struct list_filter *f, struct buf *out,
		    struct err *reterr)
{
	OWN(page_done) struct page p;
	int r = page_init(&p, sr, f, "r", false, reterr);

	if (r < 0)
		return r;
	page_sql(&p, "SELECT " RUN_COLUMNS ", r.created_us, r.n");
	page_sql(&p, f->with_spec ? ", b.body FROM runs r JOIN run_bodies b ON b.n = r.n "
				  : " FROM runs r ");
	page_where_common(&p, false, false);
	page_where_bits(&p, "state", f->states, RUN_STATES_, state_name);
	page_where_tag(&p);
	return page_read(&p, sr, run_item, RUN_COLUMNS_N, out, reterr);
}

/* ---- one run ---- */

static int no_run(struct err *reterr, const char *id)
{
	return err_set(reterr, ERR_NOT_FOUND, "there is no run '%.64s'", id);
}

static int read_head(struct store_reader *sr, const char *id, json_t **ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	OWN(buf_done) struct buf text = BUF_INIT(SIZE_MAX / 2);
	int r = db_first(sr->db, "SELECT " RUN_COLUMNS "FROM runs r WHERE r.id = ?",
			 DB_ARGS(DB_TEXT(id)), &q, reterr);

	if (r == 0)
		return no_run(reterr, id);
	if (r > 0)
		r = run_row_put(q, false, &text, reterr);
	return r < 0 ? r : answer_parse(&text, ret, reterr);
}

static int read_jobs(struct store_reader *sr, const char *id, json_t *jobs, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 "SELECT " JOB_COLUMNS ", (SELECT json_group_array(o.name) FROM needs d "
			 "JOIN jobs o ON o.id = d.other WHERE d.job = j.id) " JOB_FROM
			 "WHERE j.run = ? ORDER BY j.idx",
			 DB_ARGS(DB_TEXT(id)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		OWN(buf_done) struct buf text = BUF_INIT(SIZE_MAX / 2);
		json_t *job = NULL;

		r = job_row_put(q, JOB_FORM_IN_RUN, &text, reterr);
		if (r >= 0)
			r = answer_parse(&text, &job, reterr);
		if (r >= 0)
			r = set_col_json(job, "needs", q, JOB_COLUMNS_N, reterr);
		if (job && json_array_append_new(jobs, job) < 0)
			r = out_of_memory(reterr);
	}
	return r;
}

int store_read_run(struct store_reader *sr, const char *id, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *run = NULL, *jobs = json_array();
	int r = db_begin_read(sr->db, reterr);

	if (r >= 0)
		r = read_head(sr, id, &run, reterr);
	if (r >= 0)
		r = read_jobs(sr, id, jobs, reterr);
	db_end_read(sr->db);
	if (r < 0)
		return r;
	if (json_object_set(run, "jobs", jobs) < 0)
		return out_of_memory(reterr);
	*ret = TAKE(run);
	return 0;
}

int store_read_run_job(struct store_reader *sr, const char *run, const char *job,
		       char ret_run[ID_LEN], char ret_job[ID_LEN], struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db,
			 "SELECT r.id, j.id FROM runs r LEFT JOIN jobs j ON j.run = r.id AND "
			 "j.name = ?2 WHERE r.id = ?1 OR (r.name = ?1 AND r.state = 'succeeded') "
			 "ORDER BY r.id = ?1 DESC, r.created_us DESC, r.n DESC LIMIT 1",
			 DB_ARGS(DB_TEXT(run), DB_TEXT(job)), &q, reterr);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(reterr, ERR_NOT_FOUND,
			       "no run has the id '%s', and no run of that name has succeeded",
			       run);
	db_col_copy(q, 0, ret_run, ID_LEN);
	if (db_col_is_null(q, 1))
		return err_set(reterr, ERR_NOT_FOUND, "run %s has no job '%s'", ret_run, job);
	db_col_copy(q, 1, ret_job, ID_LEN);
	return db_check_whole(q, reterr);
}

int store_read_run_body(struct store_reader *sr, const char *id, json_t **ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db,
			 "SELECT b.body FROM runs r JOIN run_bodies b ON b.n = r.n WHERE r.id = ?",
			 DB_ARGS(DB_TEXT(id)), &q, reterr);

	if (r == 0)
		return no_run(reterr, id);
	return r < 0 ? r : db_col_json(q, 0, ret, reterr);
}
