/* SPDX-License-Identifier: MIT */
/* Answers about endpoints: lists, and one endpoint by name. API threads call this through
 * store_read.h. */
#include "base/clock.h"
#include "base/json_put.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/spec.h"
#include "storage/read/internal.h"
#include "storage/shape.h"

#define ENDPOINT_COLUMNS                                                                    \
	"e.id, e.name, e.state, e.created_us, e.in_service_us, "                            \
	"CASE WHEN e.state = 'deleted' THEN e.ended_us ELSE 0 END, e.target, e.wanted, "    \
	"e.reason_code, e.reason_message, e.model, e.run, e.job, e.lease_ttl_us, "          \
	"e.lease_idle_us, e.lease_until_us, "                                               \
	"CASE WHEN e.last_request_us > e.in_service_us THEN e.last_request_us ELSE 0 END, " \
	"e.restarts, e.result, e.seq "
#define ENDPOINT_COLUMNS_N 20

static json_t *col_duration(struct db_stmt *q, int col)
{
	int64_t us = db_col_int(q, col);
	char text[32];

	return us ? json_string(duration_format(text, us)) : json_null();
}

static json_t *lease_json(struct db_stmt *q)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "ttl", col_duration(q, 13), "idle",
			 col_duration(q, 14), "expires_at", col_time(q, 15), "last_request_at",
			 col_time(q, 16));
}

static int add_long(json_t *endpoint, struct db_stmt *q, struct err *reterr)
{
	char model[SPEC_PATH_MAX + 1];
	int r = db_col_path(q, 10, model, sizeof(model), reterr);
	OWN(json_decrefp)
	json_t *more = r < 0 ? NULL
			     : json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:I}", "target",
					 db_col_text(q, 6), "desired_state",
					 db_col_int(q, 7) ? "in_service" : "deleted", "reason",
					 col_reason_json(q, 8), "model", shape_text(model), "run",
					 col_id_or_null(q, 11), "job", col_id_or_null(q, 12),
					 "lease", lease_json(q), "restarts", (int)db_col_int(q, 17),
					 "seq", (json_int_t)db_col_int(q, 19));

	if (r < 0)
		return r;
	if (!more || json_object_update(endpoint, more) < 0)
		return out_of_memory(reterr);
	return set_col_json(endpoint, "result", q, 18, reterr);
}

static int endpoint_json(struct db_stmt *q, bool is_short, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *endpoint = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "id", db_col_text(q, 0),
				     "name", db_col_text(q, 1), "state", db_col_text(q, 2),
				     "created_at", col_time(q, 3), "in_service_at", col_time(q, 4),
				     "deleted_at", col_time(q, 5));
	int r = endpoint ? 0 : out_of_memory(reterr);

	if (r >= 0 && !is_short)
		r = add_long(endpoint, q, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(endpoint);
	return 0;
}

static int endpoint_item(struct db_stmt *q, const struct list_filter *f, struct buf *out,
			 struct err *reterr)
{
	OWN(json_decrefp) json_t *endpoint = NULL;
	int r = endpoint_json(q, f->with_short, &endpoint, reterr);

	if (r >= 0)
		json_put(out, endpoint, JSON_KEYS_IN_ORDER);
	return r;
}

static const char *state_name(int i)
{
	return endpoint_state_str((enum endpoint_state)i);
}

int store_read_endpoints(struct store_reader *sr, const struct list_filter *f, struct buf *out,
			 struct err *reterr)
{
	OWN(page_done) struct page p;
	int r = page_init(&p, sr, f, "e", false, reterr);

	if (r < 0)
		return r;
	page_sql(&p, "SELECT " ENDPOINT_COLUMNS ", e.created_us, e.n FROM endpoints e ");
	page_where_common(&p, true, true);
	page_where_bits(&p, "state", f->states, ENDPOINT_STATES_, state_name);
	return page_read(&p, sr, endpoint_item, ENDPOINT_COLUMNS_N, out, reterr);
}

int store_read_endpoint(struct store_reader *sr, const char *name, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *endpoint = NULL;
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db,
			 "SELECT " ENDPOINT_COLUMNS "FROM endpoints e WHERE e.name = ? "
			 "ORDER BY e.state NOT IN ('deleted', 'failed') DESC, e.n DESC LIMIT 1",
			 DB_ARGS(DB_TEXT(name)), &q, reterr);

	if (r == 0)
		return err_set(reterr, ERR_NOT_FOUND,
			       "there is no endpoint '%.64s'; GET /v1/endpoints lists them", name);
	if (r > 0)
		r = endpoint_json(q, false, &endpoint, reterr);
	if (r >= 0)
		r = add_sagemaker(endpoint, sr, NULL, db_col_text(q, 0), reterr);
	if (r < 0)
		return r;
	*ret = TAKE(endpoint);
	return 0;
}

int store_read_endpoint_previous(struct store_reader *sr, const char *name, json_t **ret,
				 struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	json_t *spec = NULL;
	int r = db_first(sr->db,
			 "SELECT previous, state FROM endpoints "
			 "WHERE name = ? AND state NOT IN ('deleted', 'failed')",
			 DB_ARGS(DB_TEXT(name)), &q, reterr);

	if (r == 0)
		return err_set(reterr, ERR_NOT_FOUND,
			       "there is no live endpoint '%.64s'; GET /v1/endpoints lists them",
			       name);
	if (r > 0)
		r = db_col_json(q, 0, &spec, reterr);
	if (r < 0)
		return r;
	if (!str_eq(db_col_text(q, 1), endpoint_state_str(ENDPOINT_IN_SERVICE))) {
		json_decref(spec);
		return err_set(reterr, ERR_CONFLICT, "endpoint '%.64s' is %s, not in service", name,
			       db_col_text(q, 1));
	}
	if (!spec)
		return err_set(reterr, ERR_CONFLICT,
			       "endpoint '%.64s' has not been updated, so a roll-back has no "
			       "earlier model",
			       name);
	*ret = spec;
	return 0;
}
