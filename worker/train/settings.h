/* SPDX-License-Identifier: MIT */
/*
 * The settings of a training run. The hyperparameters have the names and defaults of the reference
 * script and of transformers' TrainingArguments. Other values are derived from them and from the
 * data.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/dataset/dataset.h"
#include "worker/train/metrics.h"

#include <stdbool.h>
#include <stdint.h>

#define TRAIN_LOG_POINTS   50 /* metric points of a run if logging_steps is absent … */
#define TRAIN_LOG_MAX_US   (10 * USEC_PER_SEC) /* … and in any case one every 10 s */
#define TRAIN_BATCH_MAX	   65536	       /* rows of an optimiser step, too */
#define TRAIN_SAVE_EPOCHS  (-1)
#define TRAIN_FREEZE_NONE  (-1)
#define TRAIN_LAYERS_MAX   1000 /* of frozen_layers */
#define TRAIN_WEIGHT_MAX   1e6	/* of a class */
#define TRAIN_WARMUP_AUTO  (-1)
#define TRAIN_WARMUP_STEPS 500 /* of the reference script … */
#define TRAIN_WARMUP_PART  10  /* … and at most a tenth of the run */

enum train_bf16 {
	TRAIN_BF16_AUTO = 0,
	TRAIN_BF16_ON,
	TRAIN_BF16_OFF
};

enum train_schedule { /* after the warm-up */
	TRAIN_LINEAR = 0,
	TRAIN_COSINE,
	TRAIN_CONSTANT_WITH_WARMUP
};

enum train_class_weights {
	TRAIN_WEIGHTS_NONE = 0,
	TRAIN_WEIGHTS_BALANCED,
	TRAIN_WEIGHTS_BY_NAME
};

struct train_settings {
	double epochs;	   /* may be a fraction: 0.5 */
	int64_t max_steps; /* 0: `epochs` decides */
	int train_batch_size, eval_batch_size;
	int gradient_accumulation_steps; /* batches of an optimiser step */
	int64_t warmup_steps;		 /* TRAIN_WARMUP_AUTO until train_settings_fit */
	double warmup_ratio;		 /* of the steps; TRAIN_WARMUP_AUTO: not given */
	double learning_rate, weight_decay, max_grad_norm;
	double label_smoothing_factor;
	enum train_schedule lr_scheduler_type;
	enum train_class_weights class_weights;
	const json_t *weights_by_name; /* {"class": weight}; borrowed; NULL: none */
	int frozen_layers;	       /* and the embeddings; TRAIN_FREEZE_NONE: all is trained */
	int64_t seed;
	int64_t max_length; /* 0: rows are not cut; else longer rows are cut */
	enum train_bf16 bf16;
	int64_t logging_steps; /* 0: about TRAIN_LOG_POINTS in the run */
	int64_t eval_steps;    /* 0: only after each epoch */
	int64_t save_steps;    /* 0: no checkpoints; TRAIN_SAVE_EPOCHS: after each epoch */
	int64_t save_total_limit;
	bool load_best_model_at_end;
	const struct metric *metric_for_best_model;
	int64_t early_stopping_patience; /* evaluations; 0: never */
	double early_stopping_threshold;

	int64_t steps_per_epoch, total_steps; /* of the data */
};

extern const char *const train_schedule_names[]; /* by enum train_schedule */

/* -ERR_INVALID, with a JSON pointer, for values out of range. The hyperparameters must outlive
 * *ret. */
int train_settings_parse(const json_t *hyperparameters, struct train_settings *ret,
			 struct err *reterr) MUSTCHECK;
/* -ERR_INVALID for settings that do not fit the labels. */
int train_settings_check(const struct train_settings *s, enum dataset_kind kind,
			 struct err *reterr) MUSTCHECK;
/* The optimiser steps for so many rows, of which an epoch's last one may have fewer batches. The
 * warm-up that follows from it: warmup_steps; else ceil(steps * warmup_ratio), as
 * TrainingArguments.get_warmup_steps; else the smaller one of TRAIN_WARMUP_STEPS and the run's
 * TRAIN_WARMUP_PART, rounded up. */
void train_settings_fit(struct train_settings *s, int64_t rows);
/* The learning rate of step k (0-based), as Trainer's: it rises linearly in the warm-up, then falls
 * to 0 linearly or along half a cosine, or stays. */
double train_learning_rate(const struct train_settings *s, int64_t k);
