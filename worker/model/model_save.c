/* SPDX-License-Identifier: MIT */
/* Writing a network's parameters: the model directory, and single slots for checkpoints. */
#include "base/fileio.h"
#include "base/own.h"
#include "worker/model/model.h"
#include "worker/model/safetensors.h"
#include "worker/model/tensors.h"

#include <limits.h>
#include <string.h>

struct saving {
	const struct model_config *c;
	struct torch_net *net;
	enum torch_slot slot;
	struct st_source *sources;
	char (*names)[MODEL_NAME_MAX];
	size_t n;
};

static void saving_done(struct saving *s)
{
	free(s->sources);
	free(s->names);
}

/* index is kind * layers + layer */
static int fill(void *ctx, size_t index, void *to, struct err *reterr)
{
	const struct saving *s = ctx;
	size_t layers = (size_t)s->c->shape.layers;
	struct torch_error te;

	return model_torch_error(torch_net_get(s->net, s->slot, (enum torch_param)(index / layers),
					       (int)(index % layers), to, &te),
				 &te, reterr);
}

static void add_source(struct saving *s, enum torch_param kind, int layer)
{
	struct st_source *to = &s->sources[s->n];
	int rows, columns;

	if (s->slot != TORCH_WEIGHT && !torch_net_trains(s->net, kind, layer))
		return;
	if (!model_param_name(s->c, kind, layer, s->names[s->n], MODEL_NAME_MAX))
		return;
	torch_param_size(&s->c->shape, kind, &rows, &columns);
	to->name = s->names[s->n];
	to->dtype = ST_F32;
	to->dims = torch_param_is_vector(kind) ? 1 : 2;
	to->shape[0] = to->dims == 1 ? columns : rows;
	to->shape[1] = columns;
	to->fill = fill;
	to->ctx = s;
	to->index = (size_t)kind * (size_t)s->c->shape.layers + (size_t)layer;
	s->n++;
}

int model_slot_save(const char *path, const struct model_config *c, struct torch_net *net,
		    enum torch_slot slot, struct err *reterr)
{
	OWN(saving_done) struct saving s = {.c = c, .net = net, .slot = slot};
	size_t most = (size_t)TORCH_PARAM_COUNT * (size_t)c->shape.layers;

	s.sources = calloc(most, sizeof(*s.sources));
	s.names = calloc(most, sizeof(*s.names));
	if (!s.sources || !s.names)
		return err_errno(reterr, ENOMEM, "write %s", path);
	for (int kind = 0; kind < TORCH_PARAM_COUNT; kind++) {
		int layers = torch_param_is_layered((enum torch_param)kind) ? c->shape.layers : 1;

		for (int layer = 0; layer < layers; layer++)
			add_source(&s, (enum torch_param)kind, layer);
	}
	return safetensors_write(path, s.sources, s.n, reterr);
}

static int load_one(const struct safetensors *file, const struct model_config *c,
		    struct torch_net *net, enum torch_slot slot, enum torch_param kind, int layer,
		    struct err *reterr)
{
	char name[MODEL_NAME_MAX];
	const struct st_tensor *t;
	struct torch_error te;

	if (slot != TORCH_WEIGHT && !torch_net_trains(net, kind, layer))
		return 0;
	if (!model_param_name(c, kind, layer, name, sizeof(name)))
		return 0;
	t = safetensors_find(file, name);
	if (!t || t->dtype != ST_F32 ||
	    t->size_bytes != torch_param_size(&c->shape, kind, NULL, NULL) * sizeof(float))
		return err_set(reterr, ERR_CORRUPT,
			       "the network has no tensor '%s' of the right size", name);

	OWN(freep) float *room = malloc(t->size_bytes);

	if (!room)
		return err_errno(reterr, ENOMEM, "read tensor '%s'", name);
	memcpy(room, t->data, t->size_bytes);
	return model_torch_error(torch_net_put(net, slot, kind, layer, room, &te), &te, reterr);
}

int model_slot_load(const char *path, const struct model_config *c, struct torch_net *net,
		    enum torch_slot slot, struct err *reterr)
{
	OWN(safetensors_closep) struct safetensors *file = NULL;
	int r = safetensors_open(path, &file, reterr);

	if (r < 0)
		return r;
	for (int kind = 0; kind < TORCH_PARAM_COUNT; kind++) {
		int layers = torch_param_is_layered((enum torch_param)kind) ? c->shape.layers : 1;

		for (int layer = 0; layer < layers; layer++) {
			r = load_one(file, c, net, slot, (enum torch_param)kind, layer, reterr);
			if (r < 0)
				return err_ctx(reterr, r, "%s", path);
		}
	}
	return 0;
}

int model_save(const char *dir, const struct model_config *c, struct torch_net *net,
	       struct err *reterr)
{
	OWN(freep) char *text = model_config_text(c);
	char path[PATH_MAX];
	int r;

	if (!text)
		return err_errno(reterr, ENOMEM, "save the model in %s", dir);
	if (!path_join(path, sizeof(path), dir, "model.safetensors"))
		return err_errno(reterr, ENAMETOOLONG, "save the model in %s", dir);
	r = model_slot_save(path, c, net, TORCH_WEIGHT, reterr);
	if (r < 0)
		return r;
	if (!path_join(path, sizeof(path), dir, "config.json"))
		return err_errno(reterr, ENAMETOOLONG, "save the model in %s", dir);
	return file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, reterr);
}
