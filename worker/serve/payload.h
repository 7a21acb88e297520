/* SPDX-License-Identifier: MIT */
/*
 * What /invocations takes and gives: the text-classification task of the Hugging Face inference
 * container. Pure: a body becomes texts and options, logits become an answer of the same shape.
 *
 *   "inputs": "text"                       → [{"label","score"}]
 *             ["text", …]                  → [{"label","score"}, …]
 *             {"text", "text_pair"}        → {"label","score"}
 *             [["text","pair"], …] or [{"text","text_pair"}, …]   → one answer each
 *   "parameters": {"top_k": n | null}      → a list of answers, best first, in place of each answer
 *                 {"return_all_scores": true}  → the same in the order of the labels
 *                 {"function_to_apply": "softmax" | "sigmoid" | "none", "max_length": n}
 *                 {"truncation": …, "padding": …}   taken and ignored: texts are always cut to what
 *                                                   the model takes, and never padded
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "jobs/spec/spec.h"
#include "worker/model/classifier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_INPUTS_MAX SPEC_INPUTS_LOCAL_MAX /* texts in one request */

enum payload_shape {
	PAYLOAD_TEXT, /* one text: a list of one answer */
	PAYLOAD_ONE,  /* one object: one answer */
	PAYLOAD_LIST,
};

enum payload_function {
	PAYLOAD_DEFAULT, /* softmax, or sigmoid for a multi-label model */
	PAYLOAD_SOFTMAX,
	PAYLOAD_SIGMOID,
	PAYLOAD_NONE,
};

struct payload_row {
	const char *text, *pair; /* in body; pair may be NULL */
	size_t text_len, pair_len;
};

struct payload {
	json_t *body; /* owns the texts */
	enum payload_shape shape;
	struct payload_row *rows; /* owned */
	size_t rows_n;
	bool lists;	    /* each answer is a list */
	bool in_order;	    /* …in the order of the labels */
	int64_t top_k;	    /* of lists; 0: all */
	int64_t max_length; /* 0: the model's limit */
	enum payload_function function;
};

/* The properties of the model that an answer needs; borrowed. */
struct payload_labels {
	int n;
	enum model_problem problem;
	const char *(*name)(const void *userdata, int index);
	json_t *(*value)(const void *userdata, int index); /* in answers; NULL: the name */
	const void *userdata;
};

/* -ERR_INVALID names the field; -ERR_LIMIT: too many texts. Call payload_done() also after a
 * failure. */
int payload_parse(const char *text, size_t len, struct payload *ret, struct err *reterr) MUSTCHECK;
/* The same for a body that is parsed; takes over the reference. */
int payload_take(json_t *body, struct payload *ret, struct err *reterr) MUSTCHECK;
void payload_done(struct payload *a);
/* Free the texts once they are tokens; the options stay for the answer. */
void payload_drop_texts(struct payload *a);
/* logits[rows_n * labels->n] → a new reference; NULL: out of memory. */
json_t *payload_answer(const struct payload *a, const float *logits,
		       const struct payload_labels *labels);
/* One row of logits as scores, in place, with the function that `function` means for `problem`. */
void payload_scores(float *row, int n, enum payload_function function, enum model_problem problem);
