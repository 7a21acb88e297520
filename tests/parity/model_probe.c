/* SPDX-License-Identifier: MIT */
/*
 * A door for the parity tests: for each line of stdin, a JSON request, it writes a JSON answer.
 *   {"op": "logits", "model": DIR, "rows": [[ids]], "types": [[…]]?, "bf16": false, "threads": 2}
 *       → {"logits": [[…]], "labels": […]}
 *   {"op": "gradients", …, "labels": […], "operators": false, "micro_tokens": 0, "save": FILE}
 *       → {"loss": …}, the gradients as safetensors in FILE
 *   {"op": "permutation", "seed": 42, "n": 10} → {"order": […]}
 *   {"op": "steps", …, "labels": […], "steps": 3, "learning_rate": …, "one_row": false, "save":
 * FILE} → {"losses": […], "norms": […]}, the weights in FILE; one_row: a step takes one row
 */
#include "base/own.h"
#include "worker/model/classifier.h"
#include "worker/model/model.h"

#include <string.h>

struct request {
	json_t *j;
	int32_t *ids, *lengths;
	int8_t *types;
	int64_t *starts, *labels;
	int rows;
};

static void request_done(struct request *q)
{
	json_decref(q->j);
	free(q->ids);
	free(q->lengths);
	free(q->types);
	free(q->starts);
	free(q->labels);
}

static void read_rows(struct request *q)
{
	const json_t *rows = json_object_get(q->j, "rows"), *types = json_object_get(q->j, "types");
	const json_t *labels = json_object_get(q->j, "labels");
	size_t total = 0, n = json_array_size(rows);

	for (size_t i = 0; i < n; i++)
		total += json_array_size(json_array_get(rows, i));
	q->rows = (int)n;
	q->ids = calloc(total + 1, sizeof(*q->ids));
	q->types = types ? calloc(total + 1, 1) : NULL;
	q->starts = calloc(n + 1, sizeof(*q->starts));
	q->lengths = calloc(n + 1, sizeof(*q->lengths));
	q->labels = calloc(n + 1, sizeof(*q->labels));
	for (size_t i = 0; i < n; i++) {
		const json_t *row = json_array_get(rows, i), *type = json_array_get(types, i);
		int64_t at = q->starts[i];

		q->lengths[i] = (int32_t)json_array_size(row);
		q->starts[i + 1] = at + q->lengths[i];
		q->labels[i] = json_integer_value(json_array_get(labels, i));
		for (int32_t t = 0; t < q->lengths[i]; t++) {
			q->ids[at + t] =
				(int32_t)json_integer_value(json_array_get(row, (size_t)t));
			if (types)
				q->types[at + t] =
					(int8_t)json_integer_value(json_array_get(type, (size_t)t));
		}
	}
}

static int do_logits(struct request *q, json_t *out, struct err *e)
{
	OWN(classifier_freep) struct classifier *c = NULL;
	struct classifier_options o = {.threads = (int)json_get_int(q->j, "threads", 2)};
	struct token_batch b = {q->ids, q->types, q->starts, (size_t)q->rows};
	json_t *all = json_array(), *names = json_array();
	int r, n;

	o.dtype = json_get_bool(q->j, "bf16", false) ? MODEL_DTYPE_BF16 : MODEL_DTYPE_F32;
	json_object_set_new(out, "logits", all);
	json_object_set_new(out, "labels", names);
	r = classifier_open(json_get_str(q->j, "model", ""), &o, &c, e);
	if (r < 0)
		return r;
	n = classifier_label_count(c);

	OWN(freep) float *logits = calloc((size_t)q->rows * (size_t)n + 1, sizeof(*logits));

	r = classifier_forward(c, &b, logits, e);
	for (int i = 0; i < q->rows && r >= 0; i++) {
		json_t *row = json_array();

		for (int k = 0; k < n; k++)
			json_array_append_new(row, json_number((double)logits[i * n + k]));
		json_array_append_new(all, row);
	}
	for (int k = 0; k < n; k++)
		json_array_append_new(names, json_string(classifier_label(c, k)));
	return r;
}

static int open_net(struct request *q, struct model_config **config, struct torch_net **net,
		    struct err *e)
{
	const char *dir = json_get_str(q->j, "model", "");
	struct model_load_options load = {.new_head = true, .seed = 1};
	struct torch_options o = {.threads = (int)json_get_int(q->j, "threads", 2), .train = true};
	struct torch_error te;
	int r = model_config_load(dir, config, e);

	if (r < 0)
		return r;
	o.bf16 = json_get_bool(q->j, "bf16", false);
	o.micro_tokens = json_get_int(q->j, "micro_tokens", 0);
	o.backend = json_get_bool(q->j, "operators", false) ? TORCH_OPERATORS : TORCH_AUTO;
	r = model_torch_error(torch_net_new(&(*config)->shape, &o, net, &te), &te, e);
	return r < 0 ? r : model_load(dir, *config, &load, *net, NULL, e);
}

