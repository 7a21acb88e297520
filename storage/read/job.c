/* SPDX-License-Identifier: MIT */
/* Answers about jobs: forms, lists, one job, the queue, attempts. API threads call this through
 * store_read.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/read/internal.h"
#include "storage/shape.h"
#include "storage/store.h"

#define METRIC_NAMES_MAX 256 /* names that are compared to suggest the intended one */

enum { /* JOB_COLUMNS */
	C_ID,
	C_RUN,
	C_NAME,
	C_KIND,
	C_TARGET,
	C_STATE,
	C_REASON, /* two columns */
	C_ATTEMPT = C_REASON + 2,
	C_PRIORITY,
	C_TAGS,
	C_CREATED,
	C_STARTED,
	C_FINISHED,
	C_PROGRESS,
	C_OUTPUTS,
	C_SEQ,
	C_HELD,
	C_CANCEL,
	C_QUEUED,
	C_WARNINGS,
	C_PRUNED,
};

/* Parts of a row that are JSON. */
struct job_parts {
	struct buf progress, warnings, tags, outputs;
};

static void job_parts_done(struct job_parts *p)
{
	buf_done(&p->progress);
	buf_done(&p->warnings);
	buf_done(&p->tags);
	buf_done(&p->outputs);
}

static int read_parts(struct db_stmt *q, enum job_form form, struct job_parts *p,
		      struct err *reterr)
{
	int r = 0;

	if (form >= JOB_FORM_IN_RUN)
		r = db_col_json_put(q, C_PROGRESS, false, &p->progress, reterr);
	if (r >= 0 && form >= JOB_FORM_IN_RUN)
		r = db_col_json_put(q, C_WARNINGS, false, &p->warnings, reterr);
	if (r >= 0 && form >= JOB_FORM_LIST)
		r = db_col_json_put(q, C_TAGS, true, &p->tags, reterr);
	if (r >= 0 && form >= JOB_FORM_LIST)
		r = db_col_json_put(q, C_OUTPUTS, false, &p->outputs, reterr);
	if (r >= 0 &&
	    (p->progress.failed || p->warnings.failed || p->tags.failed || p->outputs.failed))
		r = out_of_memory(reterr);
	return r;
}

int job_row_put(struct db_stmt *q, enum job_form form, struct buf *out, struct err *reterr)
{
	OWN(job_parts_done)
	struct job_parts p = {BUF_INIT(SIZE_MAX / 2), BUF_INIT(SIZE_MAX / 2),
			      BUF_INIT(SIZE_MAX / 2), BUF_INIT(SIZE_MAX / 2)};
	int r = read_parts(q, form, &p, reterr);

	if (r < 0)
		return r;
	answer_job(out,
		   &(struct job_answer){
			   .id = db_col_text(q, C_ID),
			   .run = db_col_text(q, C_RUN),
			   .name = db_col_text(q, C_NAME),
			   .kind = db_col_text(q, C_KIND),
			   .target = db_col_text(q, C_TARGET),
			   .state = db_col_text(q, C_STATE),
			   .reason_code = db_col_text(q, C_REASON),
			   .reason_message = db_col_text(q, C_REASON + 1),
			   .created_us = db_col_int(q, C_CREATED),
			   .started_us = db_col_int(q, C_STARTED),
			   .finished_us = db_col_int(q, C_FINISHED),
			   .cancel_us = db_col_int(q, C_CANCEL),
			   .pruned_us = db_col_int(q, C_PRUNED),
			   .attempt = db_col_int(q, C_ATTEMPT),
			   .priority = db_col_int(q, C_PRIORITY),
			   .seq = db_col_int(q, C_SEQ),
			   .held = db_col_int(q, C_HELD),
			   .progress = buf_str(&p.progress),
			   .warnings = buf_str(&p.warnings),
			   .tags = buf_str(&p.tags),
			   .outputs = buf_str(&p.outputs),
		   },
		   form);
	return 0;
}

/* ---- lists ---- */

static int job_item(struct db_stmt *q, const struct list_filter *f, struct buf *out,
		    struct err *reterr)
{
	int r = job_row_put(q, f->with_short ? JOB_FORM_SHORT : JOB_FORM_LIST, out, reterr);

