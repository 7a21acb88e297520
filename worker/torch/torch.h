/* SPDX-License-Identifier: MIT */
/*
 * The C interface to libtorch: one network, an encoder of the BERT kind with a classification head.
 * Its parameters, gradients and AdamW state are on one device. It offers only the whole operations
 * that inference and training need. No C++ exception crosses it. One thread uses a network at a
 * time. Parameters are in flat fp32 buffers, one for each torch_slot: first the frozen ones, which
 * only TORCH_WEIGHT has, then those with weight decay, then the others.
 */
#pragma once

#include "worker/torch/shape.h"

#ifdef __cplusplus
extern "C" {
#endif

struct torch_net;

enum torch_code {
	TORCH_OK = 0,
	TORCH_NO_MEMORY,    /* host memory */
	TORCH_DEVICE_OOM,   /* accelerator memory */
	TORCH_DEVICE_ERROR, /* the accelerator failed */
	TORCH_ERROR,	    /* any other exception of libtorch */
};

struct torch_error {
	char msg[512];
};

enum torch_backend {
	TORCH_AUTO = 0, /* own kernels on the CPU, libtorch's operators on a GPU */
	TORCH_OPERATORS /* libtorch's operators everywhere, as on a GPU: the tests' oracle */
};

struct torch_options {
	int threads;
	bool cuda;	  /* the first visible GPU */
	bool bf16;	  /* matrix work in bfloat16, master weights and sums in fp32 */
	bool train;	  /* keep gradients and optimiser state */
	int frozen_parts; /* constant: 0: none; 1: the embeddings; 1 + N: and the first N layers */
	int64_t micro_tokens; /* the most tokens in one pass; 0: a good default */
	enum torch_backend backend;
};

enum torch_slot {
	TORCH_WEIGHT = 0,
	TORCH_GRADIENT,
	TORCH_MOMENT1,
	TORCH_MOMENT2
};

struct torch_batch {
	const int32_t *ids;
	const int8_t *types;	/* NULL: all 0 */
	const int64_t *starts;	/* per row: its first token in ids */
	const int32_t *lengths; /* per row, >= 1 */
	int rows;
	const int64_t *labels; /* training with TORCH_CROSS_ENTROPY */
	const float *targets;  /* training with another loss: per row one for each label */
	const float *weights;  /* training: of each row's loss in the sum; NULL: 1 / rows */
};

struct torch_train_options {
	float learning_rate, beta1, beta2, eps, weight_decay;
	float max_grad_norm;   /* 0: no clipping */
	float label_smoothing; /* the part of each label that is spread over all labels; 0: none */
	uint64_t seed;	       /* of the dropout masks, with `step` */
	int64_t step;	       /* 1-based: AdamW's bias correction */
	bool dropout;
};

struct torch_train_stats {
	double loss;	  /* mean over the steps since the last read */
	double grad_norm; /* of the last step, before clipping */
	int64_t steps;	  /* since the last read */
	bool finite;	  /* True if every loss and norm since the last read was finite */
};

bool torch_cuda_available(void) TORCH_NOEXCEPT;
/* True if this processor multiplies bfloat16 in hardware. */
bool torch_cpu_bf16_fast(void) TORCH_NOEXCEPT;

/* End the calling thread's pool of threads. libgomp keeps one for each thread that has computed, so
 * a thread that loads and one that computes have two. Threads then outnumber cores, and libgomp
 * lets them sleep at each meeting instead of spinning for a short time. */
void torch_threads_release(void) TORCH_NOEXCEPT;

enum torch_code torch_net_new(const struct torch_shape *shape, const struct torch_options *options,
			      struct torch_net **ret, struct torch_error *e) TORCH_NOEXCEPT;
void torch_net_free(struct torch_net *net) TORCH_NOEXCEPT;
/* True if the slots after TORCH_WEIGHT have this parameter. */
bool torch_net_trains(const struct torch_net *net, enum torch_param kind, int layer) TORCH_NOEXCEPT;
/* Copy one parameter in or out, fp32. The slots after TORCH_WEIGHT need options.train. */
enum torch_code torch_net_put(struct torch_net *net, enum torch_slot slot, enum torch_param kind,
			      int layer, const float *data, struct torch_error *e) TORCH_NOEXCEPT;
enum torch_code torch_net_get(const struct torch_net *net, enum torch_slot slot,
			      enum torch_param kind, int layer, float *data,
			      struct torch_error *e) TORCH_NOEXCEPT;

/* The most tokens in one pass. If memory runs out, training and inference halve it and start again,
 * until one row alone does not fit. */
int64_t torch_net_micro_tokens(const struct torch_net *net) TORCH_NOEXCEPT;

/* logits[rows * labels], without dropout. */
enum torch_code torch_net_forward(struct torch_net *net, const struct torch_batch *batch,
				  float *logits, struct torch_error *e) TORCH_NOEXCEPT;
/* Forward, loss (sum of the rows' weighted losses), backward, clipping, AdamW. On a GPU
 * this returns before the work is done. */
enum torch_code torch_net_train(struct torch_net *net, const struct torch_batch *batch,
				const struct torch_train_options *options,
				struct torch_error *e) TORCH_NOEXCEPT;
/* Forward, loss and backward only: the gradients stay in TORCH_GRADIENT until the next step. For
 * tests. */
enum torch_code torch_net_gradients(struct torch_net *net, const struct torch_batch *batch,
				    const struct torch_train_options *options, double *ret_loss,
				    struct torch_error *e) TORCH_NOEXCEPT;
/* Report the sums since the last call. Waits for the device. */
enum torch_code torch_net_stats(struct torch_net *net, struct torch_train_stats *ret,
				struct torch_error *e) TORCH_NOEXCEPT;
/* The order of n rows in epoch `seed`: torch.randperm with a CPU generator of that seed. */
enum torch_code torch_permutation(uint64_t seed, int64_t n, int64_t *ret,
				  struct torch_error *e) TORCH_NOEXCEPT;
/* mean 0, given deviation: torch's CPU generator of that seed. */
enum torch_code torch_normal(uint64_t seed, float deviation, size_t n, float *ret,
			     struct torch_error *e) TORCH_NOEXCEPT;

#ifdef __cplusplus
}
#endif
