/* SPDX-License-Identifier: MIT */
/* Reads rows of endpoints; write/endpoint_move.c changes them. The manager thread calls this
 * through store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"

#define ENDPOINT_SELECT                                                                          \
	"SELECT id, name, target, state, wanted, reason_code, reason_message, run, job, model, " \
	"spec, result, lease_ttl_us, lease_idle_us, lease_until_us, last_request_us, restarts, " \
	"not_before_us, created_us, in_service_us, ended_us, lease_renewed FROM endpoints "

static int endpoint_read(struct db_stmt *q, void *into, struct err *reterr)
{
	struct endpoint_row *row = into;
	int r = COL_ENUM(q, 2, job_target_parse, &row->target, reterr);

	COL_COPY(row->id, q, 0);
	COL_COPY(row->name, q, 1);
	row->wanted = db_col_int(q, 4);
	COL_COPY(row->run, q, 7);
	COL_COPY(row->job, q, 8);
	row->lease_ttl_us = db_col_int(q, 12);
	row->lease_idle_us = db_col_int(q, 13);
	row->lease_until_us = db_col_int(q, 14);
	row->last_request_us = db_col_int(q, 15);
	row->restarts = (int)db_col_int(q, 16);
	row->not_before_us = db_col_int(q, 17);
	row->created_us = db_col_int(q, 18);
	row->in_service_us = db_col_int(q, 19);
	row->ended_us = db_col_int(q, 20);
	row->lease_renewed = db_col_int(q, 21);
	if (r >= 0)
		r = COL_ENUM(q, 3, endpoint_state_parse, &row->state, reterr);
	if (r >= 0)
		r = col_reason(q, 5, &row->reason, reterr);
	if (r >= 0)
		r = db_col_path(q, 9, row->model, sizeof(row->model), reterr);
	if (r >= 0)
		r = db_col_json(q, 10, &row->spec, reterr);
	if (r >= 0)
		r = db_col_json(q, 11, &row->result, reterr);
	return r;
}

void endpoint_row_done(struct endpoint_row *row)
{
	json_decref(TAKE(row->spec));
	json_decref(TAKE(row->result));
}

void endpoint_rows_done(struct endpoint_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		endpoint_row_done(&rows->rows[i]);
	free(TAKE(rows->rows));
	rows->n = 0;
}

/* Read the first row of `q` and release `q`. */
static int endpoint_one(struct db_stmt *q, const char *what, const char *id,
			struct endpoint_row *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	OWN(endpoint_row_done) struct endpoint_row row = {0};
	int r = db_step(owned, reterr);

	if (r == 0)
		return no_row(reterr, what, id);
	if (r > 0)
		r = endpoint_read(owned, &row, reterr);
	if (r < 0)
		return r;
	*ret = row;
	row = (struct endpoint_row){0};
	return 0;
}

int store_endpoint_get(struct store *st, const char *id, struct endpoint_row *ret,
		       struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db, ENDPOINT_SELECT "WHERE id = ?", DB_ARGS(DB_TEXT(id)), &q, reterr);

	return r < 0 ? r : endpoint_one(q, "endpoint", id, ret, reterr);
}

int store_endpoint_find(struct store *st, const char *name, struct endpoint_row *ret,
			struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 ENDPOINT_SELECT "WHERE name = ? AND state NOT IN ('deleted', 'failed')",
			 DB_ARGS(DB_TEXT(name)), &q, reterr);

	return r < 0 ? r : endpoint_one(q, "live endpoint", name, ret, reterr);
}

int store_endpoints_live(struct store *st, struct endpoint_rows *ret, struct err *reterr)
{
	OWN(endpoint_rows_done) struct endpoint_rows rows = {0};
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 ENDPOINT_SELECT "INDEXED BY endpoints_live "
					 "WHERE state NOT IN ('deleted', 'failed') ORDER BY n",
			 NULL, 0, &q, reterr);

	if (r >= 0)
		r = rows_read(q, (void **)&rows.rows, &rows.n, sizeof(*rows.rows), endpoint_read,
			      reterr);
	if (r < 0)
		return r;
	*ret = rows;
	rows = (struct endpoint_rows){0};
	return 0;
}

int store_endpoint_needed(struct store *st, const char *id, bool *ret, struct err *reterr)
{
	int64_t found = 0;
	int r = db_get_int(st->db,
			   "SELECT count(*) FROM endpoints e "
			   "JOIN jobs d ON d.id = e.job "
			   "JOIN jobs j ON j.id != d.id AND (j.run = d.run "
			   "OR j.id IN (SELECT job FROM pins WHERE other = d.id)) "
			   "JOIN job_specs s ON s.n = j.n "
			   "WHERE e.id = ? "
			   "AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped') "
			   "AND (json_extract(s.spec, '$.endpoint') = e.name "
			   "OR instr(s.spec, '${' || d.name || '.endpoint}') "
			   "OR instr(s.spec, '${' || d.run || '/' || d.name || '.endpoint}'))",
			   DB_ARGS(DB_TEXT(id)), 0, &found, reterr);

	if (r >= 0)
		*ret = found > 0;
	return r;
}
