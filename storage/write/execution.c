/* SPDX-License-Identifier: MIT */
/* Rows of executions: the supervised processes, their GPUs and slots. The manager thread calls this
 * through store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/folder.h"
#include "storage/write/internal.h"

#define EXECUTION_SELECT                                                            \
	"SELECT id, job, attempt, endpoint, dir, state, boot_id, cpus, devices, "   \
	"gpu_memory_bytes, pid, events_offset, started_us, ended_us, deadline_us, " \
	"retired, proof FROM executions "

static json_t *devices_json(const struct execution_row *row)
{
	OWN(json_decrefp) json_t *list = json_array();

	for (int i = 0; i < row->devices_n; i++)
		if (json_array_append_new(list, json_pack("{s:i, s:s}", "index", row->devices[i],
							  "uuid", row->device_uuids[i])) < 0)
			return NULL;
	return TAKE(list);
}

static void devices_read(const json_t *list, struct execution_row *row)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		if (i >= SPEC_DEVICES_MAX)
			break;
		row->devices[i] = (int)json_get_int(item, "index", 0);
		str_must_copy(row->device_uuids[i], sizeof(row->device_uuids[i]),
			      json_get_str(item, "uuid", ""));
		row->devices_n = (int)i + 1;
	}
}

static int execution_read(struct db_stmt *q, void *into, struct err *reterr)
{
	OWN(json_decrefp) json_t *devices = NULL;
	struct execution_row *row = into;
	int r = COL_ENUM(q, 5, execution_state_parse, &row->state, reterr);

	if (r >= 0)
		r = db_col_path(q, 4, row->dir, sizeof(row->dir), reterr);
	if (r >= 0)
		r = db_col_json(q, 8, &devices, reterr);
	COL_COPY(row->id, q, 0);
	COL_COPY(row->job, q, 1);
	row->attempt = (int)db_col_int(q, 2);
	COL_COPY(row->endpoint, q, 3);
	COL_COPY(row->boot_id, q, 6);
	row->cpus = (int)db_col_int(q, 7);
	devices_read(devices, row);
	row->gpu_memory_bytes = db_col_int(q, 9);
	row->pid = db_col_int(q, 10);
	row->events_offset = db_col_int(q, 11);
	row->started_us = db_col_int(q, 12);
	row->ended_us = db_col_int(q, 13);
	row->deadline_us = db_col_int(q, 14);
	row->retired = db_col_int(q, 15);
	COL_COPY(row->proof, q, 16);
	return r;
}

void execution_rows_done(struct execution_rows *rows)
{
	free(TAKE(rows->rows));
	rows->n = 0;
}

int store_folder_check(struct store *st, const char *path, struct err *reterr)
{
	return folder_check(st->db, path, reterr);
}

int store_execution_insert(struct store *st, const struct execution_row *row, struct err *reterr)
{
	OWN(json_decrefp) json_t *devices = devices_json(row);
	int r;

	if (!devices)
		return err_errno(reterr, ENOMEM, "insert an execution");
	r = db_run(st->db,
		   "INSERT INTO executions (id, job, attempt, endpoint, dir, state, boot_id, cpus, "
		   "devices, gpu_memory_bytes, pid, events_offset, started_us, ended_us, "
		   "deadline_us, proof) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   DB_ARGS(DB_TEXT(row->id), db_id(row->job), DB_INT(row->attempt),
			   db_id(row->endpoint), DB_PATH(row->dir),
			   DB_TEXT(execution_state_str(row->state)), DB_TEXT(row->boot_id),
			   DB_INT(row->cpus), DB_JSON(devices), DB_INT(row->gpu_memory_bytes),
			   DB_INT(row->pid), DB_INT(row->events_offset), DB_INT(row->started_us),
			   DB_INT(row->ended_us), DB_INT(row->deadline_us), DB_TEXT(row->proof)),
		   reterr);
	return r < 0 ? r : 0;
}

int store_executions_live(struct store *st, struct execution_rows *ret, struct err *reterr)
{
	OWN(execution_rows_done) struct execution_rows rows = {0};
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 EXECUTION_SELECT
			 "INDEXED BY executions_live WHERE state != 'ended' ORDER BY n",
			 NULL, 0, &q, reterr);

	if (r >= 0)
		r = rows_read(q, (void **)&rows.rows, &rows.n, sizeof(*rows.rows), execution_read,
			      reterr);
	if (r < 0)
		return r;
	*ret = rows;
	rows = (struct execution_rows){0};
	return 0;
}

/* Read the only row that `sql` selects. */
static int execution_one(struct store *st, const char *sql, const char *id, int attempt,
			 struct execution_row *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	struct execution_row row = {0};
	int r = attempt ? db_query(st->db, sql, DB_ARGS(DB_TEXT(id), DB_INT(attempt)), &q, reterr)
			: db_query(st->db, sql, DB_ARGS(DB_TEXT(id)), &q, reterr);

	if (r >= 0)
		r = db_step(q, reterr);
	if (r == 0)
		return no_row(reterr, "execution", id);
	if (r > 0)
		r = execution_read(q, &row, reterr);
	if (r >= 0)
		r = db_check_whole(q, reterr);
	if (r >= 0)
		*ret = row;
	return r;
}

