/* SPDX-License-Identifier: MIT */
/*
 * Inference with a sequence classifier. A Hugging Face model directory (config.json and
 * model.safetensors, or its shards with an index; families bert, distilbert, electra, mpnet and
 * roberta) is opened on a device. Token ids go in, logits come out; worker/tokenizer makes the ids.
 *
 * A classifier serves one thread and one classifier_forward() at a time, and spreads the work over
 * its own `threads`. Different classifiers are independent.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct classifier;

enum model_dtype {
	MODEL_DTYPE_F32 = 0, /* logits within 1e-4 of transformers in fp32 */
	MODEL_DTYPE_BF16,    /* about twice as fast if the processor has bf16 instructions */
	MODEL_DTYPE_AUTO,    /* bf16 if it is fast, else fp32 */
};

enum model_problem {
	MODEL_SINGLE_LABEL = 0, /* softmax over the logits */
	MODEL_MULTI_LABEL,	/* sigmoid of each logit */
	MODEL_REGRESSION,	/* the logits themselves */
};

struct classifier_options {
	int threads;	 /* >= 1 */
	bool use_device; /* True: use the GPU if libtorch has CUDA and finds one, else the CPU */
	enum model_dtype dtype;
};

/* A ragged batch, borrowed for the call. Row i is ids[offsets[i]] .. ids[offsets[i + 1] - 1],
 * special tokens included, at least one token and at most classifier_max_tokens(). */
struct token_batch {
	const int32_t *ids;
	const int8_t *type_ids; /* NULL: all 0 */
	const int64_t *offsets; /* rows + 1 entries, offsets[0] == 0 */
	size_t rows;
};

/* Open a model. Blocking: reads the whole file. Free *ret with classifier_free(). -ENOENT: a file
 * is missing; -ERR_CORRUPT: a file is damaged; -ERR_INVALID: an unknown model, or a missing or
 * wrongly shaped tensor (named). A checkpoint without a trained classification head is refused.
 * The calling thread keeps no pool of threads, so that another thread may compute. */
int classifier_open(const char *dir, const struct classifier_options *options,
		    struct classifier **ret, struct err *reterr) MUSTCHECK;
void classifier_free(struct classifier *c);
void classifier_freep(struct classifier **c);

/* Compute logits[rows * classifier_label_count()], row-major, in the order of the rows. Rows of any
 * lengths may be mixed: they are grouped by length inside. Memory is bounded for any number of
 * rows. The same batch and threads give the same result. -ERR_INVALID: an id, a type id or a length
 * is out of range; -ERR_DEVICE_OOM. */
int classifier_forward(struct classifier *c, const struct token_batch *batch, float *logits,
		       struct err *reterr) MUSTCHECK;

int classifier_label_count(const struct classifier *c);
const char *classifier_label(const struct classifier *c,
			     int index); /* name from id2label; lives with c */
/* The name as in config.json, a text or a number, for answers; a new reference. */
json_t *classifier_label_value(const struct classifier *c, int index);
int classifier_max_tokens(const struct classifier *c);	    /* number of position embeddings */
int classifier_vocab_size(const struct classifier *c);	    /* every id must be smaller */
bool classifier_takes_type_ids(const struct classifier *c); /* bert: true */
enum model_problem classifier_problem(const struct classifier *c);
const char *classifier_device(const struct classifier *c); /* "cpu" or "cuda" */
const char *classifier_dtype(const struct classifier *c);  /* "float32" or "bfloat16" */