static void config_clean(struct model_config **c)
{
	model_config_free(*c);
}

static void net_clean(struct torch_net **n)
{
	torch_net_free(*n);
}

static struct torch_batch row_of(const struct request *q, int i)
{
	return (struct torch_batch){q->ids,	    q->types, q->starts + i,
				    q->lengths + i, 1,	      q->labels + i};
}

/* The loss with the dropout of each of the request's "seeds". */
static int losses_of_seeds(struct request *q, struct torch_net *net, const struct torch_batch *b,
			   struct torch_train_options o, json_t *losses, struct err *e)
{
	struct torch_error te;
	double loss = 0;
	json_t *seed;
	size_t i;

	o.step = 1;
	json_array_foreach(json_object_get(q->j, "seeds"), i, seed) {
		o.seed = (uint64_t)json_integer_value(seed);
		if (model_torch_error(torch_net_gradients(net, b, &o, &loss, &te), &te, e) < 0)
			return -ERR_INVALID;
		json_array_append_new(losses, json_number(loss));
	}
	return 0;
}

static int do_train(struct request *q, json_t *out, bool steps, struct err *e)
{
	OWN(config_clean) struct model_config *config = NULL;
	OWN(net_clean) struct torch_net *net = NULL;
	struct torch_batch b = {q->ids, q->types, q->starts, q->lengths, q->rows, q->labels};
	bool one_row = json_get_bool(q->j, "one_row", false);
	struct torch_train_options o = {.beta1 = 0.9f,
					.beta2 = 0.999f,
					.eps = (float)json_get_num(q->j, "eps", 1e-8),
					.max_grad_norm =
						(float)json_get_num(q->j, "max_grad_norm", 1)};
	json_t *losses = json_array(), *norms = json_array();
	struct torch_error te;
	double loss = 0;
	int r = open_net(q, &config, &net, e);

	json_object_set_new(out, "losses", losses);
	json_object_set_new(out, "norms", norms);
	o.learning_rate = (float)json_get_num(q->j, "learning_rate", 1e-3);
	o.weight_decay = (float)json_get_num(q->j, "weight_decay", 0);
	o.dropout = json_get_bool(q->j, "dropout", false);
	o.seed = (uint64_t)json_get_int(q->j, "seed", 42);
	if (r >= 0)
		r = losses_of_seeds(q, net, &b, o, losses, e);
	if (r >= 0 && !steps) {
		o.step = 1;
		r = model_torch_error(torch_net_gradients(net, &b, &o, &loss, &te), &te, e);
		json_object_set_new(out, "loss", json_number(loss));
	}
	for (int i = 1; r >= 0 && steps && i <= json_get_int(q->j, "steps", 1); i++) {
		struct torch_train_stats stats = {0};

		o.step = i;
		if (one_row)
			b = row_of(q, (i - 1) % q->rows);
		r = model_torch_error(torch_net_train(net, &b, &o, &te), &te, e);
		if (r >= 0)
			r = model_torch_error(torch_net_stats(net, &stats, &te), &te, e);
		json_array_append_new(losses, json_number(stats.loss));
		json_array_append_new(norms, json_number(stats.grad_norm));
	}
	if (r >= 0)
		r = model_slot_save(json_get_str(q->j, "save", "/dev/null"), config, net,
				    steps ? TORCH_WEIGHT : TORCH_GRADIENT, e);
	return r;
}

static int do_permutation(struct request *q, json_t *out, struct err *e)
{
	int64_t n = json_get_int(q->j, "n", 0);
	OWN(freep) int64_t *order = calloc((size_t)n + 1, sizeof(*order));
	json_t *list = json_array();
	struct torch_error te;
	int r = model_torch_error(
		torch_permutation((uint64_t)json_get_int(q->j, "seed", 0), n, order, &te), &te, e);

	for (int64_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(order[i]));
	json_object_set_new(out, "order", list);
	return r;
}

static void answer(const char *line, size_t len)
{
	OWN(request_done) struct request q = {0};
	OWN(json_decrefp) json_t *out = json_object();
	OWN(freep) char *text = NULL;
	struct err e = {0};
	const char *op;
	int r = json_parse(line, len, &q.j, &e);

	op = json_get_str(q.j, "op", "");
	if (r >= 0) {
		read_rows(&q);
		if (strcmp(op, "logits") == 0)
			r = do_logits(&q, out, &e);
		else if (strcmp(op, "permutation") == 0)
			r = do_permutation(&q, out, &e);
		else
			r = do_train(&q, out, strcmp(op, "steps") == 0, &e);
	}
	if (r < 0) {
		json_object_clear(out);
		json_set_str(out, "error", e.msg);
		json_object_set_new(out, "code", json_integer(e.code));
	}
	text = json_text(out);
	puts(text ? text : "{}");
	fflush(stdout);
}

int main(void)
{
	OWN(freep) char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0)
		answer(line, (size_t)len);
	return 0;
}
