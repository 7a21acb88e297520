/* SPDX-License-Identifier: MIT */
/* The only file that changes the state of an endpoint; also changes the other fields. The manager
 * thread calls this through store.h. */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/shape.h"
#include "storage/write/internal.h"

#include <assert.h>

static int name_taken(int r, const char *name, struct err *reterr)
{
	if (r != -ERR_EXISTS)
		return r;
	return err_set(reterr, ERR_EXISTS,
		       "an endpoint named '%s' is live; delete it or use another name", name);
}

static int insert(struct store *st, const struct endpoint_row *row, int64_t seq, struct err *reterr)
{
	return db_run(
		st->db,
		"INSERT INTO endpoints (id, name, target, state, wanted, reason_code, "
		"reason_message, run, job, model, spec, result, lease_ttl_us, lease_idle_us, "
		"lease_until_us, last_request_us, restarts, not_before_us, created_us, "
		"in_service_us, ended_us, seq) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		DB_ARGS(DB_TEXT(row->id), DB_TEXT(row->name), DB_TEXT(job_target_str(row->target)),
			DB_TEXT(endpoint_state_str(row->state)), DB_INT(row->wanted),
			DB_TEXT(reason_code_str(row->reason.code)), DB_TEXT(row->reason.message),
			db_id(row->run), db_id(row->job), DB_PATH(row->model), DB_JSON(row->spec),
			DB_JSON(row->result), DB_INT(row->lease_ttl_us), DB_INT(row->lease_idle_us),
			DB_INT(row->lease_until_us), DB_INT(row->last_request_us),
			DB_INT(row->restarts), DB_INT(row->not_before_us), DB_INT(row->created_us),
			DB_INT(row->in_service_us), DB_INT(row->ended_us), DB_INT(seq)),
		reterr);
}

int store_endpoint_insert(struct store *st, const struct endpoint_row *row, struct err *reterr)
{
	struct event_of of = {
		.kind = "endpoint_state",
		.run = row->run,
		.job = row->job,
		.endpoint = row->id,
	};
	int64_t seq = st->tx_seq + 1;
	int r = insert(st, row, seq, reterr);

	if (r < 0)
		return name_taken(r, row->name, reterr);
	st->tx_seq = seq;
	st->count_delta.endpoints[row->state]++;
	st->count_delta.changes++;
	return event_put(st, seq, &of,
			 json_pack("{s:s, s:n, s:s, s:o}", "name", row->name, "from", "to",
				   endpoint_state_str(row->state), "reason",
				   shape_reason(&row->reason)),
			 row->created_us, reterr);
}

/* The endpoint that an event is about. */
struct about {
	char name[SPEC_NAME_MAX + 1], run[ID_LEN], job[ID_LEN];
};

#define RETURNING " RETURNING name, run, job"

static void read_about(struct db_stmt *q, void *ret)
{
	struct about *a = ret;

	COL_COPY(a->name, q, 0);
	COL_COPY(a->run, q, 1);
	COL_COPY(a->job, q, 2);
}

/* Write the event of a change with the number `seq`. Takes over `body`. */
static int tell(struct store *st, const char *kind, const char *id, const struct about *about,
		int64_t seq, json_t *body, int64_t now_us, struct err *reterr)
{
	struct event_of of = {
		.kind = kind,
		.run = about->run,
		.job = about->job,
		.endpoint = id,
	};

	st->tx_seq = seq;
	st->count_delta.changes++;
	if (body)
		json_object_set_new(body, "name", json_string(about->name));
	return event_put(st, seq, &of, body, now_us, reterr);
}

static int not_in_state(struct store *st, const char *id, enum endpoint_state from,
			enum endpoint_state to, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row row = {0};
	int r = store_endpoint_get(st, id, &row, reterr);

	if (r < 0)
		return r;
	return err_set(reterr, ERR_CONFLICT, "endpoint '%s' cannot become %s: it is %s, not %s",
		       row.name, endpoint_state_str(to), endpoint_state_str(row.state),
		       endpoint_state_str(from));
}

/* Coming into service also starts the idle clock. */
static int update_state(struct store *st, const char *id, enum endpoint_state from,
			enum endpoint_state to, const struct reason *reason, int64_t seq,
			int64_t now_us, struct about *ret, struct err *reterr)
{
	bool ends = to == ENDPOINT_DELETED || to == ENDPOINT_FAILED;

	return update_returning(
		st,
		"UPDATE endpoints SET state = ?1, reason_code = ?2, reason_message = ?3, "
		"seq = ?4, in_service_us = CASE WHEN ?6 THEN ?5 ELSE in_service_us END, "
		"last_request_us = CASE WHEN ?6 THEN max(last_request_us, ?5) "
		"ELSE last_request_us END, "
		"ended_us = CASE WHEN ?7 THEN max(?5, in_service_us) ELSE 0 END "
		"WHERE id = ?8 AND state = ?9" RETURNING,
		DB_ARGS(DB_TEXT(endpoint_state_str(to)),
			DB_TEXT(reason_code_str(reason ? reason->code : REASON_NONE)),
			DB_TEXT(reason ? reason->message : ""), DB_INT(seq), DB_INT(now_us),
			DB_INT(to == ENDPOINT_IN_SERVICE), DB_INT(ends), DB_TEXT(id),
			DB_TEXT(endpoint_state_str(from))),
		read_about, ret, reterr);
}

