/* SPDX-License-Identifier: MIT */
/*
 * Classification metrics as scikit-learn computes them: accuracy, and precision, recall and f1 of
 * class 1 for two classes (average="binary"), unweighted means over the classes that occur
 * beyond (average="macro"); a division by zero is 0.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

struct metrics;

struct metrics_values {
	double loss; /* mean cross entropy over the rows, with smoothed labels if requested */
	double accuracy, f1, precision, recall;
	int64_t rows;
};

/* NULL if memory is out. label_smoothing: the loss is that of Trainer's label_smoothing_factor; 0:
 * none. */
struct metrics *metrics_new(int classes, double label_smoothing);
void metrics_freep(struct metrics **m);
/* Add one row: its logits (one for each class) and its label. */
void metrics_add(struct metrics *m, const float *logits, int64_t label);
void metrics_values(const struct metrics *m, struct metrics_values *ret);
