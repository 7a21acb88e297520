/* SPDX-License-Identifier: MIT */
/* Keeps logits and targets, and computes the metrics of several classes a row from them. */
#include "base/own.h"
#include "worker/train/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct multi_label {
	int64_t rows, cap;
	int classes;
	float *logits, *targets; /* rows * classes */
};

/* Of one class, or of all together. */
struct counts {
	int64_t hits, predicted, actual;
};

static void multi_label_free(struct multi_label *m)
{
	if (!m)
		return;
	free(m->logits);
	free(m->targets);
	free(m);
}

void multi_label_freep(struct multi_label **m)
{
	multi_label_free(*m);
}

struct multi_label *multi_label_new(int64_t rows, int classes)
{
	struct multi_label *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->cap = rows;
	m->classes = classes;
	m->logits = calloc((size_t)rows + 1, (size_t)classes * sizeof(*m->logits));
	m->targets = calloc((size_t)rows + 1, (size_t)classes * sizeof(*m->targets));
	if (!m->logits || !m->targets) {
		multi_label_free(m);
		return NULL;
	}
	return m;
}

void multi_label_add(struct multi_label *m, const float *logits, const float *target)
{
	size_t n = (size_t)m->classes;

	assert(m->rows < m->cap);
	memcpy(m->logits + (size_t)m->rows * n, logits, n * sizeof(*logits));
	memcpy(m->targets + (size_t)m->rows * n, target, n * sizeof(*target));
	m->rows++;
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static double f1_of(const struct counts *c)
{
	return ratio(2 * (double)c->hits, (double)(c->predicted + c->actual));
}

struct scored {
	float logit;
	bool applies;
};

static int by_logit(const void *a, const void *b)
{
	float x = ((const struct scored *)a)->logit, y = ((const struct scored *)b)->logit;

	return x < y ? -1 : x > y;
}

/* The area under the curve of the sorted ones: the part of all pairs of one that applies and one
 * that does not in which the first has the greater logit; equal ones count half. NaN if there is no
 * such pair. */
static double area(const struct scored *s, int64_t n)
{
	double pairs = 0, below = 0, applying = 0;

	for (int64_t first = 0, end; first < n; first = end) {
		double yes = 0, no = 0;

		for (end = first; end < n && s[end].logit == s[first].logit; end++) {
			yes += s[end].applies;
			no += !s[end].applies;
		}
		pairs += yes * (below + no / 2);
		below += no;
		applying += yes;
	}
	return applying > 0 && below > 0 ? pairs / (applying * below) : NAN;
}

/* Of the class, or of all together if it is -1. */
static double area_of(const struct multi_label *m, int class, struct scored *room)
{
	int64_t from = class < 0 ? 0 : class, step = class < 0 ? 1 : m->classes, n = 0;

	for (int64_t i = from; i < m->rows * m->classes; i += step)
		room[n++] = (struct scored){m->logits[i], m->targets[i] > 0};
	qsort(room, (size_t)n, sizeof(*room), by_logit);
	return area(room, n);
}

static int roc_auc(const struct multi_label *m, struct metrics_values *ret)
{
	OWN(freep)
	struct scored *room = calloc((size_t)m->rows * (size_t)m->classes + 1, sizeof(*room));

	if (!room)
		return -ENOMEM;
	ret->roc_auc_micro = area_of(m, -1, room);
	for (int i = 0; i < m->classes; i++)
		ret->roc_auc_macro += area_of(m, i, room) / m->classes;
	return 0;
}

/* Count the row; returns its mean loss. */
static double add_row(const struct multi_label *m, int64_t row, struct counts *counts,
		      bool *ret_right)
{
	double loss = 0;

	*ret_right = true;
	for (int i = 0; i < m->classes; i++) {
		double x = (double)m->logits[row * m->classes + i];
		bool applies = m->targets[row * m->classes + i] > 0, predicted = x > 0;

		loss += fmax(x, 0) - x * applies + log1p(exp(-fabs(x)));
		counts[i].hits += predicted && applies;
		counts[i].predicted += predicted;
		counts[i].actual += applies;
		*ret_right = *ret_right && predicted == applies;
	}
	return loss / m->classes;
}

int multi_label_values(const struct multi_label *m, struct metrics_values *ret)
{
	OWN(freep) struct counts *counts = calloc((size_t)m->classes, sizeof(*counts));
	struct counts all = {0};
	int64_t right = 0;

	if (!counts)
		return -ENOMEM;
	*ret = (struct metrics_values){.rows = m->rows, .kind = DATASET_VECTORS};
	for (int64_t row = 0; row < m->rows; row++) {
		bool is_right;

		ret->loss += add_row(m, row, counts, &is_right);
		right += is_right;
	}
	for (int i = 0; i < m->classes; i++) {
		all.hits += counts[i].hits;
		all.predicted += counts[i].predicted;
		all.actual += counts[i].actual;
		ret->f1_macro += f1_of(&counts[i]) / m->classes;
	}
	ret->loss = ratio(ret->loss, (double)m->rows);
	ret->accuracy = ratio((double)right, (double)m->rows);
	ret->f1_micro = f1_of(&all);
	ret->precision_micro = ratio((double)all.hits, (double)all.predicted);
	ret->recall_micro = ratio((double)all.hits, (double)all.actual);
	return roc_auc(m, ret);
}
