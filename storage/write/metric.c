/* SPDX-License-Identifier: MIT */
/*
 * Metric points. At most STORE_METRIC_SAMPLE_MAX points of an attempt are kept as an even sample
 * (every 1st, 2nd, 4th, … point). Apart from the sample, the newest point is kept. For each name
 * the points with the least and greatest value, the first NaN and the first infinity are kept, too.
 * A transaction selects its points in memory and writes them at its end, so that a job with many
 * points costs few rows. The manager thread calls this through store.h.
 */
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"

#include <math.h>
#include <string.h>

#define SERIES_MAX 64 /* attempts that stay in memory between transactions */

/* A point that is new in this transaction or has a duty. Duties: the newest point of the attempt;
 * the least, greatest, first NaN or first infinite value of a name. */
struct point {
	int refs, duties;
	int64_t i, n; /* number in the attempt; row number, 0: no row yet */
	int64_t at_us, step;
	double epoch;
	json_t *values; /* NULL after the point is written */
};

struct named {
	double least_value, greatest_value, newest_value;
	struct point *least, *greatest, *first_nan, *first_inf;
	bool dirty; /* True if the newest value is not written yet */
};

struct metric_series {
	char job[ID_LEN];
	int attempt;
	int64_t seen, stride, stride_written;
	json_t *index; /* name → index in `names` */
	struct named names[STORE_METRIC_NAMES_MAX];
	size_t names_n;
	struct point *newest;
	struct buf fresh; /* struct point *: points of this transaction, in order */
	json_t *doomed;	  /* rows whose points have lost their last duty */
	json_t *left_out; /* the first name above the limit in this transaction */
	struct metric_series *next;
};

static void point_unref(struct point *p)
{
	if (!p || --p->refs > 0)
		return;
	json_decref(p->values);
	free(p);
}

static bool in_sample(const struct metric_series *s, const struct point *p)
{
	return p->i % s->stride == 0;
}

static size_t fresh_n(const struct metric_series *s)
{
	return s->fresh.len / sizeof(struct point *);
}

static struct point *fresh_at(const struct metric_series *s, size_t k)
{
	return ((struct point **)(void *)s->fresh.data)[k];
}

static void fresh_clear(struct metric_series *s)
{
	for (size_t k = 0; k < fresh_n(s); k++)
		point_unref(fresh_at(s, k));
	buf_clear(&s->fresh);
}

static void series_free(struct metric_series *s)
{
	if (!s)
		return;
	fresh_clear(s);
	buf_done(&s->fresh);
	point_unref(s->newest);
	for (size_t k = 0; k < s->names_n; k++) {
		point_unref(s->names[k].least);
		point_unref(s->names[k].greatest);
		point_unref(s->names[k].first_nan);
		point_unref(s->names[k].first_inf);
	}
	json_decref(s->index);
	json_decref(s->doomed);
	json_decref(s->left_out);
	free(s);
}

static void series_freep(struct metric_series **s)
{
	series_free(*s);
}

/* Move the duty in `slot` to p. The previous holder's row is deleted if that was its last duty and
 * it is not in the sample. */
static void take_duty(struct metric_series *s, struct point **slot, struct point *p)
{
	struct point *was = *slot;

	p->refs++;
	p->duties++;
	*slot = p;
	if (was && --was->duties == 0 && was->n && !in_sample(s, was))
		json_array_append_new(s->doomed, json_integer(was->n));
	point_unref(was);
}

/* ---- adding ---- */

/* Find or add a name. Returns NULL if the name is new and the limit is reached. */
static struct named *name_find(struct metric_series *s, const char *name)
{
	const json_t *at = json_object_get(s->index, name);

	if (at)
		return &s->names[json_integer_value(at)];
	if (s->names_n == STORE_METRIC_NAMES_MAX || strlen(name) > STORE_METRIC_NAME_BYTES_MAX) {
		if (!s->left_out)
			s->left_out = json_string(name);
		return NULL;
	}
	if (json_object_set_new(s->index, name, json_integer((json_int_t)s->names_n)) < 0)
		return NULL;
	s->names[s->names_n] = (struct named){0};
	return &s->names[s->names_n++];
}

