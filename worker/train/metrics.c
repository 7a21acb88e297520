/* SPDX-License-Identifier: MIT */
/* The list of metrics. Counts hits by class, and computes the metrics of classes from the counts.
 */
#include "worker/train/metrics.h"

#include "base/own.h"
#include "base/str.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#define AT(name) offsetof(struct metrics_values, name)

enum {
	CLASSES = 1 << DATASET_CLASSES,
	NUMBERS = 1 << DATASET_NUMBERS,
	VECTORS = 1 << DATASET_VECTORS
};

const struct metric metrics_all[] = {
	{"loss", AT(loss), CLASSES | NUMBERS | VECTORS, true},
	{"accuracy", AT(accuracy), CLASSES | VECTORS, false},
	{"f1", AT(f1), CLASSES, false},
	{"precision", AT(precision), CLASSES, false},
	{"recall", AT(recall), CLASSES, false},
	{"mse", AT(mse), NUMBERS, true},
	{"rmse", AT(rmse), NUMBERS, true},
	{"mae", AT(mae), NUMBERS, true},
	{"r2", AT(r2), NUMBERS, false},
	{"pearson", AT(pearson), NUMBERS, false},
	{"spearman", AT(spearman), NUMBERS, false},
	{"f1_micro", AT(f1_micro), VECTORS, false},
	{"f1_macro", AT(f1_macro), VECTORS, false},
	{"precision_micro", AT(precision_micro), VECTORS, false},
	{"recall_micro", AT(recall_micro), VECTORS, false},
	{"roc_auc_micro", AT(roc_auc_micro), VECTORS, false},
	{"roc_auc_macro", AT(roc_auc_macro), VECTORS, false},
};
const size_t metrics_all_n = ARRAY_LEN(metrics_all);

const struct metric *metric_find(const char *name)
{
	for (size_t i = 0; i < metrics_all_n; i++)
		if (str_eq(metrics_all[i].name, name))
			return &metrics_all[i];
	return NULL;
}

bool metric_applies(const struct metric *m, enum dataset_kind kind)
{
	return m->kinds >> kind & 1;
}

double metric_value(const struct metric *m, const struct metrics_values *v)
{
	return *(const double *)((const char *)v + m->at);
}

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
