/* SPDX-License-Identifier: MIT */
/*
 * The table of Trainer's metrics, with two expressions for each: of finite numbers, and of all
 * numbers.
 */
#include "jobs/trainer_metrics.h"

#include "base/own.h"

/* {'loss': 0.69, …} of transformers 4 and {'loss': '0.69', …} of 5. */
#define TRAINER(name)                                                                          \
	{                                                                                      \
		name, "'" name "': '?([0-9.eE+-]+)", "'" name "': '?(-?nan|-?inf|[0-9.eE+-]+)" \
	}

const struct trainer_metric trainer_metrics[] = {
	TRAINER("loss"),
	TRAINER("grad_norm"),
	TRAINER("learning_rate"),
	TRAINER("epoch"),
	TRAINER("eval_loss"),
	TRAINER("eval_accuracy"),
	TRAINER("eval_f1"),
	TRAINER("eval_precision"),
	TRAINER("eval_recall"),
	TRAINER("eval_runtime"),
	TRAINER("eval_samples_per_second"),
	TRAINER("train_runtime"),
	TRAINER("train_samples_per_second"),
	TRAINER("train_steps_per_second"),
	TRAINER("train_loss"),
};
const size_t trainer_metrics_n = ARRAY_LEN(trainer_metrics);
