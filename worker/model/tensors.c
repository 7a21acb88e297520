/* SPDX-License-Identifier: MIT */
/* Finds the tensor of each parameter by its names, and compares its shape. */
#include "worker/model/tensors.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/model/weights.h"

#include <string.h>

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

bool model_param_is_classifier(enum torch_param kind)
{
	return kind == TORCH_CLASSIFIER || kind == TORCH_CLASSIFIER_BIAS;
}

/* True if the data has other labels than the checkpoint's classifier. */
static bool is_replaced(const struct model_config *c, const struct weights *w,
			enum torch_param kind)
{
	const struct st_tensor *t = find_any(w, c->family, c->family->names[TORCH_CLASSIFIER]);

	return model_param_is_classifier(kind) && t && t->dims == 2 &&
	       t->shape[1] == c->shape.hidden && t->shape[0] != c->shape.labels;
}

static int check_shape(const struct model_config *c, enum torch_param kind, const char *name,
		       const struct st_tensor *t, struct err *reterr)
{
	char has[128], needs[32];
	int rows, columns;

	torch_param_size(&c->shape, kind, &rows, &columns);
	if (shape_is(t, kind, rows, columns))
		return 0;
	st_shape_format(t, has, sizeof(has));
	if (torch_param_is_vector(kind))
		snprintf(needs, sizeof(needs), "[%d]", columns);
	else
		snprintf(needs, sizeof(needs), "[%d, %d]", rows, columns);
	return err_set(reterr, ERR_INVALID, "tensor '%s' has shape %s, but config.json needs %s",
		       name, has, needs);
}

/* *ret is NULL if the parameter is to be initialised. */
static int find(const struct model_config *c, const struct weights *w, bool new_head,
		enum torch_param kind, const char *name, const struct st_tensor **ret,
		struct err *reterr)
{
	const struct st_tensor *t = find_any(w, c->family, name);

	*ret = NULL;
	if (new_head && (t ? is_replaced(c, w, kind) : is_head(kind)))
		return 0;
	if (!t)
		return err_set(reterr, ERR_INVALID, "tensor '%s' is missing%s", name,
			       is_head(kind) ? "; the model is a base model, so train it first"
					     : "");
	*ret = t;
	return check_shape(c, kind, name, t, reterr);
}

int model_tensors(const char *dir, const struct model_config *c, bool new_head, model_tensor_fn fn,
		  void *ctx, struct err *reterr)
{
	OWN(weights_done) struct weights w = {0};
	int r = weights_open(dir, &w, reterr);

	if (r < 0)
		return r;
	for (int i = 0; i < TORCH_PARAM_COUNT; i++) {
		enum torch_param kind = (enum torch_param)i;
		int layers = torch_param_is_layered(kind) ? c->shape.layers : 1;

		for (int layer = 0; layer < layers; layer++) {
			char name[MODEL_NAME_MAX];
			const struct st_tensor *t;

			if (!model_param_name(c, kind, layer, name, sizeof(name)))
				continue;
			r = find(c, &w, new_head, kind, name, &t, reterr);
			if (r >= 0 && fn)
				r = fn(ctx, kind, layer, t, reterr);
			if (r < 0)
				return err_ctx(reterr, r, "cannot read the model in %s", dir);
		}
	}
	return 0;
}
