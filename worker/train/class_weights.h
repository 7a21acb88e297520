/* SPDX-License-Identifier: MIT */
/* The weight of each class in the training's loss. */
#pragma once

#include "base/err.h"
#include "worker/dataset/dataset.h"
#include "worker/model/config.h"
#include "worker/train/settings.h"

/* A new array with one weight for each class of the model; NULL: all are 1. Balanced weights are
 * those of scikit-learn: rows / (classes with rows * rows of the class). Weights by name must name
 * each class of the model and no other. -ERR_INVALID, -ENOMEM. */
int class_weights_make(const struct train_settings *s, const struct dataset *d,
		       const struct model_config *c, float **ret, struct err *reterr) MUSTCHECK;
