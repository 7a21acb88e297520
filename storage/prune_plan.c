/* SPDX-License-Identifier: MIT */
/*
 * Collects the executions that specs name, asks the database what holds a run, and lists the
 * candidates with their executions.
 */
#include "storage/prune_plan.h"

#include "base/own.h"
#include "base/str.h"
#include "jobs/state.h"
#include "storage/pruned.h"
#include "storage/store.h"

#include <stdarg.h>
#include <string.h>

#define UNFINISHED    "('blocked', 'queued', 'starting', 'running', 'stopping')"
#define ENDED_RUN     "('succeeded', 'failed', 'cancelled')"
#define JOBS_OF_RUN   "(SELECT id FROM jobs WHERE run = ?1)"
#define SERVED_BY_RUN "(SELECT id FROM endpoints WHERE run = ?1 OR job IN " JOBS_OF_RUN ")"
#define HOLDER_MAX    160

/* An execution that a spec names, and its holder. */
struct named {
	char id[ID_LEN];
	const char *code;
	char holder[HOLDER_MAX];
};

/* ---- what is named ---- */

int prune_names(const char *text, int (*fn)(void *userdata, const char id[ID_LEN]), void *userdata)
{
	static const char before[] = "/" STORE_EXECUTIONS "/";
	int r = 0;

	while (r == 0 && (text = strstr(text, before))) {
		char id[ID_LEN];

		text += sizeof(before) - 1;
		str_must_format(id, sizeof(id), "%.*s", ID_LEN - 1, text);
		if (id_valid('x', id))
			r = fn(userdata, id);
	}
	return r;
}

struct naming {
	struct prune_plan *plan;
	struct named item;
};

static int add_name(void *userdata, const char id[ID_LEN])
{
	struct naming *n = userdata;

	str_must_copy(n->item.id, sizeof(n->item.id), id);
	return buf_put(&n->plan->named, &n->item, sizeof(n->item));
}

