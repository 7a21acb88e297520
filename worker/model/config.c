/* SPDX-License-Identifier: MIT */
/*
 * Reads the keys of config.json that the model's family names, checks them and the labels, and
 * writes the file again.
 */
#include "worker/model/config.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/model/id2label.h"

#include <limits.h>
#include <string.h>

#define POSITIONS_MIN 2 /* [CLS] and [SEP] */

static const char *const problem_types[] = {
	[MODEL_SINGLE_LABEL] = "single_label_classification",
	[MODEL_MULTI_LABEL] = "multi_label_classification",
	[MODEL_REGRESSION] = "regression",
};

static const enum torch_loss losses[] = {
	[MODEL_SINGLE_LABEL] = TORCH_CROSS_ENTROPY,
	[MODEL_MULTI_LABEL] = TORCH_BINARY_CROSS_ENTROPY,
	[MODEL_REGRESSION] = TORCH_SQUARED_ERROR,
};

void model_config_free(struct model_config *c)
{
	if (!c)
		return;
	for (int i = 0; c->labels && i < c->shape.labels; i++)
		free(c->labels[i]);
	free(c->labels);
	json_decref(c->source);
	free(c);
}

void model_config_freep(struct model_config **c)
{
	model_config_free(*c);
}

static int set_labels(struct model_config *c, int n, const char *const *names, struct err *reterr)
{
	char **labels;

	if (n < 1 || n > MODEL_LABELS_MAX)
		return err_set(reterr, ERR_INVALID, "a model has 1 to %d labels, not %d",
			       MODEL_LABELS_MAX, n);
	labels = calloc((size_t)n, sizeof(*labels));
	if (!labels)
		return err_errno(reterr, ENOMEM, "set the labels");
	for (int i = 0; i < c->shape.labels && c->labels; i++)
		free(c->labels[i]);
	free(c->labels);
	c->labels = labels;
	c->shape.labels = n;
	for (int i = 0; i < n; i++) {
		char plain[32];

		snprintf(plain, sizeof(plain), "LABEL_%d", i);
		labels[i] = strdup(names ? names[i] : plain);
		if (!labels[i])
			return err_errno(reterr, ENOMEM, "set the labels");
	}
	return 0;
}

int model_config_set_problem(struct model_config *c, enum model_problem problem, int n,
			     const char *const *names, struct err *reterr)
{
	c->problem = problem;
	c->shape.loss = losses[problem];
	return set_labels(c, n, names, reterr);
}

static int get_size(const json_t *j, const char *key, int most, int *ret, struct err *reterr)
{
	const json_t *v = json_object_get(j, key);

	if (json_is_integer(v) && (json_integer_value(v) < 1 || json_integer_value(v) > most))
		return err_set(reterr, ERR_INVALID,
			       "\"%s\" must be a number from 1 to %d, not %lld", key, most,
			       (long long)json_integer_value(v));
	if (!json_is_integer(v))
		return err_set(reterr, ERR_INVALID, "\"%s\" must be a number from 1 to %d, not %s",
			       key, most, v ? json_type_name(v) : "missing");
	*ret = (int)json_integer_value(v);
	return 0;
}

static int get_sizes(struct model_config *c, struct err *reterr)
{
	const struct model_family *f = c->family;
	struct torch_shape *s = &c->shape;
	const struct {
		const char *key;
		int most, *to;
	} sizes[] = {
		{f->layers, 1000, &s->layers},
		{f->hidden, 65536, &s->hidden},
		{f->heads, 1024, &s->heads},
		{f->intermediate, 1 << 20, &s->intermediate},
		{"vocab_size", 1 << 24, &s->vocab},
		{"max_position_embeddings", 65535, &s->positions},
	};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		int r = get_size(c->source, sizes[i].key, sizes[i].most, sizes[i].to, reterr);

		if (r < 0)
			return r;
	}
	if (s->positions < POSITIONS_MIN)
		return err_set(reterr, ERR_INVALID,
			       "\"max_position_embeddings\" is %d; a row has at least %d tokens",
			       s->positions, POSITIONS_MIN);
	if (s->hidden % s->heads)
		return err_set(reterr, ERR_INVALID, "\"%s\" %d is not a multiple of \"%s\" %d",
			       f->hidden, s->hidden, f->heads, s->heads);
	s->embedding = s->hidden;
	if (f->embedding && json_object_get(c->source, f->embedding)) {
		int r = get_size(c->source, f->embedding, 65536, &s->embedding, reterr);

		if (r < 0)
			return r;
	}
	return f->types ? get_size(c->source, f->types, 127, &s->types, reterr) : 0;
}

