/* SPDX-License-Identifier: MIT */
/*
 * Metrics as scikit-learn computes them. Of classes: accuracy, and precision, recall and f1 of
 * class 1 for two classes (average="binary"), unweighted means over the classes that occur
 * beyond (average="macro"); a division by zero is 0. Of numbers: mse, rmse, mae, r2, and the
 * coefficients of pearson and spearman as scipy computes them, NaN where it says so. Of several
 * classes a row: a class applies if its logit is above 0; accuracy counts the rows whose classes
 * are all right; micro counts all classes together, macro is the mean over them; roc_auc is NaN
 * where scikit-learn says so.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/dataset/dataset.h"

#include <stdint.h>

struct metrics;

struct metrics_values {
	double loss; /* mean cross entropy over the rows, with smoothed labels if requested; of
		      * numbers the mean squared error; of several classes a row the mean binary
		      * cross entropy */
	enum dataset_kind kind;
	double accuracy, f1, precision, recall;
	double f1_micro, f1_macro, precision_micro, recall_micro; /* of several classes a row */
	double roc_auc_micro, roc_auc_macro;
	double mse, rmse, mae, r2, pearson, spearman; /* of numbers */
	int64_t rows;
};

/* A metric of struct metrics_values. */
struct metric {
	const char *name; /* without "eval_" */
	size_t at;	  /* its offset */
	unsigned kinds;	  /* 1 << enum dataset_kind of the labels that have it */
	bool less_is_better;
};

extern const struct metric metrics_all[];
extern const size_t metrics_all_n;
const struct metric *metric_find(const char *name); /* NULL: there is none */
bool metric_applies(const struct metric *m, enum dataset_kind kind);
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

/* ---- of several classes a row: multi_label.c ---- */

struct multi_label;

/* For that many rows. NULL if memory is out. */
struct multi_label *multi_label_new(int64_t rows, int classes);
void multi_label_freep(struct multi_label **m);
/* Add one row: a logit and a 0 or 1 for each class. */
void multi_label_add(struct multi_label *m, const float *logits, const float *target);
/* -ENOMEM. */
int multi_label_values(const struct multi_label *m, struct metrics_values *ret);
