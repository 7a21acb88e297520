/* SPDX-License-Identifier: MIT */
/*
 * Parses the body and its parameters, computes scores, and builds the answer in the form of the
 * request.
 */
#include "worker/serve/payload.h"

#include "base/own.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

static int text_of(const json_t *v, const char *field, const char **ret, size_t *ret_len,
		   struct err *reterr)
{
	if (!json_is_string(v))
		return err_at(reterr, ERR_INVALID, field, "%s must be a text, not %s", field + 1,
			      json_type_name(v));
	*ret = json_string_value(v);
	*ret_len = json_string_length(v);
	return 0;
}

/* An empty pair is none, as for the pipeline. */
static int pair_of(const json_t *v, const char *field, struct payload_row *ret, struct err *reterr)
{
	int r = text_of(v, field, &ret->pair, &ret->pair_len, reterr);

	if (ret->pair_len == 0)
		ret->pair = NULL;
	return r;
}

/* {"text", "text_pair"} */
static int row_of_object(const json_t *v, const char *field, struct payload_row *ret,
			 struct err *reterr)
{
	const json_t *text = json_object_get(v, "text"), *pair = json_object_get(v, "text_pair");
	size_t known = (text != NULL) + (pair != NULL);
	int r;

	if (!text || json_object_size(v) != known)
		return err_at(reterr, ERR_INVALID, field,
			      "%s must be {\"text\": …} or {\"text\": …, \"text_pair\": …}",
			      field + 1);
	r = text_of(text, field, &ret->text, &ret->text_len, reterr);
	if (r >= 0 && pair && !json_is_null(pair))
		r = pair_of(pair, field, ret, reterr);
	return r;
}

static int row_of(const json_t *v, const char *field, struct payload_row *ret, struct err *reterr)
{
	int r;

	if (json_is_object(v))
		return row_of_object(v, field, ret, reterr);
	if (!json_is_array(v))
		return text_of(v, field, &ret->text, &ret->text_len, reterr);
	if (json_array_size(v) == 1 && json_is_array(json_array_get(v, 0)))
		v = json_array_get(v, 0); /* an older form of pairs: [[["text", "pair"]]] */
	if (json_array_size(v) != 2)
		return err_at(reterr, ERR_INVALID, field,
			      "%s must be a text or a pair [\"text\", \"pair\"]", field + 1);
	r = text_of(json_array_get(v, 0), field, &ret->text, &ret->text_len, reterr);
	if (r >= 0)
		r = pair_of(json_array_get(v, 1), field, ret, reterr);
	return r;
}

static int parse_list(struct payload *a, const json_t *inputs, struct err *reterr)
{
	size_t n = json_array_size(inputs);

	if (n > PAYLOAD_INPUTS_MAX)
		return err_at(reterr, ERR_LIMIT, "/inputs",
			      "inputs has %zu texts; send at most %d in one request", n,
			      PAYLOAD_INPUTS_MAX);
	a->rows = calloc(n + 1, sizeof(*a->rows));
	if (!a->rows)
		return err_errno(reterr, ENOMEM, "read inputs");
	for (size_t i = 0; i < n; i++) {
		char field[ERR_FIELD_MAX] = "/inputs";
		int r;

		json_pointer_add_index(field, sizeof(field), i);
		r = row_of(json_array_get(inputs, i), field, &a->rows[i], reterr);
		if (r < 0)
			return r;
	}
	a->rows_n = n;
	return 0;
}

static int parse_inputs(struct payload *a, struct err *reterr)
{
	const json_t *inputs = json_object_get(a->body, "inputs");

	if (!inputs && json_object_get(a->body, "text"))
		inputs = a->body; /* the container then takes the whole body as the inputs */
	if (!inputs)
		return err_at(reterr, ERR_INVALID, "/inputs",
			      "inputs is missing: send {\"inputs\": \"a text\"} or {\"inputs\": "
			      "[\"a text\", …]}");
	if (json_is_array(inputs)) {
		a->shape = PAYLOAD_LIST;
		return parse_list(a, inputs, reterr);
	}
	a->shape = json_is_object(inputs) ? PAYLOAD_ONE : PAYLOAD_TEXT;
	a->rows = calloc(1, sizeof(*a->rows));
	if (!a->rows)
		return err_errno(reterr, ENOMEM, "read inputs");
	a->rows_n = 1;
	if (!json_is_object(inputs) && !json_is_string(inputs))
		return err_at(
			reterr, ERR_INVALID, "/inputs",
			"inputs must be a text, a list of texts or {\"text\", \"text_pair\"}, "
			"not %s",
			json_type_name(inputs));
	return row_of(inputs, "/inputs", a->rows, reterr);
}

