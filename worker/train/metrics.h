/* SPDX-License-Identifier: MIT */
/*
 * Metrics as scikit-learn computes them. Of classes: accuracy, and precision, recall and f1 of
 * class 1 for two classes (average="binary"), unweighted means over the classes that occur
 * beyond (average="macro"); a division by zero is 0. Of numbers: mse, rmse, mae, r2, and the
 * coefficients of pearson and spearman as scipy computes them, NaN where it says so.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

struct metrics;

struct metrics_values {
	double loss; /* mean cross entropy over the rows, with smoothed labels if requested; of
		      * numbers the mean squared error */
	bool of_numbers;
	double accuracy, f1, precision, recall;
	double mse, rmse, mae, r2, pearson, spearman; /* of numbers */
	int64_t rows;
};

/* A metric of struct metrics_values. */
struct metric {
	const char *name; /* without "eval_" */
	size_t at;	  /* its offset */
	bool of_classes, of_numbers, less_is_better;
};

extern const struct metric metrics_all[];
extern const size_t metrics_all_n;
const struct metric *metric_find(const char *name); /* NULL: there is none */
bool metric_applies(const struct metric *m, bool of_numbers);
double metric_value(const struct metric *m, const struct metrics_values *v);

/* NULL if memory is out. label_smoothing: the loss is that of Trainer's label_smoothing_factor; 0:
 * none. */
struct metrics *metrics_new(int classes, double label_smoothing);
void metrics_freep(struct metrics **m);
/* Add one row: its logits (one for each class) and its label. */
void metrics_add(struct metrics *m, const float *logits, int64_t label);
void metrics_values(const struct metrics *m, struct metrics_values *ret);

/* ---- of numbers: regression.c ---- */

struct regression;

/* For that many rows. NULL if memory is out. */
struct regression *regression_new(int64_t rows);
void regression_freep(struct regression **g);
void regression_add(struct regression *g, float predicted, float target);
/* -ENOMEM. */
int regression_values(const struct regression *g, struct metrics_values *ret);
