/* SPDX-License-Identifier: MIT */
/* Counts hits by class, and computes the metrics from the counts. */
#include "worker/train/metrics.h"

#include <math.h>
#include <stdlib.h>

struct metrics {
	int classes;
	int64_t rows, correct;
	double loss, label_smoothing;
	int64_t *hits, *predicted, *actual; /* per class */
};

struct metrics *metrics_new(int classes, double label_smoothing)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->classes = classes;
	m->label_smoothing = label_smoothing;
	m->hits = calloc((size_t)classes * 3, sizeof(*m->hits));
	if (!m->hits) {
		free(m);
		return NULL;
	}
	m->predicted = m->hits + classes;
	m->actual = m->predicted + classes;
	return m;
}

static void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	free(m->hits);
	free(m);
}

void metrics_freep(struct metrics **m)
{
	metrics_free(*m);
}

void metrics_add(struct metrics *m, const float *logits, int64_t label)
{
	double top = (double)logits[0], sum = 0, mean = 0, smoothing = m->label_smoothing;
	int best = 0;

	for (int i = 1; i < m->classes; i++)
		if ((double)logits[i] > top) {
			top = (double)logits[i];
			best = i;
		}
	for (int i = 0; i < m->classes; i++) {
		sum += exp((double)logits[i] - top);
		mean += (double)logits[i] / m->classes;
	}
	m->loss += log(sum) + top - (1 - smoothing) * (double)logits[label] - smoothing * mean;
	m->rows++;
	m->correct += best == label;
	m->hits[label] += best == label;
	m->predicted[best]++;
	m->actual[label]++;
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

void metrics_values(const struct metrics *m, struct metrics_values *ret)
{
	int first = m->classes == 2 ? 1 : 0, seen = 0;

	*ret = (struct metrics_values){.rows = m->rows};
	ret->loss = ratio(m->loss, (double)m->rows);
	ret->accuracy = ratio((double)m->correct, (double)m->rows);
	for (int i = first; i < m->classes; i++) {
		double hits = (double)m->hits[i];
		double predicted = (double)m->predicted[i], actual = (double)m->actual[i];

		if (m->classes > 2 && predicted + actual <= 0)
			continue;
		seen++;
		ret->precision += ratio(hits, predicted);
		ret->recall += ratio(hits, actual);
		ret->f1 += ratio(2 * hits, predicted + actual);
	}
	ret->precision = ratio(ret->precision, seen);
	ret->recall = ratio(ret->recall, seen);
	ret->f1 = ratio(ret->f1, seen);
}
