/* SPDX-License-Identifier: MIT */
/* One training run: what train.c sets up, steps.c drives, and checkpoint.c and result.c save. */
#pragma once

#include "worker/model/model.h"
#include "worker/train/evaluation.h"
#include "worker/train/settings.h"
#include "worker/worker.h"

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

	int64_t step;	    /* steps done */
	double loss_sum;    /* of all steps done, also those before a resume */
	int64_t started_us; /* of this process's training, and its first step */
	int64_t first_step;
	double grad_norm;
	struct evaluation evaluation; /* the newest */
	int64_t evaluated_step;	      /* 0: none yet */
	int64_t saved_step;	      /* of the newest checkpoint */
};

void train_net_freep(struct torch_net **net);
double train_epoch(const struct train_run *t); /* steps done, in epochs */

/* steps.c: train from t->step to the end, with evaluations, metrics and checkpoints. -ERR_NUMERIC:
 * the loss is not finite. -ERR_CANCELLED: a stop was requested, and a checkpoint is written.
 * -ENOSPC. */
int train_steps(struct train_run *t, struct err *reterr) MUSTCHECK;

/* checkpoint.c: write work/checkpoints/checkpoint-STEP, which is complete once its name exists. The
 * newest two are kept. -ENOSPC. */
int checkpoint_write(struct train_run *t, struct err *reterr) MUSTCHECK;
/* Check every file of `dir` against its manifest, then load weights, optimiser state and step.
 * -ERR_CORRUPT: a file is damaged. -ERR_CONFLICT: the checkpoint is from a run with other settings
 * or data. */
int checkpoint_load(struct train_run *t, const char *dir, struct err *reterr) MUSTCHECK;

/* result.c: write work/model (complete once it exists) and work/output. */
int train_save(struct train_run *t, struct err *reterr) MUSTCHECK;
/* parity.c: write model/parity.json of the model saved in `dir`. */
int parity_write(struct train_run *t, const char *dir, struct err *reterr) MUSTCHECK;
