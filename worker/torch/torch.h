/* SPDX-License-Identifier: MIT */
/*
 * The C door to libtorch: one network (an encoder of the BERT kind with a classification head),
 * its parameters, gradients and AdamW state on one device, and the few whole operations that
 * inference and training need. Nothing thrown by C++ crosses it. A network is used by one thread
 * at a time. Parameters live in flat fp32 buffers, in the order of tsh_slot: first what weight
 * decay applies to, then the rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define TSH_NOEXCEPT noexcept
#else
#define TSH_NOEXCEPT
#endif

struct tsh_net;

enum tsh_code {
	TSH_OK = 0,
	TSH_NO_MEMORY,	  /* host memory */
	TSH_DEVICE_OOM,	  /* accelerator memory */
	TSH_DEVICE_ERROR, /* the accelerator failed */
	TSH_ERROR,	  /* anything else libtorch threw */
};

struct tsh_error {
	char msg[512];
};

enum tsh_activation {
	TSH_GELU = 0,
	TSH_GELU_TANH,
	TSH_RELU
};
enum tsh_head {
	TSH_HEAD_TANH = 0,
	TSH_HEAD_RELU
};

struct tsh_shape {
	int layers, hidden, heads, intermediate;
	int vocab, positions, types; /* types 0: no token type embeddings */
	int labels;
	int pad_id; /* its word embedding gets no gradient; -1: none */
	float norm_eps;
	enum tsh_activation activation;
	enum tsh_head head; /* what follows the head's first dense layer */
	/* dropout: after the embeddings, on attention probabilities, after the attention's and the
	 * feed-forward's output layer, before the classifier */
	float drop_embedding, drop_attention, drop_attention_out, drop_output, drop_head;
};

enum tsh_backend {
	TSH_AUTO = 0, /* own kernels on the CPU, libtorch's operators on a GPU */
	TSH_OPERATORS /* libtorch's operators everywhere, as on a GPU: the tests' oracle */
};

struct tsh_options {
	int threads;
	bool cuda;	      /* the first visible GPU */
	bool bf16;	      /* matrix work in bfloat16, master weights and sums in fp32 */
	bool train;	      /* keep gradients and optimiser state */
	int64_t micro_tokens; /* at most so many tokens go through at once; 0: a good default */
	enum tsh_backend backend;
};

/* Parameters of one kind; layer is 0 except for those from TSH_QUERY on to TSH_NORM2_BIAS. */
enum tsh_param {
	TSH_WORD = 0,
	TSH_POSITION,
	TSH_TYPE,
	TSH_QUERY, /* [hidden, hidden], as nn.Linear stores it; the rest likewise */
	TSH_KEY,
	TSH_VALUE,
	TSH_ATTENTION_OUT,
	TSH_FFN_IN,
	TSH_FFN_OUT,
	TSH_HEAD_DENSE,
	TSH_CLASSIFIER,
	TSH_EMBEDDING_NORM_WEIGHT,
	TSH_EMBEDDING_NORM_BIAS,
	TSH_QUERY_BIAS,
	TSH_KEY_BIAS,
	TSH_VALUE_BIAS,
	TSH_ATTENTION_OUT_BIAS,
	TSH_NORM1_WEIGHT,
	TSH_NORM1_BIAS,
	TSH_FFN_IN_BIAS,
	TSH_FFN_OUT_BIAS,
	TSH_NORM2_WEIGHT,
	TSH_NORM2_BIAS,
	TSH_HEAD_DENSE_BIAS,
	TSH_CLASSIFIER_BIAS,
	TSH_PARAM_COUNT,
};

enum tsh_slot {
	TSH_WEIGHT = 0,
	TSH_GRADIENT,
	TSH_MOMENT1,
	TSH_MOMENT2
};

struct tsh_batch {
	const int32_t *ids;
	const int8_t *types;	/* NULL: all 0 */
	const int64_t *starts;	/* per row: its first token in ids */
	const int32_t *lengths; /* per row, >= 1 */
	int rows;
	const int64_t *labels; /* training only */
};

struct tsh_train_options {
	float learning_rate, beta1, beta2, eps, weight_decay;
	float max_grad_norm; /* 0: no clipping */
	uint64_t seed;	     /* of the dropout masks, with `step` */
	int64_t step;	     /* 1-based: AdamW's bias correction */
	bool dropout;
};

struct tsh_train_stats {
	double loss;	  /* mean over the steps since the last read */
	double grad_norm; /* of the last step, before clipping */
	int64_t steps;	  /* since the last read */
	bool finite;	  /* false: a loss or a norm since the last read was NaN or infinite */
};

bool tsh_cuda_available(void) TSH_NOEXCEPT;
/* True if this processor multiplies bfloat16 in hardware. */
bool tsh_cpu_bf16_fast(void) TSH_NOEXCEPT;

enum tsh_code tsh_net_new(const struct tsh_shape *shape, const struct tsh_options *options,
			  struct tsh_net **ret, struct tsh_error *e) TSH_NOEXCEPT;
void tsh_net_free(struct tsh_net *net) TSH_NOEXCEPT;
/* Number of elements and shape (rows 1 for a vector) of a parameter; 0 when the net has none. */
size_t tsh_param_size(const struct tsh_shape *shape, enum tsh_param kind, int *ret_rows,
		      int *ret_columns) TSH_NOEXCEPT;
bool tsh_param_is_layered(enum tsh_param kind) TSH_NOEXCEPT;
/* Copy one parameter in or out, fp32. The slots after TSH_WEIGHT need options.train. */
enum tsh_code tsh_net_put(struct tsh_net *net, enum tsh_slot slot, enum tsh_param kind, int layer,
			  const float *data, struct tsh_error *e) TSH_NOEXCEPT;
enum tsh_code tsh_net_get(const struct tsh_net *net, enum tsh_slot slot, enum tsh_param kind,
			  int layer, float *data, struct tsh_error *e) TSH_NOEXCEPT;

/* logits[rows * labels], without dropout. */
enum tsh_code tsh_net_forward(struct tsh_net *net, const struct tsh_batch *batch, float *logits,
			      struct tsh_error *e) TSH_NOEXCEPT;
/* Forward, loss (mean cross entropy over the rows), backward, clipping, AdamW. On a GPU this
 * returns before the work is done. */
enum tsh_code tsh_net_train(struct tsh_net *net, const struct tsh_batch *batch,
			    const struct tsh_train_options *options,
			    struct tsh_error *e) TSH_NOEXCEPT;
/* Forward, loss and backward only: the gradients stay in TSH_GRADIENT until the next step. For
 * tests. */
enum tsh_code tsh_net_gradients(struct tsh_net *net, const struct tsh_batch *batch,
				const struct tsh_train_options *options, double *ret_loss,
				struct tsh_error *e) TSH_NOEXCEPT;
/* What happened since the last call; waits for the device. */
enum tsh_code tsh_net_stats(struct tsh_net *net, struct tsh_train_stats *ret,
			    struct tsh_error *e) TSH_NOEXCEPT;
/* The order of n rows in epoch `seed`: torch.randperm with a CPU generator of that seed. */
enum tsh_code tsh_permutation(uint64_t seed, int64_t n, int64_t *ret,
			      struct tsh_error *e) TSH_NOEXCEPT;
/* mean 0, given deviation: torch's CPU generator of that seed. */
enum tsh_code tsh_normal(uint64_t seed, float deviation, size_t n, float *ret,
			 struct tsh_error *e) TSH_NOEXCEPT;

#ifdef __cplusplus
}
#endif
