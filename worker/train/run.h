/* SPDX-License-Identifier: MIT */
/* One training run: what train.c sets up, steps.c drives, and checkpoint.c and result.c save. */
#pragma once

#include "worker/model/model.h"
#include "worker/train/evaluation.h"
#include "worker/train/settings.h"
#include "worker/worker.h"

/* The best evaluation by metric_for_best_model. */
struct train_best {
	int64_t step; /* 0: none yet */
	double value;
	int64_t misses; /* evaluations in a row that were not better by early_stopping_threshold */
};

struct train_run {
	struct worker *w;
	const char
		*model_dir; /* the directory of the model to start from; borrowed from the spec */
	struct train_settings settings;
	struct model_config *config;
	struct torch_net *net;
	struct dataset *train, *test; /* test may be NULL */
	struct rows_view train_rows, test_rows;
	bool bf16, cuda;
	int64_t micro_tokens; /* of the network, as reported */

	int64_t step;	    /* steps done */
	double loss_sum;    /* of all steps done, also those before a resume */
	int64_t started_us; /* of this process's training, and its first step */
	int64_t first_step;
	double grad_norm;
	struct evaluation evaluation; /* the newest */
	int64_t evaluated_step;	      /* 0: none yet */
	int64_t saved_step;	      /* of the newest checkpoint */
	struct train_best best;
};

void train_net_freep(struct torch_net **net);
double train_epoch(const struct train_run *t); /* steps done, in epochs */

/* steps.c: train from t->step to the end, with evaluations, metrics and checkpoints. -ERR_NUMERIC:
 * the loss is not finite. -ERR_CANCELLED: a stop was requested, and a checkpoint is written.
 * -ENOSPC. */
int train_steps(struct train_run *t, struct err *reterr) MUSTCHECK;

/* checkpoint.c: write work/checkpoints/checkpoint-STEP, which is complete once its name exists. The
 * newest save_total_limit are kept, and the best one if it is wanted at the end. -ENOSPC. */
int checkpoint_write(struct train_run *t, struct err *reterr) MUSTCHECK;
/* Check every file of `dir` against its manifest, then load weights, optimiser state and step.
 * -ERR_CORRUPT: a file is damaged. -ERR_CONFLICT: the checkpoint is from a run with other settings
 * or data. */
int checkpoint_load(struct train_run *t, const char *dir, struct err *reterr) MUSTCHECK;

/* Check every file of `dir` against its manifest. -ERR_CORRUPT. */
int checkpoint_verify(const char *dir, struct err *reterr) MUSTCHECK;
/* Make the verified checkpoint `from` of another attempt one of this one's, as `name`: by links, or
 * copied. */
int checkpoint_adopt(const char *from, const char *name, struct err *reterr) MUSTCHECK;
/* Only the weights, of this attempt's own checkpoint of that step. */
int checkpoint_load_weights(struct train_run *t, int64_t step, struct err *reterr) MUSTCHECK;

/* best.c: load_best_model_at_end and early_stopping_patience, as Trainer and its
 * EarlyStoppingCallback have them. */
bool best_is_wanted(const struct train_settings *s);
/* After the evaluation of t->step. True if it is the best so far. */
bool best_update(struct train_run *t);
/* True if early_stopping_patience is at its end. */
bool best_is_final(const struct train_run *t);
/* After checkpoint_load() of `resume`: take over the best model's checkpoint beside it. */
int best_resume(struct train_run *t, const char *resume, struct err *reterr) MUSTCHECK;
/* At the end: the best model and its evaluation, if they are wanted and not the newest. */
int best_restore(struct train_run *t, struct err *reterr) MUSTCHECK;

/* result.c: write work/model (complete once it exists) and work/output. */
int train_save(struct train_run *t, struct err *reterr) MUSTCHECK;
/* parity.c: write model/parity.json of the model saved in `dir`. */
int parity_write(struct train_run *t, const char *dir, struct err *reterr) MUSTCHECK;
