/* SPDX-License-Identifier: MIT */
/*
 * config.json of a Hugging Face model directory: family, sizes, labels. Unknown keys are kept and
 * written back.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/model/classifier.h"
#include "worker/model/family.h"
#include "worker/torch/shape.h"

#define MODEL_LABELS_MAX 10000

struct model_config {
	json_t *source; /* config.json as read */
	const struct model_family *family;
	struct torch_shape shape; /* shape.labels is the number of labels */
	float initializer_range;
	char **labels; /* shape.labels names; always set */
	enum model_problem problem;
};

/* Read dir/config.json. Free *ret with model_config_free(). -ENOENT; -ERR_INVALID: broken, or not a
 * classifier (or its base model) of a family that this engine can run; the message names the key.
 */
int model_config_load(const char *dir, struct model_config **ret, struct err *reterr) MUSTCHECK;
void model_config_free(struct model_config *c);
void model_config_freep(struct model_config **c);
/* The longest row of tokens that the model has positions for. */
int model_config_max_tokens(const struct model_config *c);
/* Make it a model of `problem` with n labels. names NULL: LABEL_0, LABEL_1, … */
int model_config_set_problem(struct model_config *c, enum model_problem problem, int n,
			     const char *const *names, struct err *reterr) MUSTCHECK;
/* The text of config.json for the trained model, as transformers 5 writes it. The caller frees it.
 * NULL: out of memory. */
char *model_config_text(const struct model_config *c);
