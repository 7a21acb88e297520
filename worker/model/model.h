/* SPDX-License-Identifier: MIT */
/*
 * Weights between a Hugging Face model directory and a network.
 */
#pragma once

#include "base/err.h"
#include "worker/model/config.h"
#include "worker/torch/torch.h"

#include <stdbool.h>

struct model_load_options {
	bool new_head; /* True if a missing head is initialised, and a classifier of another size
			  replaced */
	uint64_t seed; /* of that initialisation */
};

struct model_load_result {
	bool new_dense, new_classifier;
};

/* Fill every parameter of `net` (made with c->shape) from the tensors of `dir`. Blocking. The
 * errors of model_tensors(). */
int model_load(const char *dir, const struct model_config *c,
	       const struct model_load_options *options, struct torch_net *net,
	       struct model_load_result *ret, struct err *reterr) MUSTCHECK;
/* Write dir/config.json and dir/model.safetensors, each durably. Blocking. */
int model_save(const char *dir, const struct model_config *c, struct torch_net *net,
	       struct err *reterr) MUSTCHECK;
/* Write one slot of all parameters as a safetensors file, and read it back exactly. Blocking. */
int model_slot_save(const char *path, const struct model_config *c, struct torch_net *net,
		    enum torch_slot slot, struct err *reterr) MUSTCHECK;
int model_slot_load(const char *path, const struct model_config *c, struct torch_net *net,
		    enum torch_slot slot, struct err *reterr) MUSTCHECK;
/* Convert an error of torch/ into 0 or a negative error. */
int model_torch_error(enum torch_code code, const struct torch_error *e, struct err *reterr);
