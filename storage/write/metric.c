/* SPDX-License-Identifier: MIT */
/*
 * Metric points as rows. A transaction selects its points in memory (metric_series.h) and writes
 * them at its end, so that a job with many points costs few rows. The manager thread calls this
 * through store.h.
 */
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"
#include "storage/write/metric_series.h"

#include <math.h>
#include <string.h>

#define SERIES_MAX 64 /* attempts that stay in memory between transactions */

/* ---- what the database has ---- */

static int series_load(struct store *st, struct metric_series *s, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int64_t rows = 0;
	int r = db_query(
		st->db, "SELECT n, i, points FROM metrics WHERE job = ? AND attempt = ? ORDER BY n",
		DB_ARGS(DB_TEXT(s->job), DB_INT(s->attempt)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		OWN(json_decrefp) json_t *values = NULL;
		struct point *p = point_new(db_col_int(q, 1), db_col_int(q, 0));

		r = p ? db_col_json(q, 2, &values, reterr)
		      : err_errno(reterr, ENOMEM, "read metrics");
		if (r >= 0) {
			rows++;
			series_add_stored(s, p, values);
		}
		point_unref(p);
	}
	series_settle(s, rows);
	return r;
}

static int series_find(struct store *st, const char *job, int attempt, struct metric_series **ret,
		       struct err *reterr)
{
	OWN(series_freep) struct metric_series *s = NULL;
	int r;

	for (struct metric_series **at = &st->series; *at; at = &(*at)->next) {
		if ((*at)->attempt != attempt || !str_eq((*at)->job, job))
			continue;
		*ret = *at; /* move to the front; the last series are dropped */
		*at = (*ret)->next;
		(*ret)->next = st->series;
		st->series = *ret;
		return 0;
	}
	s = series_new(job, attempt);
	if (!s)
		return err_errno(reterr, ENOMEM, "keep a metric");
	r = series_load(st, s, reterr);
	if (r < 0)
		return r;
	s->next = st->series;
	*ret = st->series = TAKE(s);
	return 0;
}

int store_metric_insert(struct store *st, const char *job, int attempt, int64_t at_us, int64_t step,
			double epoch, const json_t *values, struct err *reterr)
{
	struct metric_series *s = NULL;
	struct point *p;
	int r = series_find(st, job, attempt, &s, reterr);

	if (r < 0)
		return r;
	p = point_new(s->seen, 0);
	if (!p || !p->values) {
		point_unref(p);
		return err_errno(reterr, ENOMEM, "keep a metric");
	}
	p->at_us = at_us;
	p->step = step;
	p->epoch = isfinite(epoch) && epoch >= 0 ? epoch : NAN;
	return series_add(s, p, values, reterr);
}

/* ---- writing ---- */

static int write_point(struct store *st, const struct metric_series *s, struct point *p,
		       struct err *reterr)
{
	int r = db_run(st->db,
		       "INSERT INTO metrics (job, attempt, i, at_us, step, epoch, points) "
		       "VALUES (?, ?, ?, ?, ?, ?, ?)",
		       DB_ARGS(DB_TEXT(s->job), DB_INT(s->attempt), DB_INT(p->i), DB_INT(p->at_us),
			       DB_INT(p->step), DB_REAL(p->epoch), DB_JSON(p->values)),
		       reterr);

	if (r >= 0)
		p->n = db_last_rowid(st->db);
	json_object_clear(p->values);
	return r;
}

static void list_row(json_t *list, const struct point *p)
{
	if (p && p->n)
		json_array_append_new(list, json_integer(p->n));
}

/* After the sample became coarser, delete the rows between its points, except points with a
 * duty. */
static int thin(struct store *st, struct metric_series *s, struct err *reterr)
{
	OWN(json_decrefp) json_t *keep = json_array();
	int r;

	list_row(keep, s->newest);
	for (size_t k = 0; k < s->names_n; k++) {
		list_row(keep, s->names[k].least);
		list_row(keep, s->names[k].greatest);
		list_row(keep, s->names[k].first_nan);
		list_row(keep, s->names[k].first_inf);
	}
	r = db_run(st->db,
		   "DELETE FROM metrics WHERE job = ? AND attempt = ? AND i % ? != 0 "
		   "AND n NOT IN (SELECT value FROM json_each(?))",
		   DB_ARGS(DB_TEXT(s->job), DB_INT(s->attempt), DB_INT(s->stride), DB_JSON(keep)),
		   reterr);
	if (r >= 0 && s->stride_written == 1)
		r = store_warning_insert(
			st, s->job, s->attempt, "metrics_thinned",
			"the attempt has more points of metrics than are kept: an even sample, the "
			"newest, the extremes and the first NaN stay",
			s->newest->at_us, reterr);
	s->stride_written = s->stride;
	return r < 0 ? r : 0;
}

/* Write the newest number of each name, for lists sorted by a metric. NaN becomes NULL. */
static int write_newest(struct store *st, struct metric_series *s, struct err *reterr)
{
	const char *name;
	json_t *at;

	json_object_foreach(s->index, name, at) {
		struct named *named = &s->names[json_integer_value(at)];
		int r;

		if (!named->dirty)
			continue;
		r = db_run(st->db,
			   "INSERT INTO metrics_last (job, name, attempt, value) "
			   "VALUES (?, ?, ?, ?) ON CONFLICT (job, name) DO UPDATE SET "
			   "attempt = excluded.attempt, value = excluded.value",
			   DB_ARGS(DB_TEXT(s->job), DB_TEXT(name), DB_INT(s->attempt),
				   DB_REAL(named->newest_value)),
			   reterr);
		if (r < 0)
			return r;
		named->dirty = false;
	}
	return 0;
}

static int warn_left_out(struct store *st, struct metric_series *s, struct err *reterr)
{
	char text[256];

	if (!s->left_out)
		return 0;
	str_excerptf(
		text, sizeof(text),
		"a job keeps at most %d names of metrics, of %d bytes each: '%.64s' is left out",
		STORE_METRIC_NAMES_MAX, STORE_METRIC_NAME_BYTES_MAX,
		json_string_value(s->left_out));
	json_decref(TAKE(s->left_out));
	return store_warning_insert(st, s->job, s->attempt, "metric_names", text,
				    s->newest ? s->newest->at_us : 0, reterr);
}

static int series_flush(struct store *st, struct metric_series *s, struct err *reterr)
{
	int r = 0;

	for (size_t k = 0; r >= 0 && k < series_fresh_n(s); k++) {
		struct point *p = series_fresh_at(s, k);

		if (p->duties > 0 || series_in_sample(s, p))
			r = write_point(st, s, p, reterr);
	}
	series_fresh_clear(s);
	if (r >= 0 && s->stride != s->stride_written)
		r = thin(st, s, reterr);
	if (r >= 0 && json_array_size(s->doomed))
		r = db_run(st->db,
			   "DELETE FROM metrics WHERE n IN (SELECT value FROM json_each(?))",
			   DB_ARGS(DB_JSON(s->doomed)), reterr);
	json_array_clear(s->doomed);
	if (r >= 0)
		r = write_newest(st, s, reterr);
	return r < 0 ? r : warn_left_out(st, s, reterr);
}

int metrics_flush(struct store *st, struct err *reterr)
{
	struct metric_series **at = &st->series;
	int n = 0, r = 0;

	for (; r >= 0 && *at && n < SERIES_MAX; at = &(*at)->next, n++)
		r = series_flush(st, *at, reterr);
	while (r >= 0 && *at) {
		struct metric_series *s = *at;

		r = series_flush(st, s, reterr);
		*at = s->next;
		series_free(s);
	}
	return r;
}

void metrics_forget(struct store *st)
{
	while (st->series) {
		struct metric_series *s = st->series;

		st->series = s->next;
		series_free(s);
	}
}

/* ---- reading ---- */

int store_metric_last_step(struct store *st, const char *job, int first, int last, int64_t *ret,
			   struct err *reterr)
{
	int r = metrics_flush(st, reterr);

	return r < 0 ? r
		     : db_get_int(st->db,
				  "SELECT coalesce(max(step), 0) FROM metrics WHERE job = ? AND "
				  "attempt BETWEEN ? AND ?",
				  DB_ARGS(DB_TEXT(job), DB_INT(first), DB_INT(last)), 0, ret,
				  reterr);
}

int store_metrics_last(struct store *st, const char *job, int attempt, json_t **ret,
		       struct err *reterr)
{
	OWN(json_decrefp) json_t *values = json_object();
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = metrics_flush(st, reterr);

	if (r >= 0)
		r = db_query(st->db,
			     "SELECT name, value FROM metrics_last WHERE job = ? AND attempt = ?",
			     DB_ARGS(DB_TEXT(job), DB_INT(attempt)), &q, reterr);
	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		json_object_set_new(
			values, db_col_text(q, 0),
			json_any_number(db_col_is_null(q, 1) ? NAN : db_col_real(q, 1)));
	if (r >= 0)
		*ret = TAKE(values);
	return r;
}