int store_execution_last(struct store *st, const char *job, struct execution_row *ret,
			 struct err *reterr)
{
	return execution_one(st, EXECUTION_SELECT "WHERE job = ? ORDER BY n DESC LIMIT 1", job, 0,
			     ret, reterr);
}

int store_execution_of_attempt(struct store *st, const char *job, int attempt,
			       struct execution_row *ret, struct err *reterr)
{
	return execution_one(
		st, EXECUTION_SELECT "WHERE job = ? AND attempt = ? ORDER BY n DESC LIMIT 1", job,
		attempt, ret, reterr);
}

int store_execution_set_state(struct store *st, const char *id, enum execution_state state,
			      int64_t pid, int64_t now_us, struct err *reterr)
{
	int r = run_on_row(st, "execution", id,
			   "UPDATE executions SET state = ?1, "
			   "pid = CASE WHEN ?2 THEN ?2 ELSE pid END, "
			   "started_us = CASE WHEN ?4 AND started_us = 0 THEN ?3 "
			   "ELSE started_us END, "
			   "ended_us = CASE WHEN ?5 THEN max(?3, started_us) ELSE ended_us END "
			   "WHERE id = ?6",
			   DB_ARGS(DB_TEXT(execution_state_str(state)), DB_INT(pid), DB_INT(now_us),
				   DB_INT(state == EXECUTION_RUNNING),
				   DB_INT(state == EXECUTION_ENDED), DB_TEXT(id)),
			   reterr);

	return r < 0 ? r : 0;
}

int store_execution_set_proof(struct store *st, const char *id, const char *proof,
			      struct err *reterr)
{
	int r = run_on_row(st, "execution", id, "UPDATE executions SET proof = ? WHERE id = ?",
			   DB_ARGS(DB_TEXT(proof), DB_TEXT(id)), reterr);

	return r < 0 ? r : 0;
}

int store_execution_set_offset(struct store *st, const char *id, int64_t events_offset,
			       struct err *reterr)
{
	int r = run_on_row(st, "execution", id,
			   "UPDATE executions SET events_offset = ? WHERE id = ?",
			   DB_ARGS(DB_INT(events_offset), DB_TEXT(id)), reterr);

	return r < 0 ? r : 0;
}

int store_executions_retire(struct store *st, const char *endpoint, const char *except,
			    struct err *reterr)
{
	return db_run(st->db,
		      "UPDATE executions SET retired = 1 "
		      "WHERE endpoint = ? AND state != 'ended' AND id != ?",
		      DB_ARGS(DB_TEXT(endpoint), DB_TEXT(except)), reterr);
}
