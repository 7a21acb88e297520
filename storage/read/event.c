/* SPDX-License-Identifier: MIT */
/* Answers with events and metric points after a number. API threads call this through
 * store_read.h. */
#include "base/own.h"
#include "storage/read/internal.h"
#include "storage/shape.h"

#include <inttypes.h>

/* ---- events ---- */

static int event_range(struct store_reader *sr, int64_t since, int64_t *ret_newest,
		       struct err *reterr)
{
	int64_t changes, from = 0;
	int r = store_read_versions(sr, ret_newest, &changes, reterr);

	if (r >= 0)
		r = db_get_int(sr->db, "SELECT value FROM meta WHERE key = 'events_from'", NULL, 0,
			       0, &from, reterr);
	if (r < 0)
		return r;
	if (since > *ret_newest)
		return err_set(reterr, ERR_GONE,
			       "since is %" PRId64 ", but the newest event is %" PRId64
			       "; read the state again",
			       since, *ret_newest);
	if (since < from - 1)
		return err_set(
			reterr, ERR_GONE,
			"events up to %" PRId64
			" are no longer kept; read the state again and continue from its seq",
			from - 1);
	return 0;
}

static int event_query(struct store_reader *sr, const struct event_filter *f, int limit,
		       struct db_stmt **ret, struct err *reterr)
{
	OWN(buf_done) struct buf sql = BUF_INIT(READ_SQL_MAX);
	struct db_val args[5] = {DB_INT(f->since)};
	size_t n = 1;

	buf_puts(&sql, "SELECT seq, at_us, kind, run, job, endpoint, body FROM events "
		       "WHERE seq > ? ");
	if (f->run) {
		buf_puts(&sql, "AND run = ? ");
		args[n++] = DB_TEXT(f->run);
	}
	if (f->job) {
		buf_puts(&sql, "AND job = ? ");
		args[n++] = DB_TEXT(f->job);
	}
	if (f->kind) {
		buf_puts(&sql, "AND kind = ? ");
		args[n++] = DB_TEXT(f->kind);
	}
	buf_puts(&sql, "ORDER BY seq LIMIT ?");
	args[n++] = DB_INT(limit);
	if (!buf_ok(&sql))
		return out_of_memory(reterr);
	return db_query_text(sr->db, buf_str(&sql), args, n, ret, reterr);
}

static int read_events(struct store_reader *sr, const struct event_filter *f, int limit,
		       json_t *items, int64_t *next, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int64_t last = 0;
	int r = event_query(sr, f, limit, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		json_t *event = NULL;

		last = db_col_int(q, 0);
		r = db_col_json(q, 6, &event, reterr);
		if (r < 0)
			break;
		shape_event_head(event, last, db_col_int(q, 1), db_col_text(q, 2),
				 db_col_text(q, 3), db_col_text(q, 4), db_col_text(q, 5));
		if (json_array_append_new(items, event) < 0)
			r = out_of_memory(reterr);
	}
	if (json_array_size(items) == (size_t)limit)
		*next = last; /* more events may follow */
	return r;
}

/* {"items", "next_since"} */
static int answer(json_t *items, int64_t next, json_t **ret, struct err *reterr)
{
	*ret = json_pack("{s:O, s:I}", "items", items, "next_since", (json_int_t)next);
	return *ret ? 0 : out_of_memory(reterr);
}

int store_read_events(struct store_reader *sr, const struct event_filter *f, json_t **ret,
		      struct err *reterr)
{
	OWN(json_decrefp) json_t *items = json_array();
	int64_t next = 0;
	int limit, r;

	r = check_limit(f->limit, STORE_LIST_DEFAULT, STORE_LIST_MAX, &limit, reterr);
	if (r >= 0)
		r = db_begin_read(sr->db, reterr);
	if (r >= 0)
		r = event_range(sr, f->since, &next, reterr);
	if (r >= 0)
		r = read_events(sr, f, limit, items, &next, reterr);
	db_end_read(sr->db);
	return r < 0 ? r : answer(items, next, ret, reterr);
}

/* ---- metrics ---- */

static json_t *point_json(struct db_stmt *q, json_t *values)
{
	return json_pack("{s:o, s:I, s:o, s:O}", "at", col_time(q, 1), "step",
			 (json_int_t)db_col_int(q, 2), "epoch",
			 db_col_is_null(q, 3) ? json_null() : json_real(db_col_real(q, 3)),
			 "values", values);
}

/* Append the point. Appends nothing if `name` is given and the point has no such value. */
static int add_point(struct db_stmt *q, const char *name, json_t *items, struct err *reterr)
{
	OWN(json_decrefp) json_t *values = NULL, *only = NULL;
	int r = db_col_json(q, 4, &values, reterr);

	if (r < 0)
		return r;
	if (name && !json_object_get(values, name))
		return 0;
	if (name)
		only = json_pack("{s:O}", name, json_object_get(values, name));
	if (json_array_append_new(items, point_json(q, only ? only : values)) < 0)
		return out_of_memory(reterr);
	return 0;
}

int store_read_metrics(struct store_reader *sr, const char *job, int attempt, const char *name,
		       int64_t since, int limit, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *items = json_array();
	OWN(db_releasep) struct db_stmt *q = NULL;
	int64_t last = 0, next = since;
	int r = check_limit(limit, STORE_METRICS_DEFAULT, STORE_METRICS_MAX, &limit, reterr);

	if (r >= 0)
		r = db_get_int(sr->db, "SELECT attempt FROM jobs WHERE id = ?",
			       DB_ARGS(DB_TEXT(job)), -1, &last, reterr);
	if (r < 0)
		return r;
	if (last < 0)
		return err_set(reterr, ERR_NOT_FOUND, "there is no job '%.64s'", job);
	r = db_query(sr->db,
		     "SELECT n, at_us, step, epoch, points FROM metrics "
		     "WHERE job = ? AND attempt = ? AND n > ? ORDER BY n",
		     DB_ARGS(DB_TEXT(job), DB_INT(attempt ? attempt : last), DB_INT(since)), &q,
		     reterr);
	while (r >= 0 && json_array_size(items) < (size_t)limit && (r = db_step(q, reterr)) > 0) {
		next = db_col_int(q, 0);
		r = add_point(q, name, items, reterr);
	}
	return r < 0 ? r : answer(items, next, ret, reterr);
}
