/* SPDX-License-Identifier: MIT */
/*
 * Weights between a Hugging Face model directory and a network: tensor names of each family, base
 * checkpoints (with or without the "bert." prefix, LayerNorm.gamma/beta, other heads), shards.
 */
#pragma once

#include "base/err.h"
#include "worker/model/config.h"
#include "worker/torch/torch.h"

#include <stdbool.h>

#define MODEL_NAME_MAX 160

struct model_load_options {
	bool new_head; /* True if a missing head is initialised, and a classifier of another size
			  replaced */
	uint64_t seed; /* of that initialisation */
};

struct model_load_result {
	bool new_dense, new_classifier;
};

/* Fill every parameter of `net` (made with c->shape) from dir/model.safetensors or its shards.
 * Blocking. -ENOENT: no weights file; -ERR_CORRUPT: damaged; -ERR_INVALID: a tensor is missing or
 * differs in shape from config.json (named). */
int model_load(const char *dir, const struct model_config *c,
	       const struct model_load_options *options, struct torch_net *net,
	       struct model_load_result *ret, struct err *reterr) MUSTCHECK;
/* Check that a training could load the model, without reading its weights. Blocking. The errors of
 * model_load() with new_head. */
int model_check(const char *dir, const struct model_config *c, struct err *reterr) MUSTCHECK;
/* Write dir/config.json and dir/model.safetensors, each durably. Blocking. */
int model_save(const char *dir, const struct model_config *c, struct torch_net *net,
	       struct err *reterr) MUSTCHECK;
/* Write one slot of all parameters as a safetensors file, and read it back exactly. Blocking. */
int model_slot_save(const char *path, const struct model_config *c, struct torch_net *net,
		    enum torch_slot slot, struct err *reterr) MUSTCHECK;
int model_slot_load(const char *path, const struct model_config *c, struct torch_net *net,
		    enum torch_slot slot, struct err *reterr) MUSTCHECK;
/* Write the name that transformers gives a parameter of this family. False if the family has
 * none. */
bool model_param_name(const struct model_config *c, enum torch_param kind, int layer, char *buf,
		      size_t size);
/* Convert an error of torch/ into 0 or a negative error. */
int model_torch_error(enum torch_code code, const struct torch_error *e, struct err *reterr);