int store_endpoint_set_state(struct store *st, const char *id, enum endpoint_state from,
			     enum endpoint_state to, const struct reason *reason, int64_t now_us,
			     struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row row = {0};
	int64_t seq = st->tx_seq + 1;
	struct about about;
	int r;

	assert(endpoint_state_may(from, to));
	r = update_state(st, id, from, to, reason, seq, now_us, &about, reterr);
	if (r == -ERR_EXISTS && store_endpoint_get(st, id, &row, NULL) >= 0)
		return name_taken(r, row.name, reterr);
	if (r < 0)
		return r;
	if (!r)
		return not_in_state(st, id, from, to, reterr);
	st->count_delta.endpoints[from]--;
	st->count_delta.endpoints[to]++;
	return tell(st, "endpoint_state", id, &about, seq,
		    json_pack("{s:s, s:s, s:o}", "from", endpoint_state_str(from), "to",
			      endpoint_state_str(to), "reason", shape_reason(reason)),
		    now_us, reterr);
}

int store_endpoint_set_wanted(struct store *st, const char *id, bool wanted, struct err *reterr)
{
	int r = run_on_row(st, "endpoint", id, "UPDATE endpoints SET wanted = ? WHERE id = ?",
			   DB_ARGS(DB_INT(wanted), DB_TEXT(id)), reterr);

	st->count_delta.changes++;
	return r < 0 ? r : 0;
}

int store_endpoint_set_restart(struct store *st, const char *id, int restarts,
			       int64_t not_before_us, const struct reason *reason, int64_t now_us,
			       struct err *reterr)
{
	int64_t seq = st->tx_seq + 1;
	struct about about;
	int r = update_returning(
		st,
		"UPDATE endpoints SET restarts = ?, not_before_us = ?, reason_code = ?, "
		"reason_message = ?, seq = ? WHERE id = ?" RETURNING,
		DB_ARGS(DB_INT(restarts), DB_INT(not_before_us),
			DB_TEXT(reason_code_str(reason ? reason->code : REASON_NONE)),
			DB_TEXT(reason ? reason->message : ""), DB_INT(seq), DB_TEXT(id)),
		read_about, &about, reterr);

	if (r < 0)
		return r;
	if (!r)
		return no_row(reterr, "endpoint", id);
	return tell(st, "endpoint_changed", id, &about, seq,
		    json_pack("{s:i, s:o, s:o}", "restarts", restarts, "not_before",
			      shape_time(not_before_us), "reason", shape_reason(reason)),
		    now_us, reterr);
}

static json_t *lease_json(int64_t ttl_us, int64_t until_us)
{
	char ttl[32];

	return json_pack("{s:s, s:o}", "ttl", duration_format(ttl, ttl_us), "expires_at",
			 shape_time(until_us));
}

int store_endpoint_set_lease(struct store *st, const char *id, int64_t ttl_us, int64_t until_us,
			     int64_t last_request_us, bool published, int64_t now_us,
			     struct err *reterr)
{
	int64_t seq = st->tx_seq + 1;
	struct about about;
	int r = update_returning(st,
				 "UPDATE endpoints SET lease_ttl_us = ?1, lease_until_us = ?2, "
				 "last_request_us = ?3, seq = CASE WHEN ?5 THEN ?4 ELSE seq END "
				 "WHERE id = ?6" RETURNING,
				 DB_ARGS(DB_INT(ttl_us), DB_INT(until_us), DB_INT(last_request_us),
					 DB_INT(seq), DB_INT(published), DB_TEXT(id)),
				 read_about, &about, reterr);

	if (r < 0)
		return r;
	if (!r)
		return no_row(reterr, "endpoint", id);
	if (!published)
		return 0;
	return tell(st, "endpoint_lease", id, &about, seq, lease_json(ttl_us, until_us), now_us,
		    reterr);
}

int store_endpoint_set_result(struct store *st, const char *id, const json_t *result,
			      struct err *reterr)
{
	int r = run_on_row(st, "endpoint", id, "UPDATE endpoints SET result = ? WHERE id = ?",
			   DB_ARGS(DB_JSON(result), DB_TEXT(id)), reterr);

	return r < 0 ? r : 0;
}

int store_endpoint_set_deploy(struct store *st, const char *id, const char *job, const char *model,
			      const json_t *spec, int64_t idle_us, struct err *reterr)
{
	int r = run_on_row(
		st, "endpoint", id,
		"UPDATE endpoints SET previous = spec, job = ?1, model = ?2, spec = ?3, "
		"lease_idle_us = ?5, "
		"run = (SELECT run FROM jobs WHERE id = ?1) WHERE id = ?4",
		DB_ARGS(DB_TEXT(job), DB_PATH(model), DB_JSON(spec), DB_TEXT(id), DB_INT(idle_us)),
		reterr);

	return r < 0 ? r : 0;
}

int store_endpoint_set_renewed(struct store *st, const char *id, bool renewed, struct err *reterr)
{
	int r = run_on_row(st, "endpoint", id,
			   "UPDATE endpoints SET lease_renewed = ? WHERE id = ?",
			   DB_ARGS(DB_INT(renewed), DB_TEXT(id)), reterr);

	return r < 0 ? r : 0;
}
