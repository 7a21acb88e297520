/* SPDX-License-Identifier: MIT */
/* Opens readers; versions, counts and parts of answers. API threads call this through
 * store_read.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/read/internal.h"
#include "storage/shape.h"
#include "storage/store.h"

#include <limits.h>

static void store_reader_closep(struct store_reader **sr)
{
	store_reader_close(*sr);
}

static int load_generation(struct store_reader *sr, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db, "SELECT value FROM meta WHERE key = 'generation'", NULL, 0, &q,
			 reterr);

	if (r == 0)
		return err_set(reterr, ERR_CORRUPT, "database: the generation is missing");
	if (r < 0)
		return r;
	db_col_copy(q, 0, sr->generation, sizeof(sr->generation));
	return db_check_whole(q, reterr);
}

int store_reader_open(const char *dir, struct store_reader **ret, struct err *reterr)
{
	OWN(store_reader_closep) struct store_reader *sr = calloc(1, sizeof(*sr));
	char path[PATH_MAX];
	int r;

	if (!sr)
		return out_of_memory(reterr);
	if (snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE) >= (int)sizeof(path))
		return err_errno(reterr, ENAMETOOLONG, "use the data directory %s", dir);
	r = db_open(path, DB_READER, &sr->db, reterr);
	if (r >= 0)
		r = load_generation(sr, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(sr);
	return 0;
}

void store_reader_close(struct store_reader *sr)
{
	if (!sr)
		return;
	db_close(sr->db);
	free(sr);
}

int store_reader_check(struct store_reader *sr, struct err *reterr)
{
	return db_quick_check(sr->db, "stop the daemon and restore a backup", reterr);
}

void store_reader_interrupt(struct store_reader *sr)
{
	db_interrupt(sr->db);
}

const char *store_reader_generation(struct store_reader *sr)
{
	return sr->generation;
}

int store_read_versions(struct store_reader *sr, int64_t *ret_seq, int64_t *ret_state_changes,
			struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db,
			 "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'events'), "
			 "(SELECT value FROM meta WHERE key = 'state_changes')",
			 NULL, 0, &q, reterr);

	if (r < 0)
		return r;
	*ret_seq = db_col_int(q, 0);
	*ret_state_changes = db_col_int(q, 1);
	return 0;
}

/* ---- counts ---- */

static const char *job_name(int i)
{
	return job_state_str((enum job_state)i);
}

static const char *run_name(int i)
{
	return run_state_str((enum run_state)i);
}

static const char *endpoint_name(int i)
{
	return endpoint_state_str((enum endpoint_state)i);
}

/* {"queued": 0, …}: each state is present, even with no item in it. */
static void set_zeros(json_t *all, const char *what, int n, const char *(*name)(int i))
{
	json_t *counts = json_object();

	for (int i = 0; i < n; i++)
		json_object_set_new(counts, name(i), json_integer(0));
	json_object_set_new(all, what, counts);
}

int store_read_counts(struct store_reader *sr, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *all = json_object();
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(sr->db, "SELECT what, state, sum(n) FROM counts GROUP BY what, state",
			 NULL, 0, &q, reterr);

	set_zeros(all, "jobs", JOB_STATES_, job_name);
	set_zeros(all, "runs", RUN_STATES_, run_name);
	set_zeros(all, "endpoints", ENDPOINT_STATES_, endpoint_name);
	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		json_object_set_new(json_object_get(all, db_col_text(q, 0)), db_col_text(q, 1),
				    json_integer(db_col_int(q, 2)));
	if (r < 0)
		return r;
	*ret = TAKE(all);
	return *ret ? 0 : out_of_memory(reterr);
}

int store_read_job_counts(struct store_reader *sr, struct job_counts *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(sr->db, "SELECT kind, state, n FROM counts WHERE what = 'jobs'", NULL, 0,
			 &q, reterr);
	enum job_kind kind;
	enum job_state state;

	*ret = (struct job_counts){0};
	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		const char *kind_text = db_col_text(q, 0), *state_text = db_col_text(q, 1);

		if (job_kind_parse(kind_text, &kind) < 0 || job_state_parse(state_text, &state) < 0)
			return err_set(reterr, ERR_CORRUPT,
				       "the table counts has the unknown kind '%s' or state '%s'",
				       kind_text, state_text);
		ret->n[kind][state] = db_col_int(q, 2);
	}
	return r < 0 ? r : 0;
}

/* ---- pieces ---- */

int answer_parse(struct buf *text, json_t **ret, struct err *reterr)
{
	buf_puts(text, "}");
	return buf_ok(text) ? json_parse_nul(buf_str(text), text->len, ret, reterr)
			    : out_of_memory(reterr);
}

int out_of_memory(struct err *reterr)
{
	return err_errno(reterr, ENOMEM, "read the database");
}

int check_limit(int limit, int fallback, int max, int *ret, struct err *reterr)
{
	if (limit < 0 || limit > max)
		return err_set(reterr, ERR_INVALID, "limit must be from 1 to %d, not %d", max,
			       limit);
	*ret = limit ? limit : fallback;
	return 0;
}

json_t *col_reason_json(struct db_stmt *q, int col)
{
	const char *code = db_col_text(q, col), *message = db_col_text(q, col + 1);

	if (!code[0] && !message[0])
		return json_null();
	return json_pack("{s:s, s:o}", "code", code, "message", shape_text(message));
}

json_t *col_time(struct db_stmt *q, int col)
{
	return shape_time(db_col_int(q, col));
}

json_t *col_id_or_null(struct db_stmt *q, int col)
{
	const char *id = db_col_text(q, col);

	return id[0] ? json_string(id) : json_null();
}

static int set_value(json_t *obj, const char *key, int r, json_t *value, struct err *reterr)
{
	if (r < 0 || !value)
		return r;
	return json_object_set_new(obj, key, value) < 0 ? out_of_memory(reterr) : 0;
}

int set_col_json(json_t *obj, const char *key, struct db_stmt *q, int col, struct err *reterr)
{
	json_t *value = NULL;
	int r = db_col_json(q, col, &value, reterr);

	return set_value(obj, key, r, value, reterr);
}
