/* SPDX-License-Identifier: MIT */
/* Inserts a run with its jobs, and derives the run's state from its jobs. The manager thread calls
 * this through store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/answer.h"
#include "storage/shape.h"
#include "storage/write/internal.h"

#include <assert.h>
#include <string.h>

/* The row has `last_seq`, that of the run's last event: the ETag covers the events of its jobs. */
static int insert_run(struct store *st, const struct run_spec *rs, const char *run_id,
		      int64_t last_seq, int64_t now_us, struct err *reterr)
{
	struct event_of of = {.kind = "run_created", .run = run_id};
	int64_t seq = ++st->tx_seq;
	int r = db_run(st->db,
		       "INSERT INTO runs (id, name, state, tags, created_us, seq) "
		       "VALUES (?, ?, ?, ?, ?, ?)",
		       DB_ARGS(DB_TEXT(run_id), DB_TEXT(rs->name),
			       DB_TEXT(run_state_str(RUN_QUEUED)), DB_PLAIN(rs->tags),
			       DB_INT(now_us), DB_INT(last_seq)),
		       reterr);

	if (r >= 0)
		r = db_run(st->db, "INSERT INTO run_bodies (n, body) VALUES (?, ?)",
			   DB_ARGS(DB_INT(db_last_rowid(st->db)), DB_JSON(rs->body)), reterr);
	if (r < 0)
		return r;
	st->count_delta.runs[RUN_QUEUED]++;
	st->count_delta.changes++;
	return event_put(st, seq, &of,
			 json_pack("{s:s, s:I}", "name", rs->name, "jobs", (json_int_t)rs->jobs_n),
			 now_us, reterr);
}

static int insert_job(struct store *st, const struct run_spec *rs, size_t index, const char *run,
		      const char *id, int64_t now_us, struct err *reterr)
{
	const struct job_spec *js = &rs->jobs[index];
	enum job_state state = job_first_state(js);
	struct event_of of = {.kind = "job_created", .run = run, .job = id};
	int64_t seq = ++st->tx_seq;
	struct job_resources res;
	struct reason reason;
	int r;

	job_resources_of(js->spec, &res);
	job_first_reason(rs, js, &reason);
	r = db_run(st->db,
		   "INSERT INTO jobs (id, run, idx, name, kind, target, state, reason_code, "
		   "reason_message, place, priority, held, created_us, queued_us, tags, seq) "
		   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   DB_ARGS(DB_TEXT(id), DB_TEXT(run), DB_INT((int64_t)index), DB_TEXT(js->name),
			   DB_TEXT(job_kind_str(js->kind)), DB_TEXT(job_target_str(js->target)),
			   DB_TEXT(job_state_str(state)), DB_TEXT(reason_code_str(reason.code)),
			   DB_TEXT(reason.message),
			   DB_TEXT(slot_class_str(slot_class_of(js->kind, js->target, res.gpus))),
			   DB_INT(js->priority), DB_INT(js->held), DB_INT(now_us),
			   DB_INT(state == STATE_QUEUED ? now_us : 0), DB_PLAIN(js->tags),
			   DB_INT(seq)),
		   reterr);
	if (r >= 0)
		r = db_run(st->db, "INSERT INTO job_specs (n, spec) VALUES (?, ?)",
			   DB_ARGS(DB_INT(db_last_rowid(st->db)), DB_JSON(js->spec)), reterr);
	if (r < 0)
		return r;
	st->count_delta.jobs[js->kind][state]++;
	st->count_delta.changes++;
	return event_put(st, seq, &of,
			 json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", js->name, "job_kind",
				   job_kind_str(js->kind), "target", job_target_str(js->target),
				   "state", job_state_str(state), "reason", shape_reason(&reason)),
			 now_us, reterr);
}

static int insert_needs(struct store *st, const struct job_spec *js, const char *job,
			const char (*ids)[ID_LEN], struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < js->needs_n && r >= 0; i++)
		r = db_run(st->db,
			   "INSERT OR IGNORE INTO needs (job, other, at, outcome) "
			   "VALUES (?, ?, ?, ?)",
			   DB_ARGS(DB_TEXT(job), DB_TEXT(ids[js->needs[i].job]), DB_INT((int64_t)i),
				   DB_TEXT(need_when_str(js->needs[i].when))),
			   reterr);
	return r;
}

static int insert_all(struct store *st, const struct run_spec *rs, struct submitted *at,
		      struct err *reterr)
{
	int r;

