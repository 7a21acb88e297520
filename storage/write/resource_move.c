/* SPDX-License-Identifier: MIT */
/* The only file that changes the state of a SageMaker resource; also changes the other fields. The
 * manager thread calls this through store_resource.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/shape.h"
#include "storage/store_resource.h"
#include "storage/write/internal.h"

#include <assert.h>

/* Write the event of a changed `row`, and raise the seq of its job and its endpoint. */
static int tell(struct store *st, const struct resource_row *row, int64_t now_us,
		struct err *reterr)
{
	struct event_of of = {.kind = "cloud"};
	struct owner owner;
	int64_t seq = ++st->tx_seq;
	int r = owner_touch(st, row->job, row->endpoint, seq, &of, &owner, reterr);

	if (r < 0)
		return r;
	st->count_delta.changes++;
	return event_put(st, seq, &of,
			 json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:o}", "cloud", row->id,
				   "resource", resource_kind_str(row->kind), "name", row->name,
				   "state", resource_state_str(row->state), "status",
				   shape_text(row->status), "wanted", (int)row->wanted, "reason",
				   shape_reason(&row->reason)),
			 now_us, reterr);
}

int store_resource_insert(struct store *st, const struct resource_row *row, struct err *reterr)
{
	int r = db_run(
		st->db,
		"INSERT INTO resources (id, kind, state, wanted, name, nonce, region, arn, job, "
		"attempt, endpoint, request, answer, status, reason_code, reason_message, tries, "
		"next_us, sent_us, asked_us, log_size, created_us, present_us, ended_us) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		DB_ARGS(DB_TEXT(row->id), DB_TEXT(resource_kind_str(row->kind)),
			DB_TEXT(resource_state_str(row->state)), DB_INT(row->wanted),
			DB_TEXT(row->name), DB_TEXT(row->nonce), DB_TEXT(row->region),
			DB_TEXT(row->arn), db_id(row->job), DB_INT(row->attempt),
			db_id(row->endpoint), DB_JSON(row->request), DB_JSON(row->answer),
			DB_TEXT(row->status), DB_TEXT(reason_code_str(row->reason.code)),
			DB_TEXT(row->reason.message), DB_INT(row->tries), DB_INT(row->next_us),
			DB_INT(row->sent_us), DB_INT(row->asked_us), DB_INT(row->log_size),
			DB_INT(row->created_us), DB_INT(row->present_us), DB_INT(row->ended_us)),
		reterr);

	if (r == -ERR_EXISTS)
		return err_set(reterr, ERR_EXISTS,
			       "a live resource on SageMaker already has the name '%s'", row->name);
	return r < 0 ? r : tell(st, row, row->created_us, reterr);
}

static int not_in_state(struct store *st, const char *id, enum resource_state from,
			enum resource_state to, struct err *reterr)
{
	OWN(resource_row_done) struct resource_row row = {0};
	int r = store_resource_get(st, id, &row, reterr);

	if (r < 0)
		return r;
	return err_set(reterr, ERR_CONFLICT, "%s '%s' cannot become %s: it is %s, not %s",
		       resource_kind_str(row.kind), row.name, resource_state_str(to),
		       resource_state_str(row.state), resource_state_str(from));
}

int store_resource_set_state(struct store *st, const char *id, enum resource_state from,
			     enum resource_state to, const struct reason *reason, int64_t now_us,
			     struct err *reterr)
{
	OWN(resource_row_done) struct resource_row row = {0};
	int r;

	assert(resource_state_may(from, to));
	r = db_run(st->db,
		   "UPDATE resources SET state = ?1, reason_code = ?2, reason_message = ?3, "
		   "present_us = CASE WHEN ?4 AND present_us = 0 THEN ?6 ELSE present_us END, "
		   "ended_us = CASE WHEN ?5 AND ended_us = 0 THEN max(?6, present_us) ELSE "
		   "ended_us END "
		   "WHERE id = ?7 AND state = ?8",
		   DB_ARGS(DB_TEXT(resource_state_str(to)),
			   DB_TEXT(reason_code_str(reason ? reason->code : REASON_NONE)),
			   DB_TEXT(reason ? reason->message : ""), DB_INT(to == RESOURCE_PRESENT),
			   DB_INT(resource_state_is_final(to)), DB_INT(now_us), DB_TEXT(id),
			   DB_TEXT(resource_state_str(from))),
		   reterr);
	if (r == 0)
		return not_in_state(st, id, from, to, reterr);
	if (r > 0)
		r = store_resource_get(st, id, &row, reterr);
	return r < 0 ? r : tell(st, &row, now_us, reterr);
}

/* True if an answer of the API changes because of this update. */
static bool shows_other(const struct resource_row *was, const struct resource_row *is)
{
	if (was->answer && is->answer ? !json_equal(was->answer, is->answer)
				      : was->answer != is->answer)
		return true;
	return !str_eq(was->status, is->status) || !str_eq(was->arn, is->arn) ||
	       was->wanted != is->wanted || was->reason.code != is->reason.code ||
	       !str_eq(was->reason.message, is->reason.message);
}

int store_resource_update(struct store *st, const struct resource_row *row, int64_t now_us,
			  struct err *reterr)
{
	OWN(resource_row_done) struct resource_row was = {0};
	OWN(resource_row_done) struct resource_row is = {0};
	int r = store_resource_get(st, row->id, &was, reterr);

	if (r < 0)
		return r;
	r = db_run(st->db,
		   "UPDATE resources SET wanted = ?, region = ?, arn = ?, request = ?, answer = ?, "
		   "status = ?, reason_code = ?, reason_message = ?, tries = ?, next_us = ?, "
		   "sent_us = ?, asked_us = ?, log_size = max(log_size, ?), "
		   "present_us = max(present_us, ?), ended_us = max(ended_us, ?) WHERE id = ?",
		   DB_ARGS(DB_INT(row->wanted), DB_TEXT(row->region), DB_TEXT(row->arn),
			   DB_JSON(row->request), DB_JSON(row->answer), DB_TEXT(row->status),
			   DB_TEXT(reason_code_str(row->reason.code)), DB_TEXT(row->reason.message),
			   DB_INT(row->tries), DB_INT(row->next_us), DB_INT(row->sent_us),
			   DB_INT(row->asked_us), DB_INT(row->log_size), DB_INT(row->present_us),
			   DB_INT(row->ended_us), DB_TEXT(row->id)),
		   reterr);
	if (r < 0 || !shows_other(&was, row))
		return r < 0 ? r : 0;
	r = store_resource_get(st, row->id, &is, reterr);
	return r < 0 ? r : tell(st, &is, now_us, reterr);
}
