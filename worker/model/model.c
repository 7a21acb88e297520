/* SPDX-License-Identifier: MIT */
/* Finds the tensor of each parameter, and loads, checks or initialises it. */
#include "worker/model/model.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/model/weights.h"

#include <limits.h>
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

bool model_param_name(const struct model_config *c, enum torch_param kind, int layer, char *buf,
		      size_t size)
{
	const char *name = c->family->names[kind];
	const char *number = name ? strstr(name, "%d") : NULL;
	int n;

	if (!name || !torch_param_size(&c->shape, kind, NULL, NULL))
		return false;
	if (number)
		n = snprintf(buf, size, "%.*s%d%s", (int)(number - name), name, layer, number + 2);
	else
		n = snprintf(buf, size, "%s", name);
	return n > 0 && (size_t)n < size;
}

/* Find a tensor by its name, also without the family's prefix, and by the old names of
 * LayerNorm. */
static const struct st_tensor *find_any(const struct weights *w, const struct model_family *f,
					const char *name)
{
	static const char *const old[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
					     {"LayerNorm.bias", "LayerNorm.beta"}};
	const struct st_tensor *t = weights_find(w, name);
	char changed[MODEL_NAME_MAX];

	if (!t && str_starts(name, f->prefix))
		t = find_any(w, f, name + strlen(f->prefix));
	for (size_t i = 0; !t && i < ARRAY_LEN(old); i++)
		if (str_ends(name, old[i][0])) {
			str_must_format(changed, sizeof(changed), "%.*s%s",
					(int)(strlen(name) - strlen(old[i][0])), name, old[i][1]);
			t = find_any(w, f, changed);
		}
	return t;
}

static bool shape_is(const struct st_tensor *t, enum torch_param kind, int rows, int columns)
{
	if (torch_param_is_vector(kind))
		return t->dims == 1 && t->shape[0] == columns;
	return t->dims == 2 && t->shape[0] == rows && t->shape[1] == columns;
}

static bool is_head(enum torch_param kind)
{
	return kind == TORCH_HEAD_DENSE || kind == TORCH_CLASSIFIER ||
	       kind == TORCH_HEAD_DENSE_BIAS || kind == TORCH_CLASSIFIER_BIAS;
}

static bool is_classifier(enum torch_param kind)
{
	return kind == TORCH_CLASSIFIER || kind == TORCH_CLASSIFIER_BIAS;
}

struct loading {
	const struct model_config *c;
	const struct model_load_options *options;
	struct weights *w;
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

	if (is_classifier(kind))
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

/* True if the data has other labels than the checkpoint's classifier. */
static bool is_replaced(const struct loading *l, enum torch_param kind)
{
	const struct model_family *f = l->c->family;
	const struct st_tensor *t = find_any(l->w, f, f->names[TORCH_CLASSIFIER]);

	return is_classifier(kind) && l->options->new_head && t && t->dims == 2 &&
	       t->shape[1] == l->c->shape.hidden && t->shape[0] != l->c->shape.labels;
}

/* Find the tensor of a parameter and check its shape. NULL: the family has no such parameter, or it
 * is initialised. */
static int find_param(const struct loading *l, enum torch_param kind, int layer,
		      const struct st_tensor **ret, bool *ret_init, struct err *reterr)
{
	char name[MODEL_NAME_MAX], has[128], needs[32];
	const struct st_tensor *t;
	int rows, columns;

	*ret = NULL;
	*ret_init = false;
	if (!model_param_name(l->c, kind, layer, name, sizeof(name)))
		return 0;
	torch_param_size(&l->c->shape, kind, &rows, &columns);
	t = find_any(l->w, l->c->family, name);
	*ret_init = (!t && is_head(kind) && l->options->new_head) || is_replaced(l, kind);
	if (*ret_init)
		return 0;
	if (!t)
		return err_set(reterr, ERR_INVALID, "tensor '%s' is missing%s", name,
			       is_head(kind) ? "; the model is a base model, so train it first"
					     : "");
	st_shape_format(t, has, sizeof(has));
	if (torch_param_is_vector(kind))
		snprintf(needs, sizeof(needs), "[%d]", columns);
	else
		snprintf(needs, sizeof(needs), "[%d, %d]", rows, columns);
	if (!shape_is(t, kind, rows, columns))
		return err_set(reterr, ERR_INVALID,
			       "tensor '%s' has shape %s, but config.json needs %s", name, has,
			       needs);
	*ret = t;
	return 0;
}

static int load_param(const struct loading *l, enum torch_param kind, int layer, struct err *reterr)
{
	const struct st_tensor *t;
	struct torch_error te;
	bool init;
	int r = find_param(l, kind, layer, &t, &init, reterr);

	if (r >= 0 && init)
		return init_param(l, kind, reterr);
	if (r < 0 || !t)
		return r;
	r = st_to_f32(t, l->room, reterr);
	if (r < 0)
		return r;
	return model_torch_error(torch_net_put(l->net, TORCH_WEIGHT, kind, layer, l->room, &te),
				 &te, reterr);
}

static int check_param(const struct loading *l, enum torch_param kind, int layer,
		       struct err *reterr)
{
	const struct st_tensor *t;
	bool init;

	return find_param(l, kind, layer, &t, &init, reterr);
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

/* Call `fn` for every parameter of every layer. */
static int each_param(const struct loading *l, const char *dir,
		      int (*fn)(const struct loading *l, enum torch_param kind, int layer,
				struct err *reterr),
		      struct err *reterr)
{
	for (int kind = 0; kind < TORCH_PARAM_COUNT; kind++) {
		int layers =
			torch_param_is_layered((enum torch_param)kind) ? l->c->shape.layers : 1;

		for (int layer = 0; layer < layers; layer++) {
			int r = fn(l, (enum torch_param)kind, layer, reterr);

			if (r < 0)
				return err_ctx(reterr, r, "cannot read the model in %s", dir);
		}
	}
	return 0;
}

int model_load(const char *dir, const struct model_config *c,
	       const struct model_load_options *options, struct torch_net *net,
	       struct model_load_result *ret, struct err *reterr)
{
	OWN(weights_done) struct weights w = {0};
	OWN(freep) float *room = malloc(largest_param(c) * sizeof(float));
	struct model_load_result ignored;
	struct loading l = {c, options, &w, net, ret ? ret : &ignored, room};
	int r;

	if (!room)
		return err_errno(reterr, ENOMEM, "load the model in %s", dir);
	*l.result = (struct model_load_result){0};
	r = weights_open(dir, &w, reterr);
	return r < 0 ? r : each_param(&l, dir, load_param, reterr);
}

int model_check(const char *dir, const struct model_config *c, struct err *reterr)
{
	static const struct model_load_options options = {.new_head = true};
	OWN(weights_done) struct weights w = {0};
	struct loading l = {.c = c, .options = &options, .w = &w};
	int r = weights_open(dir, &w, reterr);

	return r < 0 ? r : each_param(&l, dir, check_param, reterr);
}