	at->jobs_seq = st->tx_seq + 2; /* the run's own event is the first */
	at->seq = st->tx_seq + 1 + (int64_t)rs->jobs_n;
	r = insert_run(st, rs, at->run, at->seq, at->created_us, reterr);
	for (size_t i = 0; i < rs->jobs_n && r >= 0; i++)
		r = insert_job(st, rs, i, at->run, at->jobs[i], at->created_us, reterr);
	for (size_t i = 0; i < rs->jobs_n && r >= 0; i++)
		r = insert_needs(st, &rs->jobs[i], at->jobs[i], at->jobs, reterr);
	for (size_t i = 0; i < rs->jobs_n && r >= 0; i++)
		r = pins_insert(st, &rs->jobs[i], at->jobs[i], reterr);
	for (size_t i = 0; i < rs->jobs_n && r >= 0; i++)
		r = model_uses_insert(st, &rs->jobs[i], at->jobs[i], reterr);
	for (size_t i = 0; i < rs->jobs_n && r >= 0; i++)
		if (json_has_text(rs->jobs[i].spec, "/" STORE_EXECUTIONS "/"))
			r = prune_check_spec(st, at->jobs[i], reterr);
	for (size_t i = 0; i < rs->jobs_n && r >= 0; i++)
		r = source_uses_insert(st, rs->jobs[i].spec, at->jobs[i], reterr);
	if (r >= 0)
		r = warnings_of_submit(st, rs, at->jobs, reterr);
	assert(r < 0 || st->tx_seq == at->seq);
	return r;
}

int store_run_insert(struct store *st, const struct run_spec *rs, const char *run_id,
		     int64_t now_us, struct submitted **ret, struct err *reterr)
{
	OWN(freep) struct submitted *at = calloc(1, sizeof(*at) + rs->jobs_n * sizeof(at->jobs[0]));
	int r;

	if (!at)
		return err_errno(reterr, ENOMEM, "insert a run");
	str_must_copy(at->run, sizeof(at->run), run_id);
	at->created_us = now_us;
	for (size_t i = 0; i < rs->jobs_n; i++)
		id_new('j', at->jobs[i]);
	r = insert_all(st, rs, at, reterr);
	if (r >= 0 && ret)
		*ret = TAKE(at);
	return r;
}

static int count_jobs(struct store *st, const char *run, size_t counts[JOB_STATES_],
		      struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(st->db, "SELECT state FROM jobs WHERE run = ?", DB_ARGS(DB_TEXT(run)), &q,
			 reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		enum job_state state;

		r = COL_ENUM(q, 0, job_state_parse, &state, reterr);
		if (r >= 0)
			counts[state]++;
	}
	return r;
}

static int run_state_now(struct store *st, const char *run, enum run_state *ret, char *ret_name,
			 size_t name_size, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, "SELECT state, name FROM runs WHERE id = ?", DB_ARGS(DB_TEXT(run)),
			 &q, reterr);

	if (r < 0)
		return r;
	if (!r)
		return no_row(reterr, "run", run);
	db_col_copy(q, 1, ret_name, name_size);
	r = db_check_whole(q, reterr);
	return r < 0 ? r : COL_ENUM(q, 0, run_state_parse, ret, reterr);
}

/* started_us is the time of the first start; finished_us is set only while the run is final. */
static int run_move(struct store *st, const char *run, enum run_state to, int64_t seq,
		    int64_t now_us, struct err *reterr)
{
	bool starts = to != RUN_QUEUED && to != RUN_CANCELLED;

	return db_run(
		st->db,
		"UPDATE runs SET state = ?1, seq = ?2, "
		"started_us = CASE WHEN started_us = 0 AND ?4 THEN ?3 ELSE started_us END, "
		"finished_us = CASE WHEN ?5 THEN max(?3, started_us) ELSE 0 END WHERE id = ?6",
		DB_ARGS(DB_TEXT(run_state_str(to)), DB_INT(seq), DB_INT(now_us), DB_INT(starts),
			DB_INT(run_state_is_final(to)), DB_TEXT(run)),
		reterr);
}

int run_follow(struct store *st, const char *run, int64_t seq, int64_t now_us, struct err *reterr)
{
	struct event_of of = {.kind = "run_state", .run = run};
	size_t counts[JOB_STATES_] = {0};
	char name[SPEC_NAME_MAX + 1];
	enum run_state was, is;
	int r = run_state_now(st, run, &was, name, sizeof(name), reterr);

	if (r >= 0)
		r = count_jobs(st, run, counts, reterr);
	if (r < 0)
		return r;
	is = run_state_derive(counts);
	if (is == was)
		return run_bump_seq(st, run, seq, reterr);
	seq = ++st->tx_seq;
	r = run_move(st, run, is, seq, now_us, reterr);
	if (r < 0)
		return r;
	st->count_delta.runs[was]--;
	st->count_delta.runs[is]++;
	st->count_delta.changes++;
	return event_put(st, seq, &of,
			 json_pack("{s:s, s:s, s:s}", "name", name, "from", run_state_str(was),
				   "to", run_state_str(is)),
			 now_us, reterr);
}
