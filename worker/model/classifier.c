/* SPDX-License-Identifier: MIT */
/*
 * Opens the configuration and the network, checks each batch against the model's limits, and runs
 * it.
 */
#include "worker/model/classifier.h"

#include "base/own.h"
#include "worker/model/model.h"

#include <string.h>

struct classifier {
	struct model_config *config;
	struct torch_net *net;
	bool cuda, bf16;
	int32_t *lengths; /* of the current batch */
	size_t lengths_cap;
};

void classifier_free(struct classifier *c)
{
	if (!c)
		return;
	torch_net_free(c->net);
	model_config_free(c->config);
	free(c->lengths);
	free(c);
}

void classifier_freep(struct classifier **c)
{
	classifier_free(*c);
}

int classifier_open(const char *dir, const struct classifier_options *options,
		    struct classifier **ret, struct err *reterr)
{
	OWN(classifier_freep) struct classifier *c = calloc(1, sizeof(*c));
	struct model_load_options load = {0};
	struct torch_options o = {.threads = options->threads};
	struct torch_error te;
	int r;

	if (!c)
		return err_errno(reterr, ENOMEM, "open the model in %s", dir);
	r = model_config_load(dir, &c->config, reterr);
	if (r < 0)
		return r;
	c->cuda = o.cuda = options->use_device && torch_cuda_available();
	c->bf16 = o.bf16 =
		options->dtype == MODEL_DTYPE_BF16 ||
		(options->dtype == MODEL_DTYPE_AUTO && (o.cuda || torch_cpu_bf16_fast()));
	r = model_torch_error(torch_net_new(&c->config->shape, &o, &c->net, &te), &te, reterr);
	if (r >= 0)
		r = model_load(dir, c->config, &load, c->net, NULL, reterr);
	torch_threads_release();
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

static int check_batch(struct classifier *c, const struct token_batch *b, struct err *reterr)
{
	const struct torch_shape *s = &c->config->shape;
	const int most = classifier_max_tokens(c);

	if (b->rows > c->lengths_cap) {
		int32_t *more = realloc(c->lengths, b->rows * sizeof(*more));

		if (!more)
			return err_errno(reterr, ENOMEM, "classify %zu texts", b->rows);
		c->lengths = more;
		c->lengths_cap = b->rows;
	}
	for (size_t i = 0; i < b->rows; i++) {
		int64_t n = b->offsets[i + 1] - b->offsets[i];

		if (n < 1 || n > most)
			return err_set(reterr, ERR_INVALID,
				       "row %zu has %lld tokens; this model takes 1 to %d", i,
				       (long long)n, most);
		c->lengths[i] = (int32_t)n;
	}
	for (int64_t i = 0; i < b->offsets[b->rows]; i++) {
		if (b->ids[i] < 0 || b->ids[i] >= s->vocab)
			return err_set(reterr, ERR_INVALID,
				       "token id %d is not in the model's vocabulary of %d",
				       b->ids[i], s->vocab);
		if (s->types && b->type_ids && (b->type_ids[i] < 0 || b->type_ids[i] >= s->types))
			return err_set(reterr, ERR_INVALID,
				       "token type id %d is out of range; the model has %d types",
				       b->type_ids[i], s->types);
	}
	return 0;
}

int classifier_forward(struct classifier *c, const struct token_batch *batch, float *logits,
		       struct err *reterr)
{
	struct torch_batch b = {.ids = batch->ids, .starts = batch->offsets};
	struct torch_error te;
	int r = 0;

	if (batch->rows > INT32_MAX / 2)
		return err_set(reterr, ERR_LIMIT, "a batch of %zu rows is too large", batch->rows);
	if (batch->rows)
		r = check_batch(c, batch, reterr);
	if (r < 0 || !batch->rows)
		return r;
	b.types = c->config->shape.types ? batch->type_ids : NULL;
	b.lengths = c->lengths;
	b.rows = (int)batch->rows;
	return model_torch_error(torch_net_forward(c->net, &b, logits, &te), &te, reterr);
}

int classifier_label_count(const struct classifier *c)
{
	return c->config->shape.labels;
}

const char *classifier_label(const struct classifier *c, int index)
{
	return c->config->labels[index];
}

json_t *classifier_label_value(const struct classifier *c, int index)
{
	char key[16];
	json_t *value;

	snprintf(key, sizeof(key), "%d", index);
	value = json_object_get(json_object_get(c->config->source, "id2label"), key);
	return value ? json_incref(value) : json_string(classifier_label(c, index));
}

int classifier_max_tokens(const struct classifier *c)
{
	return model_config_max_tokens(c->config);
}

int classifier_vocab_size(const struct classifier *c)
{
	return c->config->shape.vocab;
}

bool classifier_takes_type_ids(const struct classifier *c)
{
	return c->config->shape.types > 0;
}

enum model_problem classifier_problem(const struct classifier *c)
{
	return c->config->problem;
}

const char *classifier_device(const struct classifier *c)
{
	return c->cuda ? "cuda" : "cpu";
}

const char *classifier_dtype(const struct classifier *c)
{
	return c->bf16 ? "bfloat16" : "float32";
}
