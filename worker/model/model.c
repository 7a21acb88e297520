/* SPDX-License-Identifier: MIT */
/* Loads the tensor of each parameter, or initialises the parameter. */
#include "worker/model/model.h"

#include "base/own.h"
#include "worker/model/tensors.h"

#include <stdlib.h>
#include <string.h>

int model_torch_error(enum torch_code code, const struct torch_error *e, struct err *reterr)
{
	switch (code) {
	case TORCH_OK:
		return 0;
	case TORCH_NO_MEMORY:
		return err_set(reterr, ENOMEM, "out of memory: %s", e->msg);
	case TORCH_DEVICE_OOM:
		return err_set(reterr, ERR_DEVICE_OOM, "the GPU's memory is used up: %s", e->msg);
	case TORCH_DEVICE_ERROR:
		return err_set(reterr, EIO, "the GPU failed: %s", e->msg);
	case TORCH_ERROR:
		break;
	}
	return err_set(reterr, EIO, "libtorch failed: %s", e->msg);
}

struct loading {
	const struct model_config *c;
	const struct model_load_options *options;
	struct torch_net *net;
	struct model_load_result *result;
	float *room;
};

static int init_param(const struct loading *l, enum torch_param kind, struct err *reterr)
{
	size_t n = torch_param_size(&l->c->shape, kind, NULL, NULL);
	bool bias = torch_param_is_vector(kind);
	struct torch_error te;
	enum torch_code code = TORCH_OK;

	if (model_param_is_classifier(kind))
		l->result->new_classifier = true;
	else
		l->result->new_dense = true;
	memset(l->room, 0, n * sizeof(float));
	if (!bias)
		code = torch_normal(l->options->seed * 31 + (uint64_t)kind, l->c->initializer_range,
				    n, l->room, &te);
	if (code == TORCH_OK)
		code = torch_net_put(l->net, TORCH_WEIGHT, kind, 0, l->room, &te);
	return model_torch_error(code, &te, reterr);
}

static int load_param(void *ctx, enum torch_param kind, int layer, const struct st_tensor *tensor,
		      struct err *reterr)
{
	const struct loading *l = ctx;
	struct torch_error te;
	int r;

	if (!tensor)
		return init_param(l, kind, reterr);
	r = st_to_f32(tensor, l->room, reterr);
	if (r < 0)
		return r;
	return model_torch_error(torch_net_put(l->net, TORCH_WEIGHT, kind, layer, l->room, &te),
				 &te, reterr);
}

static size_t largest_param(const struct model_config *c)
{
	size_t most = 0;

	for (int kind = 0; kind < TORCH_PARAM_COUNT; kind++) {
		size_t n = torch_param_size(&c->shape, (enum torch_param)kind, NULL, NULL);

		most = n > most ? n : most;
	}
	return most;
}

int model_load(const char *dir, const struct model_config *c,
	       const struct model_load_options *options, struct torch_net *net,
	       struct model_load_result *ret, struct err *reterr)
{
	OWN(freep) float *room = malloc(largest_param(c) * sizeof(float));
	struct model_load_result ignored;
	struct loading l = {c, options, net, ret ? ret : &ignored, room};

	if (!room)
		return err_errno(reterr, ENOMEM, "load the model in %s", dir);
	*l.result = (struct model_load_result){0};
	return model_tensors(dir, c, options->new_head, load_param, &l, reterr);
}
