/* SPDX-License-Identifier: MIT */
/* The only file that changes the state of a job; also changes the other fields. The manager thread
 * calls this through store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/shape.h"
#include "storage/write/internal.h"

#include <assert.h>

/* Fields of the changed row that its event needs. */
struct changed {
	char run[ID_LEN], name[SPEC_NAME_MAX + 1];
	char kind[32];
	int attempt;
};

#define RETURNING " RETURNING run, name, kind, attempt"

static void read_changed(struct db_stmt *q, void *ret)
{
	struct changed *c = ret;

	COL_COPY(c->run, q, 0);
	COL_COPY(c->name, q, 1);
	COL_COPY(c->kind, q, 2);
	c->attempt = (int)db_col_int(q, 3);
}

static int not_in_state(struct store *st, const char *id, enum job_state from, enum job_state to,
			struct err *reterr)
{
	char state[32];
	int r = text_of_row(st, "job", id, "SELECT state FROM jobs WHERE id = ?", state,
			    sizeof(state), reterr);

	if (r < 0)
		return r;
	return err_set(reterr, ERR_CONFLICT, "job '%s' cannot become %s: it is %s, not %s", id,
		       job_state_str(to), state, job_state_str(from));
}

/* queued_us and started_us belong to the current attempt. A retry by hand leaves a final state:
 * that also clears the cancel request and the outputs. */
static int update_state(struct store *st, const char *id, enum job_state from, enum job_state to,
			const struct reason *reason, int64_t seq, int64_t now_us,
			struct changed *ret, struct err *reterr)
{
	bool waits = to == STATE_QUEUED || to == STATE_BLOCKED;

	return update_returning(
		st,
		"UPDATE jobs SET state = ?1, reason_code = ?2, reason_message = ?3, "
		"seq = ?4, queued_us = CASE WHEN ?6 THEN ?5 ELSE queued_us END, "
		"started_us = CASE WHEN ?7 THEN 0 WHEN ?8 THEN ?5 ELSE started_us END, "
		"finished_us = CASE WHEN ?9 THEN max(?5, started_us) ELSE 0 END, "
		"cancel_requested_us = CASE WHEN ?10 THEN 0 ELSE cancel_requested_us END, "
		"outputs = CASE WHEN ?10 THEN '{}' ELSE outputs END "
		"WHERE id = ?11 AND state = ?12" RETURNING,
		DB_ARGS(DB_TEXT(job_state_str(to)),
			DB_TEXT(reason_code_str(reason ? reason->code : REASON_NONE)),
			DB_TEXT(reason ? reason->message : ""), DB_INT(seq), DB_INT(now_us),
			DB_INT(to == STATE_QUEUED), DB_INT(waits), DB_INT(to == STATE_STARTING),
			DB_INT(job_state_is_final(to)), DB_INT(job_state_is_final(from)),
			DB_TEXT(id), DB_TEXT(job_state_str(from))),
		read_changed, ret, reterr);
}

int store_job_set_state(struct store *st, const char *id, enum job_state from, enum job_state to,
			const struct reason *reason, int64_t now_us, struct err *reterr)
{
	struct event_of of = {.kind = "job_state", .job = id};
	int64_t seq = st->tx_seq + 1;
	enum job_kind kind;
	struct changed c;
	int r;

	assert(job_state_may(from, to));
	r = update_state(st, id, from, to, reason, seq, now_us, &c, reterr);
	if (r < 0)
		return r;
	if (!r)
		return not_in_state(st, id, from, to, reterr);
	if (job_kind_parse(c.kind, &kind) < 0)
		return err_set(reterr, ERR_CORRUPT, "job '%s' has the unknown kind '%s'", id,
			       c.kind);
	st->tx_seq = seq;
	st->count_delta.jobs[kind][from]--;
	st->count_delta.jobs[kind][to]++;
	st->count_delta.changes++;
	of.run = c.run;
	r = event_put(st, seq, &of,
		      json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "name", c.name, "job_kind",
				c.kind, "attempt", c.attempt, "from", job_state_str(from), "to",
				job_state_str(to), "reason", shape_reason(reason)),
		      now_us, reterr);
	return r < 0 ? r : run_follow(st, c.run, seq, now_us, reterr);
}

int store_job_set_finished(struct store *st, const char *id, int64_t at_us, struct err *reterr)
{
	int r = run_on_row(st, "job", id,
			   "UPDATE jobs SET finished_us = max(?1, started_us) "
			   "WHERE id = ?2 AND finished_us > 0",
			   DB_ARGS(DB_INT(at_us), DB_TEXT(id)), reterr);

	if (r >= 0)
		r = db_run(st->db,
			   "UPDATE runs SET finished_us = (SELECT max(finished_us) FROM jobs "
			   "WHERE run = runs.id) "
			   "WHERE id = (SELECT run FROM jobs WHERE id = ?) AND finished_us > 0",
			   DB_ARGS(DB_TEXT(id)), reterr);
	return r < 0 ? r : 0;
}

