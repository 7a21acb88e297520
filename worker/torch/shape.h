/* SPDX-License-Identifier: MIT */
/*
 * The shape of a network and the kinds of its parameters: what a model's configuration decides.
 * Pure; torch.h includes it for all callers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define TORCH_NOEXCEPT noexcept
#else
#define TORCH_NOEXCEPT
#endif

enum torch_activation {
	TORCH_GELU = 0,
	TORCH_GELU_TANH,
	TORCH_RELU
};
enum torch_head {
	TORCH_HEAD_TANH = 0,
	TORCH_HEAD_RELU,
	TORCH_HEAD_GELU
};

enum torch_loss {
	TORCH_CROSS_ENTROPY = 0,
	TORCH_SQUARED_ERROR,	   /* mean over the labels */
	TORCH_BINARY_CROSS_ENTROPY /* of each label's sigmoid, mean over the labels */
};

struct torch_shape {
	int layers, hidden, heads, intermediate;
	int embedding;		     /* width of the embeddings; projected if it is not `hidden` */
	int vocab, positions, types; /* types 0: no token type embeddings */
	int labels;
	int pad_id;	      /* its word embedding gets no gradient; -1: none */
	int position_pad;     /* as RoBERTa: a token of this id is at this position, which gets no
			       * gradient, and the others count from the next one; -1: from 0 */
	int relative_buckets; /* as MPNet: rows of the table of what an attention score gets by its
			       * distance, in all layers; 0: none */
	float norm_eps;
	enum torch_activation activation;
	enum torch_head head; /* what follows the head's first dense layer */
	enum torch_loss loss; /* training only */
	/* dropout: after the embeddings, on attention probabilities, after the attention's and the
	 * feed-forward's output layer, before the head, before the classifier */
	float drop_embedding, drop_attention, drop_attention_out, drop_output, drop_head_input,
		drop_head;
};

/* Parameters of one kind; layer is 0 except for those from TORCH_QUERY on to TORCH_NORM2_BIAS. */
enum torch_param {
	TORCH_WORD = 0,
	TORCH_POSITION,
	TORCH_TYPE,
	TORCH_QUERY, /* [hidden, hidden], as nn.Linear stores it; the rest likewise */
	TORCH_KEY,
	TORCH_VALUE,
	TORCH_ATTENTION_OUT,
	TORCH_FFN_IN,
	TORCH_FFN_OUT,
	TORCH_HEAD_DENSE,
	TORCH_CLASSIFIER,
	TORCH_PROJECTION, /* [hidden, embedding], unless they are equal */
	TORCH_EMBEDDING_NORM_WEIGHT,
	TORCH_EMBEDDING_NORM_BIAS,
	TORCH_QUERY_BIAS,
	TORCH_KEY_BIAS,
	TORCH_VALUE_BIAS,
	TORCH_ATTENTION_OUT_BIAS,
	TORCH_NORM1_WEIGHT,
	TORCH_NORM1_BIAS,
	TORCH_FFN_IN_BIAS,
	TORCH_FFN_OUT_BIAS,
	TORCH_NORM2_WEIGHT,
	TORCH_NORM2_BIAS,
	TORCH_HEAD_DENSE_BIAS,
	TORCH_CLASSIFIER_BIAS,
	TORCH_PROJECTION_BIAS,
	TORCH_RELATIVE, /* [relative_buckets, heads], without weight decay */
	TORCH_PARAM_COUNT,
};

/* Number of elements and shape (rows 1 for a vector) of a parameter; 0 if the network has no such
 * parameter. */
size_t torch_param_size(const struct torch_shape *shape, enum torch_param kind, int *ret_rows,
			int *ret_columns) TORCH_NOEXCEPT;
bool torch_param_is_layered(enum torch_param kind) TORCH_NOEXCEPT;
/* True if the parameter has one dimension: biases, and the weights of norms. */
bool torch_param_is_vector(enum torch_param kind) TORCH_NOEXCEPT;
bool torch_param_is_frozen(enum torch_param kind, int layer, int frozen_parts) TORCH_NOEXCEPT;

/* The row of TORCH_RELATIVE for a key so many tokens behind the query (below 0: before it): each
 * of the nearest 8 has one, those farther away share more and more, up to 128. */
#define TORCH_RELATIVE_BUCKETS 32
int torch_relative_bucket(int distance) TORCH_NOEXCEPT;

#ifdef __cplusplus
}
#endif
