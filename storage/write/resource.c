/* SPDX-License-Identifier: MIT */
/* Reads rows of SageMaker resources and their log streams; write/resource_move.c changes the rows.
 * The manager thread calls this through store_resource.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/store_resource.h"
#include "storage/write/internal.h"

#define RESOURCE_SELECT                                                                      \
	"SELECT id, kind, state, wanted, name, nonce, region, arn, job, attempt, endpoint, " \
	"request, answer, status, reason_code, reason_message, tries, next_us, sent_us, "    \
	"asked_us, log_size, created_us, present_us, ended_us FROM resources "

static void read_texts(struct db_stmt *q, struct resource_row *row)
{
	COL_COPY(row->id, q, 0);
	COL_COPY(row->name, q, 4);
	COL_COPY(row->nonce, q, 5);
	COL_COPY(row->region, q, 6);
	COL_COPY(row->arn, q, 7);
	COL_COPY(row->job, q, 8);
	COL_COPY(row->endpoint, q, 10);
	COL_COPY(row->status, q, 13);
}

static int sagemaker_read(struct db_stmt *q, void *into, struct err *reterr)
{
	struct resource_row *row = into;
	int r = COL_ENUM(q, 1, resource_kind_parse, &row->kind, reterr);

	read_texts(q, row);
	row->wanted = db_col_int(q, 3);
	row->attempt = (int)db_col_int(q, 9);
	row->tries = (int)db_col_int(q, 16);
	row->next_us = db_col_int(q, 17);
	row->sent_us = db_col_int(q, 18);
	row->asked_us = db_col_int(q, 19);
	row->log_size = db_col_int(q, 20);
	row->created_us = db_col_int(q, 21);
	row->present_us = db_col_int(q, 22);
	row->ended_us = db_col_int(q, 23);
	if (r >= 0)
		r = COL_ENUM(q, 2, resource_state_parse, &row->state, reterr);
	if (r >= 0)
		r = col_reason(q, 14, &row->reason, reterr);
	if (r >= 0)
		r = db_col_json(q, 11, &row->request, reterr);
	if (r >= 0)
		r = db_col_json(q, 12, &row->answer, reterr);
	return r;
}

void resource_row_done(struct resource_row *row)
{
	json_decref(TAKE(row->request));
	json_decref(TAKE(row->answer));
}

void resource_rows_done(struct resource_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		resource_row_done(&rows->rows[i]);
	free(TAKE(rows->rows));
	rows->n = 0;
}

int store_resource_get(struct store *st, const char *id, struct resource_row *ret,
		       struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	OWN(resource_row_done) struct resource_row row = {0};
	int r = db_first(st->db, RESOURCE_SELECT "WHERE id = ?", DB_ARGS(DB_TEXT(id)), &q, reterr);

	if (r == 0)
		return no_row(reterr, "resource", id);
	if (r > 0)
		r = sagemaker_read(q, &row, reterr);
	if (r >= 0)
		r = db_check_whole(q, reterr);
	if (r < 0)
		return r;
	*ret = row;
	row = (struct resource_row){0};
	return 0;
}

/* Read all rows of `q` and release `q`. *ret is set only on success. */
static int sagemaker_rows_read(struct db_stmt *q, struct resource_rows *ret, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = rows_read(q, (void **)&rows.rows, &rows.n, sizeof(*rows.rows), sagemaker_read,
			  reterr);

	if (r < 0)
		return r;
	*ret = rows;
	rows = (struct resource_rows){0};
	return 0;
}

int store_resource_live(struct store *st, struct resource_rows *ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 RESOURCE_SELECT "INDEXED BY resources_due "
					 "WHERE state NOT IN ('ended', 'refused') ORDER BY n",
			 NULL, 0, &q, reterr);

	return r < 0 ? r : sagemaker_rows_read(q, ret, reterr);
}

int store_resource_of_job(struct store *st, const char *job, int attempt, struct resource_rows *ret,
			  struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db, RESOURCE_SELECT "WHERE job = ? AND attempt = ? ORDER BY n",
			 DB_ARGS(DB_TEXT(job), DB_INT(attempt)), &q, reterr);

	return r < 0 ? r : sagemaker_rows_read(q, ret, reterr);
}

int store_resource_of_endpoint(struct store *st, const char *endpoint, struct resource_rows *ret,
			       struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db, RESOURCE_SELECT "WHERE endpoint = ? ORDER BY n",
			 DB_ARGS(DB_TEXT(endpoint)), &q, reterr);

	return r < 0 ? r : sagemaker_rows_read(q, ret, reterr);
}

/* ---- log streams ---- */

static int stream_read(struct db_stmt *q, void *into, struct err *reterr)
{
	struct log_stream *s = into;

	(void)reterr;
	COL_COPY(s->stream, q, 0);
	COL_COPY(s->token, q, 1);
	s->events = db_col_int(q, 2);
	return 0;
}

void log_streams_done(struct log_streams *s)
{
	free(TAKE(s->items));
	s->n = 0;
}

int store_log_streams(struct store *st, const char *resource, struct log_streams *ret,
		      struct err *reterr)
{
	OWN(log_streams_done) struct log_streams streams = {0};
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 "SELECT stream, token, events FROM resource_logs WHERE resource = ? "
			 "ORDER BY stream",
			 DB_ARGS(DB_TEXT(resource)), &q, reterr);

	if (r >= 0)
		r = rows_read(q, (void **)&streams.items, &streams.n, sizeof(*streams.items),
			      stream_read, reterr);
	if (r < 0)
		return r;
	*ret = streams;
	streams = (struct log_streams){0};
	return 0;
}

int store_log_stream_set(struct store *st, const char *resource, const struct log_stream *s,
			 int64_t log_size, struct err *reterr)
{
	int r = run_on_row(st, "resource", resource,
			   "UPDATE resources SET log_size = ? WHERE id = ?",
			   DB_ARGS(DB_INT(log_size), DB_TEXT(resource)), reterr);

	if (r >= 0)
		r = db_run(st->db,
			   "INSERT INTO resource_logs (resource, stream, token, events) "
			   "VALUES (?, ?, ?, ?) ON CONFLICT (resource, stream) "
			   "DO UPDATE SET token = excluded.token, events = excluded.events",
			   DB_ARGS(DB_TEXT(resource), DB_TEXT(s->stream), DB_TEXT(s->token),
				   DB_INT(s->events)),
			   reterr);
	return r < 0 ? r : 0;
}
