/* SPDX-License-Identifier: MIT */
/* Keeps predictions and targets, and computes the metrics of numbers from them. */
#include "base/own.h"
#include "worker/train/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

struct regression {
	int64_t rows, cap;
	double *predicted, *target;
};

static void regression_free(struct regression *g)
{
	if (!g)
		return;
	free(g->predicted);
	free(g->target);
	free(g);
}

void regression_freep(struct regression **g)
{
	regression_free(*g);
}

struct regression *regression_new(int64_t rows)
{
	struct regression *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->cap = rows;
	g->predicted = calloc((size_t)rows + 1, sizeof(*g->predicted));
	g->target = calloc((size_t)rows + 1, sizeof(*g->target));
	if (!g->predicted || !g->target) {
		regression_free(g);
		return NULL;
	}
	return g;
}

void regression_add(struct regression *g, float predicted, float target)
{
	assert(g->rows < g->cap);
	g->predicted[g->rows] = (double)predicted;
	g->target[g->rows++] = (double)target;
}

static double mean_of(const double *x, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += x[i];
	return sum / (double)n;
}

/* Pearson's coefficient; NaN if a side is constant or there are fewer than two rows. */
static double correlation(const double *x, const double *y, int64_t n)
{
	double mean_x = mean_of(x, n), mean_y = mean_of(y, n), xy = 0, xx = 0, yy = 0;

	for (int64_t i = 0; i < n; i++) {
		xy += (x[i] - mean_x) * (y[i] - mean_y);
		xx += (x[i] - mean_x) * (x[i] - mean_x);
		yy += (y[i] - mean_y) * (y[i] - mean_y);
	}
	if (n < 2 || !(xx > 0) || !(yy > 0))
		return NAN;
	return fmax(-1, fmin(1, xy / (sqrt(xx) * sqrt(yy))));
}

struct ranked {
	double value;
	int64_t row;
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

	return x < y ? -1 : x > y;
}

/* ranks[row], from 1; equal values share the mean of their ranks. */
static int rank(const double *x, int64_t n, double *ranks)
{
	OWN(freep) struct ranked *sorted = calloc((size_t)n + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (int64_t i = 0; i < n; i++)
		sorted[i] = (struct ranked){x[i], i};
	qsort(sorted, (size_t)n, sizeof(*sorted), by_value);
	for (int64_t first = 0, end; first < n; first = end) {
		end = first + 1;
		while (end < n && by_value(&sorted[first], &sorted[end]) == 0)
			end++;
		for (int64_t i = first; i < end; i++)
			ranks[sorted[i].row] = (double)(first + 1 + end) / 2;
	}
	return 0;
}

static int rank_correlation(const struct regression *g, double *ret)
{
	OWN(freep) double *x = calloc((size_t)g->rows + 1, sizeof(*x));
	OWN(freep) double *y = calloc((size_t)g->rows + 1, sizeof(*y));

	if (!x || !y || rank(g->predicted, g->rows, x) < 0 || rank(g->target, g->rows, y) < 0)
		return -ENOMEM;
	*ret = correlation(x, y, g->rows);
	return 0;
}

/* As sklearn.metrics.r2_score: constant targets give 1 if all are met, else 0; one row gives NaN.
 */
static double r2_of(double squares, double spread, int64_t rows)
{
	if (rows < 2)
		return NAN;
	if (spread > 0)
		return 1 - squares / spread;
	return squares > 0 ? 0 : 1;
}

int regression_values(const struct regression *g, struct metrics_values *ret)
{
	double squares = 0, differences = 0, spread = 0, mean = mean_of(g->target, g->rows);

	*ret = (struct metrics_values){.rows = g->rows, .kind = DATASET_NUMBERS};
	for (int64_t i = 0; i < g->rows; i++) {
		double d = g->predicted[i] - g->target[i];

		squares += d * d;
		differences += fabs(d);
		spread += (g->target[i] - mean) * (g->target[i] - mean);
	}
	ret->loss = ret->mse = squares / (double)g->rows;
	ret->rmse = sqrt(ret->mse);
	ret->mae = differences / (double)g->rows;
	ret->r2 = r2_of(squares, spread, g->rows);
	ret->pearson = correlation(g->predicted, g->target, g->rows);
	return rank_correlation(g, &ret->spearman);
}
