/* SPDX-License-Identifier: MIT */
/* Intents of prunes, and the removal of a run's rows. The manager thread calls this through
 * write/prune.h. */
#include "storage/write/prune.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/prune_plan.h"
#include "storage/pruned.h"
#include "storage/write/internal.h"

int store_prune_check(struct store *st, const char *run, struct err *reterr)
{
	return pruned_check(st->db, run, reterr);
}

int store_prune_candidates(struct store *st, const struct prune_filter *f, json_t **ret,
			   int64_t *ret_below, struct err *reterr)
{
	OWN(json_decrefp) json_t *ids = json_array();
	OWN(db_releasep) struct db_stmt *q = NULL;
	int64_t last = 0;
	int r = prune_candidates(st->db, f, PRUNE_RUNS_MAX, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		last = db_col_int(q, 3);
		if (json_array_append_new(ids, json_string(db_col_text(q, 0))) < 0)
			return err_errno(reterr, ENOMEM, "read the runs to prune");
	}
	if (r < 0)
		return r;
	*ret_below = json_array_size(ids) < PRUNE_RUNS_MAX ? 0 : last;
	*ret = TAKE(ids);
	return 0;
}

int store_prune_executions(struct store *st, const char *run, json_t **ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = prune_executions(st->db, run, &q, reterr);

	return r < 0 ? r : ids_read(q, ret, reterr);
}

/* ---- the intent ---- */

static int run_name(struct store *st, const char *run, char name[SPEC_NAME_MAX + 1],
		    struct err *reterr)
{
	return text_of_row(st, "run", run, "SELECT name FROM runs WHERE id = ?", name,
			   SPEC_NAME_MAX + 1, reterr);
}

static int insert_intent(struct store *st, const char *run, bool rows, const char *by,
			 int64_t now_us, struct err *reterr)
{
	struct event_of of = {.kind = "run_pruned", .run = run};
	char name[SPEC_NAME_MAX + 1];
	int64_t seq = ++st->tx_seq;
	int r = run_name(st, run, name, reterr);

	if (r >= 0)
		r = db_run(st->db,
			   "INSERT INTO prunes (run, with_rows, asked_us) VALUES (?, ?, ?) ON "
			   "CONFLICT (run) DO UPDATE SET with_rows = max(with_rows, "
			   "excluded.with_rows)",
			   DB_ARGS(DB_TEXT(run), DB_INT(rows), DB_INT(now_us)), reterr);
	if (r >= 0)
		r = db_run(st->db,
			   "UPDATE runs SET seq = ?1, pruned_us = CASE WHEN pruned_us = 0 THEN ?2 "
			   "ELSE pruned_us END WHERE id = ?3",
			   DB_ARGS(DB_INT(seq), DB_INT(now_us), DB_TEXT(run)), reterr);
	if (r >= 0)
		r = db_run(st->db, "UPDATE jobs SET seq = ? WHERE run = ?",
			   DB_ARGS(DB_INT(seq), DB_TEXT(run)), reterr);
	if (r < 0)
		return r;
	st->count_delta.changes++;
	return event_put(st, seq, &of,
			 json_pack("{s:s, s:b, s:s}", "name", name, "rows", (int)rows, "by", by),
			 now_us, reterr);
}

/* ---- frozen copies ---- */

/* Note the copies that the run needs in *sources, an object, and end its uses: from now on the run
 * cannot be retried. */