/* A missing key is transformers' default. More rows than buckets are never read there. */
static int get_relative(struct model_config *c, struct err *reterr)
{
	const char *key = c->family->relative_buckets;
	int *to = &c->shape.relative_buckets;
	int r = 0;

	if (!key)
		return 0;
	*to = TORCH_RELATIVE_BUCKETS;
	if (json_object_get(c->source, key))
		r = get_size(c->source, key, 65536, to, reterr);
	if (r >= 0 && *to < TORCH_RELATIVE_BUCKETS)
		return err_set(reterr, ERR_INVALID, "\"%s\" is %d; the model reads %d", key, *to,
			       TORCH_RELATIVE_BUCKETS);
	return r;
}

static int wrong_type(const char *key, const char *wanted, const json_t *v, struct err *reterr)
{
	return err_set(reterr, ERR_INVALID, "\"%s\" must be %s, not %s", key, wanted,
		       json_type_name(v));
}

/* Read a text. If the key is absent, *ret keeps its value. */
static int get_text(const json_t *j, const char *key, const char **ret, struct err *reterr)
{
	const json_t *v = json_object_get(j, key);

	if (v && !json_is_string(v))
		return wrong_type(key, "a text", v, reterr);
	if (v)
		*ret = json_string_value(v);
	return 0;
}

static int get_number(const json_t *j, const char *key, float *ret, struct err *reterr)
{
	const json_t *v = json_object_get(j, key);

	if (v && !json_is_number(v))
		return wrong_type(key, "a number", v, reterr);
	if (v)
		*ret = (float)json_number_value(v);
	return 0;
}

static int get_activation(struct model_config *c, struct err *reterr)
{
	static const struct {
		const char *name;
		enum torch_activation value;
	} known[] = {{"gelu", TORCH_GELU},
		     {"gelu_new", TORCH_GELU_TANH},
		     {"gelu_pytorch_tanh", TORCH_GELU_TANH},
		     {"relu", TORCH_RELU}};
	const char *key = c->family->activation, *name = "gelu";
	int r = get_text(c->source, key, &name, reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(known[i].name, name)) {
			c->shape.activation = known[i].value;
			return 0;
		}
	return err_set(reterr, ERR_INVALID, "\"%s\" is '%s'; gelu, gelu_new and relu are supported",
		       key, name);
}

static int read_dropouts(struct model_config *c, struct err *reterr)
{
	const struct model_family *f = c->family;
	struct torch_shape *s = &c->shape;
	const json_t *j = c->source;
	bool has_head_default = f->drop_head_default >= 0;
	int r = get_number(j, f->drop, &s->drop_output, reterr);

	if (r >= 0)
		r = get_number(j, f->drop_attention, &s->drop_attention, reterr);
	s->drop_embedding = s->drop_output;
	s->drop_attention_out = f->drops_attention_output ? s->drop_output : 0;
	s->drop_head = has_head_default ? f->drop_head_default : s->drop_output;
	if (r >= 0 && (has_head_default || !json_is_null(json_object_get(j, f->drop_head))))
		r = get_number(j, f->drop_head, &s->drop_head, reterr);
	s->drop_head_input = f->drops_head_input ? s->drop_head : 0;
	return r;
}