static void name_add(struct metric_series *s, struct named *name, double v, struct point *p)
{
	struct point **first = isnan(v) ? &name->first_nan : &name->first_inf;

	if (!isfinite(v)) {
		if (!*first)
			take_duty(s, first, p);
		return;
	}
	if (!name->least || v < name->least_value) {
		name->least_value = v;
		take_duty(s, &name->least, p);
	}
	if (!name->greatest || v > name->greatest_value) {
		name->greatest_value = v;
		take_duty(s, &name->greatest, p);
	}
}

/* Copy each numeric value of `values` to p->values and record the value under its name. */
static void point_fill(struct metric_series *s, struct point *p, const json_t *values, bool fresh)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)values, key, value) {
		struct named *name;
		double v;

		if (!json_any_number_get(value, &v) || !(name = name_find(s, key)))
			continue;
		name->newest_value = v;
		name->dirty |= fresh;
		json_object_set(p->values, key, value);
		name_add(s, name, v, p);
	}
}

static struct point *point_new(int64_t i, int64_t n)
{
	struct point *p = calloc(1, sizeof(*p));

	if (p)
		*p = (struct point){.refs = 1, .i = i, .n = n, .values = json_object()};
	return p;
}

static void widen_stride(struct metric_series *s)
{
	while ((s->seen - 1) / s->stride + 1 > STORE_METRIC_SAMPLE_MAX)
		s->stride *= 2;
}

static int series_add(struct metric_series *s, struct point *p, const json_t *values,
		      struct err *reterr)
{
	point_fill(s, p, values, true);
	if (!json_object_size(p->values)) { /* no value is a metric */
		point_unref(p);
		return 0;
	}
	if (buf_put(&s->fresh, &p, sizeof(p)) < 0) {
		point_unref(p);
		return err_errno(reterr, ENOMEM, "keep a metric");
	}
	s->seen++;
	take_duty(s, &s->newest, p);
	widen_stride(s);
	return 0;
}

/* ---- what the database has ---- */

/* True if the database holds no more rows than the sample and the points with duties. A series from
 * before migration 0010 may still have all its points. */
static bool is_thinned(const struct metric_series *s, int64_t rows)
{
	int64_t sample = (s->seen + s->stride - 1) / s->stride;

	return rows <= sample + 1 + 4 * (int64_t)s->names_n;
}

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
			s->seen = p->i + 1;
			point_fill(s, p, values, false);
			take_duty(s, &s->newest, p);
			json_object_clear(p->values);
		}
		point_unref(p);
	}
	/* rows that lost a duty while the series was read stay as they are */
	json_array_clear(s->doomed);
	if (s->seen)
		widen_stride(s);
	s->stride_written = is_thinned(s, rows) ? s->stride : 1;
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
	s = calloc(1, sizeof(*s));
	if (!s || !(s->index = json_object()) || !(s->doomed = json_array()))
		return err_errno(reterr, ENOMEM, "keep a metric");
	buf_init(&s->fresh, SIZE_MAX / 2);
	str_copy(s->job, sizeof(s->job), job);
	s->attempt = attempt;
	s->stride = 1;
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
		r = store_warning_insert(st, s->job, s->attempt, "metrics_thinned",
					 "there are more points of metrics than are kept: an even "
					 "sample, the newest, the extremes and the first NaN stay",
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
	snprintf(text, sizeof(text),
		 "a job has %d names of metrics at most, of %d bytes each: '%.64s' is left out",
		 STORE_METRIC_NAMES_MAX, STORE_METRIC_NAME_BYTES_MAX,
		 json_string_value(s->left_out));
	json_decref(TAKE(s->left_out));
	return store_warning_insert(st, s->job, s->attempt, "metric_names", text,
				    s->newest ? s->newest->at_us : 0, reterr);
}

static int series_flush(struct store *st, struct metric_series *s, struct err *reterr)
{
	int r = 0;

	for (size_t k = 0; r >= 0 && k < fresh_n(s); k++) {
		struct point *p = fresh_at(s, k);

		if (p->duties > 0 || in_sample(s, p))
			r = write_point(st, s, p, reterr);
	}
	fresh_clear(s);
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