static int end_uses(struct store *st, const char *run, json_t *sources, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = prune_sources_of_run(st->db, run, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		if (json_object_set_new(sources, db_col_text(q, 0), json_true()) < 0)
			return err_errno(reterr, ENOMEM, "prune run %s", run);
	if (r >= 0)
		r = db_run(st->db,
			   "DELETE FROM source_uses WHERE job IN "
			   "(SELECT id FROM jobs WHERE run = ?)",
			   DB_ARGS(DB_TEXT(run)), reterr);
	return r < 0 ? r : 0;
}

/* Write an intent for each copy that nothing uses, and list these in *removed. */
static int remove_sources(struct store *st, struct prune_plan *plan, json_t *sources,
			  json_t *removed, struct err *reterr)
{
	const char *source;
	json_t *value;
	int r = 0;

	json_object_foreach(sources, source, value) {
		if (r < 0 || !prune_source_name(source))
			break;
		r = prune_source_is_used(plan, source, reterr);
		if (r != 0)
			continue;
		r = db_run(st->db, "INSERT OR IGNORE INTO source_removals (source) VALUES (?)",
			   DB_ARGS(DB_TEXT(source)), reterr);
		if (r >= 0 && json_array_append_new(removed, json_string(source)) < 0)
			r = err_errno(reterr, ENOMEM, "remove the copy of a source_dir");
	}
	return r < 0 ? r : 0;
}

/* ---- both ---- */

struct pruning {
	struct store *st;
	struct prune_plan plan;
	bool rows;
	const char *by;
	int64_t now_us;
	json_t *removed, *kept, *sources;
};

static int append(json_t *list, json_t *item, const char *run, struct err *reterr)
{
	return json_array_append_new(list, item) < 0
		       ? err_errno(reterr, ENOMEM, "prune run %s", run)
		       : 0;
}

static int prune_one(struct pruning *p, const char *run, struct err *reterr)
{
	struct prune_hold hold;
	bool stay = false;
	int r = prune_plan_look(&p->plan, run, &hold, reterr);

	if (r == -ERR_NOT_FOUND) /* the rows have gone meanwhile */
		return 0;
	if (r > 0)
		return append(p->kept,
			      json_pack("{s:s, s:{s:s, s:s}}", "run", run, "reason", "code",
					hold.code, "message", hold.message),
			      run, reterr);
	if (r >= 0 && p->rows)
		r = prune_rows_stay(p->st->db, run, &stay, reterr);
	if (r >= 0)
		r = insert_intent(p->st, run, p->rows && !stay, p->by, p->now_us, reterr);
	if (r >= 0)
		r = end_uses(p->st, run, p->sources, reterr);
	return r < 0 ? r
		     : append(p->removed,
			      json_pack("{s:s, s:b}", "run", run, "rows", p->rows && !stay), run,
			      reterr);
}

int store_prune_runs(struct store *st, const json_t *runs, const json_t *sources, bool rows,
		     const char *by, int64_t now_us, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *removed = json_array(), *kept = json_array();
	OWN(json_decrefp) json_t *candidates = json_object(), *gone = json_array();
	struct pruning p = {.st = st,
			    .rows = rows,
			    .by = by,
			    .now_us = now_us,
			    .removed = removed,
			    .kept = kept,
			    .sources = candidates};
	int r = prune_plan_init(&p.plan, st->db, reterr);
	const json_t *item;
	size_t i;

	json_array_foreach(runs, i, item) {
		if (r < 0 || json_array_size(removed) == PRUNE_RUNS_MAX)
			break;
		r = prune_one(&p, json_string_value(item), reterr);
	}
	json_array_foreach(sources, i, item)
		json_object_set_new(candidates, json_string_value(item), json_true());
	if (r >= 0)
		r = remove_sources(st, &p.plan, candidates, gone, reterr);
	prune_plan_done(&p.plan);
	if (r < 0)
		return r;
	*ret = json_pack("{s:O, s:O, s:O}", "removed", removed, "kept", kept, "sources", gone);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "prune runs");
}

void prune_rows_done(struct prune_rows *rows)
{
	free(TAKE(rows->rows));
	rows->n = 0;
}

static int prune_read(struct db_stmt *q, void *into, struct err *reterr)
{
	struct prune_row *row = into;

	COL_COPY(row->run, q, 0);
	row->rows = db_col_int(q, 1);
	return 0;
}

int store_prunes_open(struct store *st, struct prune_rows *ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db, "SELECT run, with_rows FROM prunes ORDER BY asked_us", NULL, 0, &q,
			 reterr);

	return r < 0 ? r
		     : rows_read(q, (void **)&ret->rows, &ret->n, sizeof(*ret->rows), prune_read,
				 reterr);
}

/* ---- the end ---- */

/* Subtract the rows that will be deleted from the counts. `sql` selects state, number[, kind];
 * `take` subtracts one row of it. */
