/* SPDX-License-Identifier: MIT */
/*
 * Points with reference counts and duties, and the rules by which a new point takes a duty over or
 * widens the stride.
 */
#include "storage/write/metric_series.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/store.h"

#include <math.h>
#include <string.h>

void point_unref(struct point *p)
{
	if (!p || --p->refs > 0)
		return;
	json_decref(p->values);
	free(p);
}

bool series_in_sample(const struct metric_series *s, const struct point *p)
{
	return p->i % s->stride == 0;
}

size_t series_fresh_n(const struct metric_series *s)
{
	return s->fresh.len / sizeof(struct point *);
}

struct point *series_fresh_at(const struct metric_series *s, size_t k)
{
	return ((struct point **)(void *)s->fresh.data)[k];
}

void series_fresh_clear(struct metric_series *s)
{
	for (size_t k = 0; k < series_fresh_n(s); k++)
		point_unref(series_fresh_at(s, k));
	buf_clear(&s->fresh);
}

void series_free(struct metric_series *s)
{
	if (!s)
		return;
	series_fresh_clear(s);
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

void series_freep(struct metric_series **s)
{
	series_free(*s);
}

struct metric_series *series_new(const char *job, int attempt)
{
	OWN(series_freep) struct metric_series *s = calloc(1, sizeof(*s));

	if (!s || !(s->index = json_object()) || !(s->doomed = json_array()))
		return NULL;
	buf_init(&s->fresh, SIZE_MAX / 2);
	str_must_copy(s->job, sizeof(s->job), job);
	s->attempt = attempt;
	s->stride = 1;
	return TAKE(s);
}

/* Move the duty in `slot` to p. The previous holder's row is deleted if that was its last duty and
 * it is not in the sample. */
static void take_duty(struct metric_series *s, struct point **slot, struct point *p)
{
	struct point *was = *slot;

	p->refs++;
	p->duties++;
	*slot = p;
	if (was && --was->duties == 0 && was->n && !series_in_sample(s, was))
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

struct point *point_new(int64_t i, int64_t n)
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

int series_add(struct metric_series *s, struct point *p, const json_t *values, struct err *reterr)
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

/* True if the database holds no more rows than the sample and the points with duties. A series from
 * before migration 0010 may still have all its points. */
static bool is_thinned(const struct metric_series *s, int64_t rows)
{
	int64_t sample = (s->seen + s->stride - 1) / s->stride;

	return rows <= sample + 1 + 4 * (int64_t)s->names_n;
}

void series_add_stored(struct metric_series *s, struct point *p, const json_t *values)
{
	s->seen = p->i + 1;
	point_fill(s, p, values, false);
	take_duty(s, &s->newest, p);
	json_object_clear(p->values);
}

void series_settle(struct metric_series *s, int64_t rows)
{
	/* rows that lost a duty while the series was read stay as they are */
	json_array_clear(s->doomed);
	if (s->seen)
		widen_stride(s);
	s->stride_written = is_thinned(s, rows) ? s->stride : 1;
}
