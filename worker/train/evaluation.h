/* SPDX-License-Identifier: MIT */
/* Runs a network over a data set and writes the results. train.c and evaluate.c call this. */
#pragma once

#include "base/err.h"
#include "worker/dataset/dataset.h"
#include "worker/model/config.h"
#include "worker/torch/torch.h"
#include "worker/train/metrics.h"
#include "worker/worker.h"

#include <stdint.h>

/* A data set as the network sees it: rows cut to max_length (0: uncut), lengths as int32. */
struct rows_view {
	const struct dataset *data;
	int32_t *lengths;
	int64_t tokens; /* after cutting */
	int64_t longest;
};

int rows_view_make(const struct dataset *d, int64_t max_length, struct rows_view *ret,
		   struct err *reterr) MUSTCHECK;
void rows_view_done(struct rows_view *v);
/* Check ids, types, labels and lengths against the model; `what` is "train" or "test".
 * -ERR_INVALID. */
int rows_view_check(const struct rows_view *v, const struct model_config *c, const char *what,
		    struct err *reterr) MUSTCHECK;

struct evaluation {
	struct metrics_values values;
	double seconds;
	int64_t batches;
};

/* Evaluate the whole data set in batches, and report progress as phase "evaluate". -ERR_CANCELLED
 * if a stop was requested. */
int evaluate_rows(struct worker *w, struct torch_net *net, const struct rows_view *v,
		  const struct model_config *c, double label_smoothing, int batch_size,
		  struct evaluation *ret, struct err *reterr) MUSTCHECK;
/* {"eval_loss": …, "eval_accuracy": …, …} with Trainer's names; epoch NaN: none. */
json_t *evaluation_json(const struct evaluation *e, double epoch);
/* Write the numbers as sorted "key = value" lines, and all values as JSON. Both files are
 * durable. */
int evaluation_write(int work_at, const json_t *values, struct err *reterr) MUSTCHECK;