static int count_out(struct store *st, const char *sql, const char *run,
		     int (*take)(struct store *st, struct db_stmt *q), struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(st->db, sql, DB_ARGS(DB_TEXT(run)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		if (take(st, q) < 0)
			return col_unknown(q, 0, reterr);
	return r;
}

static int job_out(struct store *st, struct db_stmt *q)
{
	enum job_state s;
	enum job_kind kind;
	int r = job_state_parse(db_col_text(q, 0), &s);

	if (r >= 0)
		r = job_kind_parse(db_col_text(q, 2), &kind);
	if (r >= 0)
		st->count_delta.jobs[kind][s] -= db_col_int(q, 1);
	return r;
}

static int run_out(struct store *st, struct db_stmt *q)
{
	enum run_state s;
	int r = run_state_parse(db_col_text(q, 0), &s);

	if (r >= 0)
		st->count_delta.runs[s] -= db_col_int(q, 1);
	return r;
}

static int endpoint_out(struct store *st, struct db_stmt *q)
{
	enum endpoint_state s;
	int r = endpoint_state_parse(db_col_text(q, 0), &s);

	if (r >= 0)
		st->count_delta.endpoints[s] -= db_col_int(q, 1);
	return r;
}

#define JOBS "(SELECT id FROM jobs WHERE run = ?1)"
/* The endpoints that are deleted with the run: its jobs deployed them last, and no other run had a
 * server for them. */
#define ENDPOINTS                                                               \
	"(SELECT e.id FROM endpoints e WHERE e.job IN " JOBS " AND NOT EXISTS " \
	"(SELECT 1 FROM executions x JOIN jobs j ON j.id = x.job "              \
	"WHERE x.endpoint = e.id AND j.run != ?1))"

/* In the order that the foreign keys require. The ledger has no entry of the run (prune_rows_stay);
 * events stay for their retention time. */
static const char *const deletions[] = {
	"DELETE FROM executions WHERE job IS NULL AND endpoint IN " ENDPOINTS,
	"DELETE FROM executions WHERE job IN " JOBS,
	"DELETE FROM endpoints WHERE id IN " ENDPOINTS,
	"UPDATE endpoints SET job = NULL WHERE job IN " JOBS,
	"UPDATE endpoints SET run = NULL WHERE run = ?1",
	"DELETE FROM source_uses WHERE job IN " JOBS,
	"DELETE FROM pins WHERE job IN " JOBS " OR other IN " JOBS,
	"DELETE FROM needs WHERE job IN " JOBS " OR other IN " JOBS,
	"DELETE FROM metrics WHERE job IN " JOBS,
	"DELETE FROM metrics_last WHERE job IN " JOBS,
	"DELETE FROM warnings WHERE job IN " JOBS,
	"DELETE FROM attempts WHERE job IN " JOBS,
	"DELETE FROM job_specs WHERE n IN (SELECT n FROM jobs WHERE run = ?1)",
	"DELETE FROM jobs WHERE run = ?1",
	"DELETE FROM run_bodies WHERE n = (SELECT n FROM runs WHERE id = ?1)",
	"DELETE FROM prunes WHERE run = ?1",
	"DELETE FROM runs WHERE id = ?1",
};

static int delete_rows(struct store *st, const char *run, struct err *reterr)
{
	int r = count_out(
		st, "SELECT state, count(*), kind FROM jobs WHERE run = ?1 GROUP BY kind, state",
		run, job_out, reterr);

	if (r >= 0)
		r = count_out(st, "SELECT state, 1 FROM runs WHERE id = ?1", run, run_out, reterr);
	if (r >= 0)
		r = count_out(st,
			      "SELECT state, count(*) FROM endpoints WHERE id IN " ENDPOINTS
			      " GROUP BY state",
			      run, endpoint_out, reterr);
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(deletions); i++)
		r = db_run(st->db, deletions[i], DB_ARGS(DB_TEXT(run)), reterr);
	st->count_delta.changes++;
	return r < 0 ? r : 0;
}

int store_prune_finish(struct store *st, const char *run, bool rows, int64_t bytes, int64_t now_us,
		       struct err *reterr)
{
	struct event_of of = {.kind = "run_files_removed", .run = run};
	char name[SPEC_NAME_MAX + 1];
	int64_t with_rows = -1, seq;
	int r = db_get_int(st->db, "SELECT with_rows FROM prunes WHERE run = ?",
			   DB_ARGS(DB_TEXT(run)), -1, &with_rows, reterr);

	if (r < 0 || with_rows < 0) /* the intent has already ended */
		return r;
	if (with_rows && !rows)
		return 1;
	r = run_name(st, run, name, reterr);
	if (r < 0)
		return r;
	seq = ++st->tx_seq;
	r = with_rows ? delete_rows(st, run, reterr)
		      : db_run(st->db, "DELETE FROM prunes WHERE run = ?", DB_ARGS(DB_TEXT(run)),
			       reterr);
	if (r >= 0 && !with_rows)
		r = run_bump_seq(st, run, seq, reterr);
	return r < 0 ? r
		     : event_put(st, seq, &of,
				 json_pack("{s:s, s:I, s:b}", "name", name, "bytes",
					   (json_int_t)bytes, "rows", (int)with_rows),
				 now_us, reterr);
}

/* ---- who would use what has gone ---- */

struct naming {
	struct store *st;
	struct err *err;
};

static int check_name(void *userdata, const char id[ID_LEN])
{
	struct naming *n = userdata;
	OWN(db_releasep) struct db_stmt *q = NULL;
	char run[ID_LEN];
	int r = db_query(n->st->db,
			 "SELECT j.run FROM executions x JOIN jobs j ON j.id = x.job "
			 "WHERE x.id = ?",
			 DB_ARGS(DB_TEXT(id)), &q, n->err);

	if (r >= 0)
		r = db_step(q, n->err);
	if (r <= 0)
		return r;
	COL_COPY(run, q, 0);
	r = db_check_whole(q, n->err);
	return r < 0 ? r : pruned_check(n->st->db, run, n->err);
}

int prune_check_spec(struct store *st, const char *job, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	struct err err = {0};
	struct naming n = {st, &err};
	int r = db_first(st->db,
			 "SELECT s.spec FROM jobs j JOIN job_specs s ON s.n = j.n WHERE j.id = ?",
			 DB_ARGS(DB_TEXT(job)), &q, reterr);

	if (r <= 0)
		return r;
	r = prune_names(db_col_text(q, 0), check_name, &n);
	return r < 0 ? err_set(reterr, r == -ERR_PRUNED ? ERR_CONFLICT : -r, "%s", err.msg) : 0;
}