static int set_top_k(struct payload *a, const json_t *v, struct err *reterr)
{
	if (!json_is_null(v) && !(json_is_integer(v) && json_integer_value(v) > 0))
		return err_at(reterr, ERR_INVALID, "/parameters/top_k",
			      "top_k must be a whole number above 0, or null for all labels");
	a->lists = true;
	a->in_order = false;
	a->top_k = json_integer_value(v); /* null: 0 */
	return 0;
}

static int set_all_scores(struct payload *a, const json_t *v, struct err *reterr)
{
	if (!json_is_boolean(v) && !json_is_null(v))
		return err_at(reterr, ERR_INVALID, "/parameters/return_all_scores",
			      "return_all_scores must be true or false");
	if (json_is_true(v) && !json_object_get(json_object_get(a->body, "parameters"), "top_k"))
		a->lists = a->in_order = true;
	return 0;
}

static int set_function(struct payload *a, const json_t *v, struct err *reterr)
{
	static const char *const names[] = {"default", "softmax", "sigmoid", "none"};
	const char *name = json_string_value(v);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (json_is_null(v) || (name && strcasecmp(name, names[i]) == 0)) {
			a->function = json_is_null(v) ? PAYLOAD_DEFAULT : (enum payload_function)i;
			return 0;
		}
	}
	return err_at(
		reterr, ERR_INVALID, "/parameters/function_to_apply",
		"function_to_apply must be \"softmax\", \"sigmoid\", \"none\" or \"default\"");
}

static int set_max_length(struct payload *a, const json_t *v, struct err *reterr)
{
	int least = 2; /* [CLS] [SEP] */

	if (json_is_null(v))
		return 0;
	for (size_t i = 0; i < a->rows_n; i++)
		if (a->rows[i].pair)
			least = 3;
	a->max_length = json_integer_value(v);
	if (!json_is_integer(v) || a->max_length < least)
		return err_at(reterr, ERR_INVALID, "/parameters/max_length",
			      "max_length must be a whole number of tokens, %d or more%s", least,
			      least > 2 ? " for pairs" : "");
	return 0;
}

/* Check only the type: texts are always cut longest first and never padded. */
static int set_ignored(struct payload *a, const json_t *v, struct err *reterr)
{
	if (json_is_boolean(v) || json_is_string(v) || json_is_null(v))
		return 0;
	return err_at(reterr, ERR_INVALID, "/parameters",
		      "truncation and padding must be true, false or a text");
}

static const struct {
	const char *name;
	int (*set)(struct payload *a, const json_t *v, struct err *reterr);
} parameters[] = {
	{"top_k", set_top_k},
	{"return_all_scores", set_all_scores},
	{"function_to_apply", set_function},
	{"max_length", set_max_length},
	{"truncation", set_ignored},
	{"padding", set_ignored},
};