static int get_dropouts(struct model_config *c, struct err *reterr)
{
	struct torch_shape *s = &c->shape;
	const float *all[] = {&s->drop_embedding, &s->drop_attention, &s->drop_attention_out,
			      &s->drop_output, &s->drop_head};
	int r;

	s->drop_output = s->drop_attention = 0.1f;
	r = read_dropouts(c, reterr);
	for (size_t i = 0; i < ARRAY_LEN(all) && r >= 0; i++)
		if (!(*all[i] >= 0 && *all[i] < 1))
			return err_set(reterr, ERR_INVALID,
				       "a dropout probability is %g; use one from 0 to below 1",
				       (double)*all[i]);
	return r;
}

/* Count the labels of id2label; num_labels must agree. */
static int count_labels(const struct model_config *c, size_t names, int *ret, struct err *reterr)
{
	const json_t *num = json_object_get(c->source, "num_labels");
	json_int_t n = num ? json_integer_value(num) : names ? (json_int_t)names : 2;

	if (num && !json_is_integer(num))
		return wrong_type("num_labels", "a whole number", num, reterr);
	if (names && n != (json_int_t)names)
		return err_set(
			reterr, ERR_INVALID,
			"\"num_labels\" is %lld but \"id2label\" has %zu names, and versions of "
			"transformers differ in which of them counts; make them equal",
			(long long)n, names);
	if (n < 1 || n > MODEL_LABELS_MAX)
		return err_set(reterr, ERR_INVALID,
			       "\"id2label\" has %lld labels; a model has 1 to %d", (long long)n,
			       MODEL_LABELS_MAX);
	*ret = (int)n;
	return 0;
}

static int get_problem(struct model_config *c, struct err *reterr)
{
	const char *problem = "";
	int r = 0;

	if (!json_is_null(json_object_get(c->source, "problem_type")))
		r = get_text(c->source, "problem_type", &problem, reterr);
	for (size_t i = 0; i < ARRAY_LEN(problem_types); i++)
		if (str_eq(problem, problem_types[i]))
			c->problem = (enum model_problem)i;
	return r;
}

static int get_labels(struct model_config *c, struct err *reterr)
{
	OWN(json_decrefp) json_t *list = NULL;
	OWN(freep) const char **names = NULL;
	int n = 0, r = get_problem(c, reterr);

	if (r >= 0)
		r = id2label_read(c->source, &list, reterr);
	if (r >= 0)
		r = count_labels(c, json_array_size(list), &n, reterr);
	if (r < 0 || !list)
		return r < 0 ? r : set_labels(c, n, NULL, reterr);
	names = calloc((size_t)n, sizeof(*names));
	if (!names)
		return err_errno(reterr, ENOMEM, "read the labels");
	for (int i = 0; i < n; i++)
		names[i] = json_string_value(json_array_get(list, (size_t)i));
	return set_labels(c, n, names, reterr);
}

static int check_kind(struct model_config *c, struct err *reterr)
{
	const char *type = json_get_str(c->source, "model_type", "");
	const char *position = "absolute";
	OWN(buf_done) struct buf known = BUF_INIT(ERR_MSG_MAX);
	int r = get_text(c->source, "position_embedding_type", &position, reterr);

	if (r < 0)
		return r;
	c->family = family_find(type);
	if (!c->family) {
		family_put_types(&known);
		return err_set(reterr, ERR_INVALID, "\"model_type\" is '%s'; %s are supported",
			       type, buf_str(&known));
	}
	if (!str_eq(position, "absolute"))
		return err_set(reterr, ERR_INVALID,
			       "\"position_embedding_type\" is '%s'; only absolute is supported",
			       position);
	if (json_get_bool(c->source, "is_decoder", false) ||
	    json_get_bool(c->source, "add_cross_attention", false))
		return err_set(reterr, ERR_INVALID,
			       "config.json describes a decoder, not an encoder");
	return 0;
}