/* Add the executions that the rows of `q` name. Columns: holder, text. */
static int add_names(struct prune_plan *p, struct db_stmt *q, const char *code, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	struct naming n = {.plan = p, .item = {.code = code}};
	int r;

	while ((r = db_step(owned, reterr)) > 0) {
		str_excerpt(n.item.holder, sizeof(n.item.holder), db_col_text(owned, 0));
		if (prune_names(db_col_text(owned, 1), add_name, &n) < 0)
			return err_set(reterr, ERR_LIMIT,
				       "the specs of unfinished jobs name too many directories; "
				       "prune again when some jobs have ended");
	}
	return r;
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

int prune_plan_init(struct prune_plan *p, struct db *db, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r;

	*p = (struct prune_plan){.db = db};
	buf_init(&p->named, PRUNE_NAMED_BYTES_MAX);
	buf_init(&p->chosen, PRUNE_NAMED_BYTES_MAX);
	r = db_query(db,
		     "SELECT 'job ' || j.name || ' of run ' || j.run || ' (' || j.state || ')', "
		     "s.spec FROM jobs j JOIN job_specs s ON s.n = j.n "
		     "WHERE j.state IN " UNFINISHED " AND instr(s.spec, '/" STORE_EXECUTIONS "/')",
		     NULL, 0, &q, reterr);
	if (r >= 0)
		r = add_names(p, q, "job", reterr);
	if (r >= 0)
		r = db_query(db,
			     "SELECT 'endpoint ' || name || ' (' || state || ')', "
			     "model || ' ' || spec || ' ' || coalesce(previous, '') "
			     "FROM endpoints INDEXED BY endpoints_live "
			     "WHERE state NOT IN ('deleted', 'failed')",
			     NULL, 0, &q, reterr);
	if (r >= 0)
		r = add_names(p, q, "endpoint", reterr);
	if (r >= 0)
		r = db_query(db, "SELECT 'model ' || name, source FROM models", NULL, 0, &q,
			     reterr);
	if (r >= 0)
		r = add_names(p, q, "model", reterr);
	if (r >= 0 && p->named.len)
		qsort(p->named.data, p->named.len / sizeof(struct named), sizeof(struct named),
		      by_id);
	return r;
}

void prune_plan_done(struct prune_plan *p)
{
	buf_done(&p->named);
	buf_done(&p->chosen);
}

/* ---- what holds a run ---- */

__attribute__((format(printf, 3, 4))) static int held(struct prune_hold *ret, const char *code,
						      const char *fmt, ...)
{
	va_list ap;

	ret->code = code;
	va_start(ap, fmt);
	str_vexcerptf(ret->message, sizeof(ret->message), fmt, ap);
	va_end(ap);
	return 1;
}

/* What holds a run by itself, by a live endpoint, an active execution, or SageMaker resources that
 * are not settled: the first row. One statement, which ends at its first row. */
static const char rules[] =
	"SELECT 'missing', '' WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = ?1) "
	"UNION ALL SELECT 'unfinished', 'the run is ' || state || "
	"'; cancel it, or wait until it has ended' FROM runs "
	"WHERE id = ?1 AND state NOT IN " ENDED_RUN " "
	"UNION ALL SELECT 'endpoint', 'endpoint ' || name || ' is ' || state || '; delete it "
	"first' "
	"FROM endpoints WHERE state NOT IN ('deleted', 'failed') "
	"AND (run = ?1 OR job IN " JOBS_OF_RUN ") "
	"UNION ALL SELECT 'execution', 'its execution ' || id || ' has not ended' FROM executions "
	"INDEXED BY executions_live WHERE state != 'ended' AND "
	"(job IN " JOBS_OF_RUN " OR endpoint IN " SERVED_BY_RUN ") "
	"UNION ALL SELECT 'sagemaker', 'its ' || replace(kind, '_', ' ') || ' ' || name || "
	"' on SageMaker ' || CASE WHEN state IN ('ended', 'refused') THEN 'is not settled' "
	"ELSE 'is ' || state END FROM resources WHERE "
	"(job IN " JOBS_OF_RUN " OR endpoint IN " SERVED_BY_RUN ") AND "
	"(state NOT IN ('ended', 'refused') OR (reserved_micro_usd > 0 AND settled_us = 0)) "
	"LIMIT 1";

static const char *const hold_codes[] = {"unfinished", "endpoint", "execution", "sagemaker"};

static int held_by_rules(struct prune_plan *p, const char *run, struct prune_hold *ret,
			 struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(p->db, rules, DB_ARGS(DB_TEXT(run)), &q, reterr);

	if (r <= 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(hold_codes); i++)
		if (str_eq(db_col_text(q, 0), hold_codes[i]))
			return held(ret, hold_codes[i], "%s", db_col_text(q, 1));
	return err_set(reterr, ERR_NOT_FOUND, "there is no run '%.64s'", run);
}

bool prune_plan_has_chosen(const struct prune_plan *p, const char *run)
{
	for (size_t at = 0; at < p->chosen.len; at += ID_LEN)
		if (str_eq(p->chosen.data + at, run))
			return true;
	return false;
}

/* Jobs of other runs that use outputs of this run. Such a job holds the run while it waits or runs,
 * and as long as it may be retried. The hold ends when the job's own files are removed. */
static int held_by_pins(struct prune_plan *p, const char *run, struct prune_hold *ret,
			struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(p->db,
			 "SELECT r.id, j.name, j.state, r.finished_us FROM pins p "
			 "JOIN jobs j ON j.id = p.job JOIN runs r ON r.id = j.run "
			 "WHERE p.other IN " JOBS_OF_RUN " AND r.id != ?1 AND r.pruned_us = 0 "
			 "ORDER BY r.finished_us > 0",
			 DB_ARGS(DB_TEXT(run)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		const char *other = db_col_text(q, 0);

		if (prune_plan_has_chosen(p, other))
			continue;
		if (!db_col_int(q, 3))
			return held(ret, "job", "job %s of run %s, which is %s, refers to it",
				    db_col_text(q, 1), other, db_col_text(q, 2));
		return held(ret, "reference",
			    "job %s of run %s refers to it; prune that run first, or both together",
			    db_col_text(q, 1), other);
	}
	return r;
}

static int held_by_names(struct prune_plan *p, const char *run, struct prune_hold *ret,
			 struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r;

	if (!p->named.len)
		return 0;
	r = prune_executions(p->db, run, &q, reterr);
	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		const struct named *found;
		char id[ID_LEN];

		db_col_copy(q, 0, id, sizeof(id));
		found = bsearch(id, p->named.data, p->named.len / sizeof(*found), sizeof(*found),
				by_id);
		if (found)
			return held(ret, found->code, "%s uses files of the run", found->holder);
	}
	return r;
}

int prune_plan_look(struct prune_plan *p, const char *run, struct prune_hold *ret,
		    struct err *reterr)
{
	char id[ID_LEN] = {0};
	int r = held_by_rules(p, run, ret, reterr);

	if (r == 0)
		r = held_by_pins(p, run, ret, reterr);
	if (r == 0)
		r = held_by_names(p, run, ret, reterr);
	if (r != 0)
		return r;
	str_must_copy(id, sizeof(id), run);
	return buf_put(&p->chosen, id, sizeof(id)) < 0
		       ? err_set(reterr, ERR_LIMIT,
				 "one request removes too many runs; prune fewer at once")
		       : 0;
}

/* ---- queries ---- */

/* The runs after the `keep` that ended last. */
#define AFTER_KEPT(where)                                                                   \
	"(finished_us, n) <= (SELECT finished_us, n FROM runs WHERE finished_us > 0 " where \
	"ORDER BY finished_us DESC, n DESC LIMIT 1 OFFSET ?2) "

int prune_candidates(struct db *db, const struct prune_filter *f, int limit, struct db_stmt **ret,
		     struct err *reterr)
{
	struct db_val below = DB_INT(f->below ? f->below : INT64_MAX);

	if (f->rows) /* also runs whose files are already gone */
		return db_query(
			db,
			"SELECT id, name, finished_us, n FROM runs WHERE finished_us > 0 "
			"AND finished_us <= ?1 AND n < ?3 AND " AFTER_KEPT(
				"") "ORDER BY n DESC LIMIT ?4",
			DB_ARGS(DB_INT(f->before_us), DB_INT(f->keep), below, DB_INT(limit)), ret,
			reterr);
	return db_query(
		db,
		"SELECT id, name, finished_us, n FROM runs INDEXED BY runs_kept "
		"WHERE finished_us > 0 AND pruned_us = 0 AND finished_us <= ?1 "
		"AND n < ?3 AND " AFTER_KEPT("AND pruned_us = 0 ") "ORDER BY n DESC LIMIT ?4",
		DB_ARGS(DB_INT(f->before_us), DB_INT(f->keep), below, DB_INT(limit)), ret, reterr);
}

int prune_executions(struct db *db, const char *run, struct db_stmt **ret, struct err *reterr)
{
	return db_query(db,
			"SELECT id FROM executions WHERE job IN " JOBS_OF_RUN " UNION "
			"SELECT id FROM executions WHERE job IS NULL AND endpoint IN "
			"(SELECT id FROM endpoints WHERE job IN " JOBS_OF_RUN ")",
			DB_ARGS(DB_TEXT(run)), ret, reterr);
}

int prune_rows_stay(struct db *db, const char *run, bool *ret, struct err *reterr)
{
	int64_t found = 0;
	int r = db_get_int(db,
			   "SELECT 1 FROM resources WHERE job IN " JOBS_OF_RUN
			   " OR endpoint IN " SERVED_BY_RUN " LIMIT 1",
			   DB_ARGS(DB_TEXT(run)), 0, &found, reterr);

	*ret = found;
	return r;
}