	if (r >= 0 && f->with_spec) {
		answer_key(out, "spec");
		r = db_col_json_put(q, JOB_COLUMNS_N + 2, false, out, reterr);
	}
	buf_puts(out, "}");
	return r;
}

static const char *state_name(int i)
{
	return job_state_str((enum job_state)i);
}

static const char *kind_name(int i)
{
	return job_kind_str((enum job_kind)i);
}

struct metric_names {
	char text[METRIC_NAMES_MAX][STORE_METRIC_NAME_BYTES_MAX + 1];
	const char *list[METRIC_NAMES_MAX];
	size_t n;
};

/* The names of all metrics; reads only the index. */
static int known_metrics(struct store_reader *sr, struct metric_names *names, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 "WITH RECURSIVE known (name) AS ("
			 "SELECT min(name) FROM metrics_last UNION ALL "
			 "SELECT (SELECT min(name) FROM metrics_last WHERE name > known.name) "
			 "FROM known WHERE known.name IS NOT NULL) "
			 "SELECT name FROM known WHERE name IS NOT NULL LIMIT ?",
			 DB_ARGS(DB_INT(METRIC_NAMES_MAX)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		db_col_copy(q, 0, names->text[names->n], sizeof(names->text[0]));
		names->list[names->n] = names->text[names->n];
		names->n++;
	}
	return r;
}