/* Write the event and raise the run's seq after update_returning() returned `r`. Takes over `field`
 * ({"held": true}). */
static int changed_field(struct store *st, const char *id, int r, const struct changed *c,
			 json_t *field, int64_t now_us, struct err *reterr)
{
	OWN(json_decrefp) json_t *body = field;
	struct event_of of = {.kind = "job_changed", .job = id, .run = c->run};
	int64_t seq = st->tx_seq + 1;

	if (r < 0)
		return r;
	if (!r)
		return no_row(reterr, "job", id);
	st->tx_seq = seq;
	st->count_delta.changes++;
	if (body)
		json_object_set_new(body, "name", json_string(c->name));
	r = event_put(st, seq, &of, TAKE(body), now_us, reterr);
	return r < 0 ? r : run_bump_seq(st, c->run, seq, reterr);
}

int store_job_set_held(struct store *st, const char *id, bool held, int64_t now_us,
		       struct err *reterr)
{
	struct changed c = {0};
	int r = update_returning(st,
				 "UPDATE jobs SET held = ?1, seq = ?2, reason_code = CASE "
				 "WHEN ?1 AND state = 'queued' THEN 'held' "
				 "WHEN reason_code = 'held' THEN '' ELSE reason_code END, "
				 "reason_message = CASE "
				 "WHEN ?1 AND state = 'queued' THEN 'held until it is released' "
				 "WHEN reason_code = 'held' THEN '' ELSE reason_message END "
				 "WHERE id = ?3" RETURNING,
				 DB_ARGS(DB_INT(held), DB_INT(st->tx_seq + 1), DB_TEXT(id)),
				 read_changed, &c, reterr);

	return changed_field(st, id, r, &c, json_pack("{s:b}", "held", held), now_us, reterr);
}

int store_job_set_priority(struct store *st, const char *id, int priority, int64_t now_us,
			   struct err *reterr)
{
	struct changed c = {0};
	int r = update_returning(st, "UPDATE jobs SET priority = ?, seq = ? WHERE id = ?" RETURNING,
				 DB_ARGS(DB_INT(priority), DB_INT(st->tx_seq + 1), DB_TEXT(id)),
				 read_changed, &c, reterr);

	return changed_field(st, id, r, &c, json_pack("{s:i}", "priority", priority), now_us,
			     reterr);
}

int store_job_set_reason(struct store *st, const char *id, const struct reason *reason,
			 int64_t now_us, struct err *reterr)
{
	struct changed c = {0};
	int r = update_returning(
		st,
		"UPDATE jobs SET reason_code = ?, reason_message = ?, seq = ? "
		"WHERE id = ? AND state = 'queued'" RETURNING,
		DB_ARGS(DB_TEXT(reason_code_str(reason ? reason->code : REASON_NONE)),
			DB_TEXT(reason ? reason->message : ""), DB_INT(st->tx_seq + 1),
			DB_TEXT(id)),
		read_changed, &c, reterr);

	if (r == 0)
		return err_set(reterr, ERR_CONFLICT, "job '%s' is not queued", id);
	return changed_field(st, id, r, &c, json_pack("{s:o}", "reason", shape_reason(reason)),
			     now_us, reterr);
}

static int forget_cancel(struct store *st, const char *id, struct err *reterr)
{
	int r = run_on_row(st, "job", id, "UPDATE jobs SET cancel_requested_us = 0 WHERE id = ?",
			   DB_ARGS(DB_TEXT(id)), reterr);

	return r < 0 ? r : 0;
}

int store_job_set_cancel_requested(struct store *st, const char *id, int64_t now_us,
				   struct err *reterr)
{
	struct changed c = {0};
	int r;

	if (!now_us)
		return forget_cancel(st, id, reterr);
	r = update_returning(
		st, "UPDATE jobs SET cancel_requested_us = ?, seq = ? WHERE id = ?" RETURNING,
		DB_ARGS(DB_INT(now_us), DB_INT(st->tx_seq + 1), DB_TEXT(id)), read_changed, &c,
		reterr);
	return changed_field(st, id, r, &c,
			     json_pack("{s:o}", "cancel_requested_at", shape_time(now_us)), now_us,
			     reterr);
}

int store_job_set_retry(struct store *st, const char *id, int auto_retries, int64_t not_before_us,
			struct err *reterr)
{
	int r = run_on_row(
		st, "job", id, "UPDATE jobs SET auto_retries = ?, not_before_us = ? WHERE id = ?",
		DB_ARGS(DB_INT(auto_retries), DB_INT(not_before_us), DB_TEXT(id)), reterr);

	return r < 0 ? r : 0;
}

int store_job_set_outputs(struct store *st, const char *id, const json_t *outputs,
			  struct err *reterr)
{
	int r = run_on_row(st, "job", id, "UPDATE jobs SET outputs = ? WHERE id = ?",
			   DB_ARGS(DB_JSON(outputs), DB_TEXT(id)), reterr);

	return r < 0 ? r : 0;
}