static int set_parameter(struct payload *a, const char *name, const json_t *v, struct err *reterr)
{
	const char *names[ARRAY_LEN(parameters)], *near;
	char field[ERR_FIELD_MAX] = "/parameters";

	for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
		names[i] = parameters[i].name;
		if (str_eq(name, names[i]))
			return parameters[i].set(a, v, reterr);
	}
	json_pointer_add(field, sizeof(field), name);
	near = str_nearest(name, names, ARRAY_LEN(names));
	return err_at(reterr, ERR_INVALID, field, "parameters has no field '%.64s'%s%s%s", name,
		      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int parse_parameters(struct payload *a, struct err *reterr)
{
	json_t *all = json_object_get(a->body, "parameters"), *v;
	const char *name;

	if (all && !json_is_object(all) && !json_is_null(all))
		return err_at(reterr, ERR_INVALID, "/parameters",
			      "parameters must be an object, not %s", json_type_name(all));
	json_object_foreach(all, name, v) {
		int r = set_parameter(a, name, v, reterr);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Refuse unknown fields. The container ignores them, so a misspelt "parameters" would have no
 * effect. */
static int check_fields(const struct payload *a, struct err *reterr)
{
	static const char *const known[] = {"inputs", "parameters", "options", "text", "text_pair"};
	const char *name;
	json_t *v;

	json_object_foreach(a->body, name, v) {
		char field[ERR_FIELD_MAX] = "";
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found = found || str_eq(known[i], name);
		if (found)
			continue;
		json_pointer_add(field, sizeof(field), name);
		return err_at(reterr, ERR_INVALID, field,
			      "the body has no field '%.64s'; send \"inputs\" and \"parameters\"",
			      name);
	}
	return 0;
}

int payload_parse(const char *text, size_t len, struct payload *ret, struct err *reterr)
{
	json_t *body = NULL;
	int r = json_parse_nul(text, len, &body, reterr);

	*ret = (struct payload){0};
	return r < 0 ? err_ctx(reterr, r, "the body") : payload_take(body, ret, reterr);
}

int payload_take(json_t *body, struct payload *ret, struct err *reterr)
{
	int r;

	*ret = (struct payload){.body = body};
	if (!json_is_object(ret->body))
		return err_set(reterr, ERR_INVALID,
			       "the body must be an object with \"inputs\", not %s",
			       json_type_name(ret->body));
	r = check_fields(ret, reterr);
	if (r >= 0)
		r = parse_inputs(ret, reterr);
	if (r >= 0)
		r = parse_parameters(ret, reterr);
	return r;
}

void payload_drop_texts(struct payload *a)
{
	json_decref(TAKE(a->body));
	free(TAKE(a->rows));
}

void payload_done(struct payload *a)
{
	payload_drop_texts(a);
}

void payload_scores(float *row, int n, enum payload_function function, enum model_problem problem)
{
	double sum = 0;
	float top = row[0];

	if (function == PAYLOAD_DEFAULT)
		function = problem == MODEL_REGRESSION		    ? PAYLOAD_NONE
			   : problem == MODEL_MULTI_LABEL || n == 1 ? PAYLOAD_SIGMOID
								    : PAYLOAD_SOFTMAX;
	if (function == PAYLOAD_NONE)
		return;
	for (int i = 0; i < n && function == PAYLOAD_SIGMOID; i++)
		row[i] = (float)(1 / (1 + exp(-(double)row[i])));
	if (function == PAYLOAD_SIGMOID)
		return;
	for (int i = 1; i < n; i++)
		top = fmaxf(top, row[i]);
	for (int i = 0; i < n; i++)
		sum += exp((double)row[i] - (double)top);
	for (int i = 0; i < n; i++)
		row[i] = (float)(exp((double)row[i] - (double)top) / sum);
}

static json_t *answer_of(const struct payload_labels *labels, const float *scores, int index)
{
	json_t *label = labels->value ? labels->value(labels->userdata, index)
				      : json_string(labels->name(labels->userdata, index));

	return json_pack("{so so}", "label", label, "score", json_number((double)scores[index]));
}

static int best_of(const float *scores, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (scores[i] > scores[best])
			best = i;
	return best;
}

struct ranked {
	float score;
	int index;
};

/* Sort the best first, and equal ones in the order of their labels, as Python's stable sort
 * does. */
static int by_score(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->index - y->index;
}

static json_t *answer_list(const struct payload *a, const struct payload_labels *labels,
			   const float *scores)
{
	OWN(freep) struct ranked *order = calloc((size_t)labels->n, sizeof(*order));
	json_t *list = json_array();
	int n = labels->n;

	for (int i = 0; order && i < n; i++)
		order[i] = (struct ranked){scores[i], i};
	if (order && !a->in_order)
		qsort(order, (size_t)n, sizeof(*order), by_score);
	if (a->top_k && a->top_k < n)
		n = (int)a->top_k;
	for (int i = 0; order && i < n; i++)
		json_array_append_new(list, answer_of(labels, scores, order[i].index));
	return list;
}

static json_t *answer_row(const struct payload *a, const struct payload_labels *labels,
			  float *scores)
{
	payload_scores(scores, labels->n, a->function, labels->problem);
	return a->lists ? answer_list(a, labels, scores)
			: answer_of(labels, scores, best_of(scores, labels->n));
}

json_t *payload_answer(const struct payload *a, const float *logits,
		       const struct payload_labels *labels)
{
	OWN(freep) float *scores = calloc((size_t)labels->n, sizeof(*scores));
	json_t *all = json_array(), *first;

	for (size_t i = 0; scores && all && i < a->rows_n; i++) {
		memcpy(scores, logits + i * (size_t)labels->n, (size_t)labels->n * sizeof(*scores));
		if (json_array_append_new(all, answer_row(a, labels, scores)) < 0)
			break;
	}
	if (!all || json_array_size(all) != a->rows_n) {
		json_decref(all);
		return NULL;
	}
	/* One text with top_k, and one object: the answer itself. */
	if (a->shape == PAYLOAD_LIST || (a->shape == PAYLOAD_TEXT && !(a->lists && !a->in_order)))
		return all;
	first = json_incref(json_array_get(all, 0));
	json_decref(all);
	return first;
}
