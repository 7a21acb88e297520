/* SPDX-License-Identifier: MIT */
/* The rows of each optimiser step, in the order of transformers' Trainer, and their weights. */
#pragma once

#include "worker/torch/torch.h"
#include "worker/train/evaluation.h"
#include "worker/train/settings.h"

struct batches;

/* `v`, its data and `s` (fitted to its rows) are borrowed. -ENOMEM; -ERR_INVALID: class weights
 * that are not those of the model's classes. */
int batches_new(const struct rows_view *v, const struct train_settings *s,
		const struct model_config *c, struct batches **ret, struct err *reterr) MUSTCHECK;
void batches_freep(struct batches **b);
/* The rows of step k (0-based): gradient_accumulation_steps batches, fewer at the end of an epoch.
 * As in Trainer, a step's loss is the mean of its batches' losses. A batch's loss is the mean over
 * its rows, weighted by class_weights. The arrays belong to `b`, until the next call. */
int batches_step(struct batches *b, int64_t k, struct torch_batch *ret,
		 struct err *reterr) MUSTCHECK;
