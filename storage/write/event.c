/* SPDX-License-Identifier: MIT */
/* The event log: one row for each change, and the same event as JSON for the feed. The other files
 * of storage/write/ and the manager thread call this. */
#include "base/own.h"
#include "base/str.h"
#include "storage/shape.h"
#include "storage/write/internal.h"

/* rows deleted in one call, so that the manager thread is not blocked for long */
#define STORE_TRIM_MAX 5000

int event_put(struct store *st, int64_t seq, const struct event_of *of, json_t *body,
	      int64_t now_us, struct err *reterr)
{
	OWN(json_decrefp) json_t *event = body;
	int r;

	if (!event)
		return err_errno(reterr, ENOMEM, "write an event");
	r = db_run(st->db,
		   "INSERT INTO events (seq, at_us, kind, run, job, endpoint, body) "
		   "VALUES (?, ?, ?, ?, ?, ?, ?)",
		   DB_ARGS(DB_INT(seq), DB_INT(now_us), DB_TEXT(of->kind), db_id(of->run),
			   db_id(of->job), db_id(of->endpoint), DB_JSON(event)),
		   reterr);
	if (r < 0)
		return r;
	shape_event_head(event, seq, now_us, of->kind, of->run, of->job, of->endpoint);
	if (json_array_append(st->pending, event) < 0)
		return err_errno(reterr, ENOMEM, "keep an event");
	return 0;
}

static void read_owner(struct db_stmt *q, void *ret)
{
	struct owner *o = ret;

	COL_COPY(o->run, q, 0);
	COL_COPY(o->job, q, 1);
}

/* Raise the row's seq by `sql`. Reads the run and, for an endpoint, the job of the row. */
static int touch_row(struct store *st, const char *what, const char *id, const char *sql,
		     int64_t seq, struct owner *ret, struct err *reterr)
{
	int r = update_returning(st, sql, DB_ARGS(DB_INT(seq), DB_TEXT(id)), read_owner, ret,
				 reterr);

	return r == 0 ? no_row(reterr, what, id) : r;
}

int owner_touch(struct store *st, const char *job, const char *endpoint, int64_t seq,
		struct event_of *of, struct owner *ret, struct err *reterr)
{
	int r = 0;

	*ret = (struct owner){0};
	if (endpoint && endpoint[0])
		r = touch_row(st, "endpoint", endpoint,
			      "UPDATE endpoints SET seq = ? WHERE id = ? RETURNING run, job", seq,
			      ret, reterr);
	if (!job || !job[0])
		job = ret->job;
	if (r >= 0 && job[0])
		r = touch_row(st, "job", job,
			      "UPDATE jobs SET seq = ? WHERE id = ? RETURNING run, id", seq, ret,
			      reterr);
	if (r >= 0 && ret->run[0])
		r = run_bump_seq(st, ret->run, seq, reterr);
	of->run = ret->run;
	of->job = ret->job;
	of->endpoint = endpoint;
	return r;
}

/* Read the job's run into `run`. If `shown`, the job itself shows the change: raise the job's seq,
 * so that its ETag changes. */
static int follow_job(struct store *st, const char *job, bool shown, int64_t seq, char run[ID_LEN],
		      struct err *reterr)
{
	int r = text_of_row(st, "job", job, "SELECT run FROM jobs WHERE id = ?", run, ID_LEN,
			    reterr);

	if (r < 0 || !shown)
		return r;
	r = db_run(st->db, "UPDATE jobs SET seq = ? WHERE id = ?",
		   DB_ARGS(DB_INT(seq), DB_TEXT(job)), reterr);
	return r < 0 ? r : run_bump_seq(st, run, seq, reterr);
}

int store_event(struct store *st, const char *kind, const char *run, const char *job,
		const char *endpoint, json_t *body, int64_t now_us, struct err *reterr)
{
	OWN(json_decrefp) json_t *owned = body;
	struct event_of of = {.kind = kind, .run = run, .job = job, .endpoint = endpoint};
	int64_t seq = ++st->tx_seq;
	char its_run[ID_LEN];
	int r = 0;

	if (job && job[0]) {
		r = follow_job(st, job, str_eq(kind, "progress") || str_eq(kind, "warning"), seq,
			       its_run, reterr);
		of.run = its_run;
	}
	if (r >= 0)
		r = event_put(st, seq, &of, TAKE(owned), now_us, reterr);
	return r < 0 ? r : 0;
}

int store_events_trim(struct store *st, int64_t older_than_us, struct err *reterr)
{
	int64_t first = 0, keep = 0;
	int r = db_get_int(st->db, "SELECT min(seq) FROM events", NULL, 0, 0, &first, reterr);

	if (r < 0 || !first)
		return r;
	/* If the clock was set back, newer times stand before older ones; the trim stops at the
	 * first of them. */
	r = db_get_int(
		st->db, "SELECT seq FROM events WHERE seq < ? AND at_us >= ? ORDER BY seq LIMIT 1",
		DB_ARGS(DB_INT(first + STORE_TRIM_MAX), DB_INT(older_than_us)), 0, &keep, reterr);
	if (r < 0)
		return r;
	if (!keep)
		keep = first + STORE_TRIM_MAX > st->tx_seq ? st->tx_seq + 1
							   : first + STORE_TRIM_MAX;
	if (keep == first)
		return 0;
	r = db_run(st->db, "DELETE FROM events WHERE seq < ?", DB_ARGS(DB_INT(keep)), reterr);
	if (r >= 0)
		r = db_run(st->db,
			   "INSERT OR REPLACE INTO meta (key, value) VALUES ('events_from', ?)",
			   DB_ARGS(DB_INT(keep)), reterr);
	if (r < 0)
		return r;
	return keep == first + STORE_TRIM_MAX;
}