/* -ERR_INVALID if no job has a metric of that name; the message suggests the nearest name. */
static int check_metric(struct store_reader *sr, const char *name, struct err *reterr)
{
	OWN(freep) struct metric_names *names = NULL;
	const char *near;
	int64_t found = 0;
	int r = db_get_int(sr->db, "SELECT 1 FROM metrics_last WHERE name = ? LIMIT 1",
			   DB_ARGS(DB_TEXT(name)), 0, &found, reterr);

	if (r < 0 || found)
		return r;
	names = calloc(1, sizeof(*names));
	if (!names)
		return out_of_memory(reterr);
	r = known_metrics(sr, names, reterr);
	if (r < 0)
		return r;
	near = str_nearest(name, names->list, names->n);
	return err_set(reterr, ERR_INVALID, "no job has a metric '%.64s'%s%.64s%s", name,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int store_read_jobs(struct store_reader *sr, const struct list_filter *f, struct buf *out,
		    struct err *reterr)
{
	OWN(page_done) struct page p;
	int r = page_init(&p, sr, f, "j", true, reterr);

	if (r >= 0 && p.metric)
		r = check_metric(sr, p.metric, reterr);
	if (r < 0)
		return r;
	page_sql(&p, "SELECT " JOB_COLUMNS);
	page_sql(&p, p.metric ? ", m.value, j.n" : ", j.created_us, j.n");
	page_sql(&p, f->with_spec ? ", s.spec " JOB_FROM "JOIN job_specs s ON s.n = j.n "
				  : " " JOB_FROM);
	if (p.metric) {
		page_sql(&p, "LEFT JOIN metrics_last m ON m.job = j.id AND m.attempt = j.attempt "
			     "AND m.name = ? ");
		page_arg(&p, DB_TEXT(p.metric));
	}
	page_where_common(&p, true, true);
	page_where_bits(&p, "state", f->states, JOB_STATES_, state_name);
	page_where_bits(&p, "kind", f->kinds, JOB_KINDS_, kind_name);
	page_where_tag(&p);
	return page_read(&p, sr, job_item, JOB_COLUMNS_N, out, reterr);
}

/* The first rows of both states in the queue's order, each read from an index in that order. */
static const char queue_sql[] =
	"WITH waiting AS ("
	"SELECT * FROM (SELECT n, 0 AS blocked FROM jobs INDEXED BY jobs_list_queued "
	"WHERE state = 'queued' ORDER BY held, priority DESC, n LIMIT ?1) UNION ALL "
	"SELECT * FROM (SELECT n, 1 FROM jobs INDEXED BY jobs_list_blocked "
	"WHERE state = 'blocked' ORDER BY held, priority DESC, n LIMIT ?1) LIMIT ?1) "
	"SELECT " JOB_COLUMNS "FROM waiting w JOIN jobs j ON j.n = w.n "
	"LEFT JOIN attempts a ON a.job = j.id AND a.number = j.attempt "
	"ORDER BY w.blocked, j.held, j.priority DESC, j.n";

int store_read_queue(struct store_reader *sr, int limit, struct buf *out, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = check_limit(limit, STORE_LIST_DEFAULT, STORE_LIST_MAX, &limit, reterr);
	const char *comma = "";

	if (r >= 0)
		r = db_query(sr->db, queue_sql, DB_ARGS(DB_INT(limit)), &q, reterr);
	buf_puts(out, "[");
	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		buf_puts(out, comma);
		comma = ",";
		r = job_row_put(q, JOB_FORM_LIST, out, reterr);
		answer_time(out, "queued_at", db_col_int(q, C_QUEUED));
		buf_puts(out, "}");
	}
	buf_puts(out, "]");
	return r < 0 ? r : buf_ok(out) ? 0 : out_of_memory(reterr);
}

/* ---- one job ---- */

static int no_job(struct err *reterr, const char *id)
{
	return err_set(reterr, ERR_NOT_FOUND, "there is no job '%.64s'", id);
}

int store_read_job(struct store_reader *sr, const char *id, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(SIZE_MAX / 2);
	OWN(json_decrefp) json_t *job = NULL;
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(sr->db,
			 "SELECT " JOB_COLUMNS ", s.spec " JOB_FROM
			 "JOIN job_specs s ON s.n = j.n WHERE j.id = ?",
			 DB_ARGS(DB_TEXT(id)), &q, reterr);

	if (r == 0)
		return no_job(reterr, id);
	if (r > 0)
		r = job_row_put(q, JOB_FORM_LIST, &text, reterr);
	if (r >= 0)
		r = answer_parse(&text, &job, reterr);
	if (r >= 0)
		r = set_col_json(job, "spec", q, JOB_COLUMNS_N, reterr);
	if (r >= 0)
		r = add_sagemaker(job, sr, id, NULL, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(job);
	return 0;
}

static int attempt_json(struct db_stmt *q, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *attempt = json_pack("{s:i, s:s, s:o, s:o, s:o, s:o}", "attempt",
				    (int)db_col_int(q, 0), "state", db_col_text(q, 1), "reason",
				    col_reason_json(q, 2), "created_at", col_time(q, 4),
				    "started_at", col_time(q, 5), "finished_at", col_time(q, 6));
	int r = attempt ? 0 : out_of_memory(reterr);

	if (r >= 0)
		r = set_col_json(attempt, "progress", q, 7, reterr);
	if (r >= 0)
		r = set_col_json(attempt, "exit", q, 8, reterr);
	if (r >= 0)
		r = set_col_json(attempt, "outputs", q, 9, reterr);
	if (r >= 0)
		r = set_col_json(attempt, "warnings", q, 10, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(attempt);
	return 0;
}

static int job_exists(struct store_reader *sr, const char *job, struct err *reterr)
{
	int64_t n = 0;
	int r = db_get_int(sr->db, "SELECT n FROM jobs WHERE id = ?", DB_ARGS(DB_TEXT(job)), 0, &n,
			   reterr);

	return r < 0 ? r : n ? 0 : no_job(reterr, job);
}

int store_read_attempts(struct store_reader *sr, const char *job, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *items = json_array();
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = job_exists(sr, job, reterr);

	if (r >= 0)
		r = db_query(
			sr->db,
			"SELECT number, state, reason_code, reason_message, created_us, "
			"started_us, finished_us, progress, exit, outputs, " WARNINGS_OF(
				"attempts.job",
				"(attempts.number)") "FROM attempts WHERE job = ? ORDER BY number",
			DB_ARGS(DB_TEXT(job)), &q, reterr);
	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		json_t *attempt = NULL;

		r = attempt_json(q, &attempt, reterr);
		if (r >= 0 && json_array_append_new(items, attempt) < 0)
			r = out_of_memory(reterr);
	}
	if (r < 0)
		return r;
	*ret = json_pack("{s:O}", "items", items);
	return *ret ? 0 : out_of_memory(reterr);
}
