/* SPDX-License-Identifier: MIT */
/*
 * The tensors of a Hugging Face model directory, for the parameters that its config.json asks for:
 * names of each family, base checkpoints (with or without the "bert." prefix,
 * LayerNorm.gamma/beta, other heads), shards. Needs no libtorch.
 */
#pragma once

#include "base/err.h"
#include "worker/model/config.h"
#include "worker/model/safetensors.h"
#include "worker/torch/shape.h"

#include <stdbool.h>

#define MODEL_NAME_MAX 160

/* Called for each parameter. `tensor` has the shape that config.json needs. NULL: there is none, so
 * initialise the parameter. Return 0 or a negative error. */
typedef int (*model_tensor_fn)(void *ctx, enum torch_param kind, int layer,
			       const struct st_tensor *tensor, struct err *reterr);

/* Open dir/model.safetensors or its shards, and call `fn` (NULL: only check) for every parameter of
 * every layer that the family has. With new_head, a missing head is to be initialised, and a
 * classifier of another size, too. Blocking; without `fn` no weights are read. -ENOENT: no weights
 * file; -ERR_CORRUPT: damaged; -ERR_INVALID: a tensor is missing or differs in shape from
 * config.json (named). */
int model_tensors(const char *dir, const struct model_config *c, bool new_head, model_tensor_fn fn,
		  void *ctx, struct err *reterr) MUSTCHECK;
/* Write the name that transformers gives a parameter of this family. False if the family has
 * none. */
bool model_param_name(const struct model_config *c, enum torch_param kind, int layer, char *buf,
		      size_t size);
bool model_param_is_classifier(enum torch_param kind);