/* A missing pad_token_id is the family's, as in transformers; null: no token is padding. */
static int get_padding(struct model_config *c, struct err *reterr)
{
	const struct model_family *f = c->family;
	const json_t *v = json_object_get(c->source, "pad_token_id");
	struct torch_shape *s = &c->shape;

	s->pad_id = json_is_null(v) ? -1 : (int)json_get_int(c->source, "pad_token_id", f->pad_id);
	s->position_pad = f->positions_after_padding ? s->pad_id : -1;
	if (!f->positions_after_padding)
		return 0;
	if (s->pad_id < 0 || model_config_max_tokens(c) < POSITIONS_MIN)
		return err_set(reterr, ERR_INVALID,
			       "\"pad_token_id\" is %d; %s counts positions from the next number "
			       "on, so it must be from 0 to %d (\"max_position_embeddings\" %d "
			       "less %d)",
			       s->pad_id, f->model_type, s->positions - 1 - POSITIONS_MIN,
			       s->positions, 1 + POSITIONS_MIN);
	return 0;
}

int model_config_max_tokens(const struct model_config *c)
{
	return (int)family_max_tokens(c->family, c->shape.positions, c->shape.pad_id);
}

static int parse(struct model_config *c, struct err *reterr)
{
	int r = check_kind(c, reterr);

	if (r >= 0)
		r = get_sizes(c, reterr);
	if (r >= 0)
		r = get_relative(c, reterr);
	if (r >= 0)
		r = get_activation(c, reterr);
	if (r >= 0)
		r = get_dropouts(c, reterr);
	if (r >= 0)
		r = get_labels(c, reterr);
	if (r < 0)
		return r;
	c->shape.head = c->family->head;
	c->shape.norm_eps = FAMILY_EPS_DEFAULT;
	c->initializer_range = 0.02f;
	if (c->family->norm_eps)
		r = get_number(c->source, c->family->norm_eps, &c->shape.norm_eps, reterr);
	if (r >= 0)
		r = get_number(c->source, "initializer_range", &c->initializer_range, reterr);
	return r < 0 ? r : get_padding(c, reterr);
}

int model_config_load(const char *dir, struct model_config **ret, struct err *reterr)
{
	OWN(model_config_freep) struct model_config *c = calloc(1, sizeof(*c));
	char path[PATH_MAX];
	int r;

	if (!c)
		return err_errno(reterr, ENOMEM, "read the model in %s", dir);
	if (!path_join(path, sizeof(path), dir, "config.json"))
		return err_errno(reterr, ENAMETOOLONG, "read the model in %s", dir);
	r = roots_read_json(path, CONFIG_JSON_MAX, &c->source, reterr);
	if (r < 0)
		return r;
	r = parse(c, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "%s", path);
	*ret = TAKE(c);
	return 0;
}

char *model_config_text(const struct model_config *c)
{
	OWN(json_decrefp) json_t *j = json_deep_copy(c->source), *id2label = json_object();
	OWN(json_decrefp) json_t *label2id = json_object();
	bool bad = !j || !id2label || !label2id;

	for (int i = 0; !bad && i < c->shape.labels; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		bad = json_set_str(id2label, key, c->labels[i]) < 0 ||
		      json_object_set_new(label2id, c->labels[i], json_integer(i)) < 0;
	}
	if (bad)
		return NULL;
	json_object_del(j, "_name_or_path");
	json_object_del(j, "torch_dtype");
	json_object_del(j, "num_labels");
	bad = json_object_set_new(j, "architectures", json_pack("[s]", c->family->architecture)) <
		      0 ||
	      json_object_set(j, "id2label", id2label) < 0 ||
	      json_object_set(j, "label2id", label2id) < 0 ||
	      json_set_str(j, "dtype", "float32") < 0 ||
	      json_set_str(j, "problem_type", problem_types[c->problem]) < 0;
	return bad ? NULL : json_pretty(j);
}
