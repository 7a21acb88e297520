/* SPDX-License-Identifier: MIT */
/*
 * The metrics of one attempt in memory: which points are kept. At most STORE_METRIC_SAMPLE_MAX
 * points are an even sample (every 1st, 2nd, 4th, … point). The newest point is always kept. So are
 * for each name the points with the least and greatest value, the first NaN and the first infinity.
 * Does not touch the database: metric.c reads and writes the rows.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "storage/store.h"

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

/* Returns NULL if memory is out. */
struct metric_series *series_new(const char *job, int attempt);
void series_free(struct metric_series *s);
void series_freep(struct metric_series **s);

/* Make point number i of the attempt, with row n; one reference. Returns NULL if memory is out. */
struct point *point_new(int64_t i, int64_t n);
void point_unref(struct point *p);

/* Add a new point with those of `values` that are metrics. Takes p over. */
int series_add(struct metric_series *s, struct point *p, const json_t *values,
	       struct err *reterr) MUSTCHECK;
/* Add a point that has a row already; call it in the order of the rows. */
void series_add_stored(struct metric_series *s, struct point *p, const json_t *values);
/* After all `rows` stored points: note whether the rows still have to be thinned. */
void series_settle(struct metric_series *s, int64_t rows);

/* True if p belongs to the even sample. */
bool series_in_sample(const struct metric_series *s, const struct point *p);
/* The new points of this transaction, in order. */
size_t series_fresh_n(const struct metric_series *s);
struct point *series_fresh_at(const struct metric_series *s, size_t k);
void series_fresh_clear(struct metric_series *s);
