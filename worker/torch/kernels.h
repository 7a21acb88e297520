/* SPDX-License-Identifier: MIT */
/*
 * The CPU kernels between the matrix products: each works on rows [begin, end) of its arguments
 * so that the caller can spread rows over threads. `void *` arrays are fp32 or bf16 as `bf16`
 * says; row lengths must be multiples of KERNEL_ALIGN (but for attention's head size). Plain C,
 * compiled once per instruction set; kernels_get() picks the best one for this processor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KERNEL_ALIGN 16

/* One dropout site: masks are a function of (key, row tag, column) and never stored. */
struct kern_drop {
	uint64_t key;
	uint32_t threshold; /* p * 2^32; 0: no dropout */
	float scale;	    /* 1 / (1 - p) */
};

/* y = norm(z), with z = word[id] + position[at] + type[t], then dropout. */
struct kern_embed {
	int width;
	bool bf16;
	const float *word, *position, *type; /* type may be NULL */
	const float *weight, *bias;
	const int32_t *ids, *at;
	const int8_t *types; /* NULL: all 0 */
	const uint32_t *tags;
	float eps;
	struct kern_drop drop;
	void *z;      /* [rows, width], or NULL in inference */
	float *stats; /* [rows, 2]: mean and 1 / deviation, or NULL */
	void *y;
};

/* z = x + dropout(o + bias), y = norm(z). */
struct kern_norm {
	int width;
	bool bf16;
	const void *o, *x;
	const float *o_bias;
	const float *weight, *bias;
	const uint32_t *tags;
	float eps;
	struct kern_drop drop;
	void *z;
	float *stats;
	void *y;
};

/* Backward of both: dy is dy1 + dy2 (dy2 may be NULL). dz is the gradient of z; d_o, unless NULL,
 * that of o. The sums are added to. For the embeddings the dropout applies to y (drop_output). */
struct kern_norm_back {
	int width;
	bool bf16, drop_output, dz_f32;
	const void *dy1, *dy2, *z;
	const float *stats, *weight;
	const uint32_t *tags;
	struct kern_drop drop;
	void *dz, *d_o;
	float *sum_weight, *sum_bias,
		*sum_o_bias; /* [width] each, this thread's; the last may be NULL */
};

/* a = act(u + bias); backward du = da * act'(u + bias), in place in da. act: enum torch_activation
 */
struct kern_act {
	int width, act;
	bool bf16;
	const void *u;
	const float *bias;
	void *a;	 /* forward: out; backward: da in, du out */
	float *sum_bias; /* backward: [width], added to */
};

/* Attention of one sequence and head: n_q queries over n_k keys. Pointers are at the sequence's
 * first row and the head's first column; strides in elements. */
struct kern_attention {
	int n_q, n_k, size;
	bool bf16;
	const void *q, *k, *v;
	ptrdiff_t q_stride, kv_stride;
	const float *q_bias, *k_bias, *v_bias;
	float scale;
	struct kern_drop drop;
	const uint32_t *tags; /* of the queries */
	uint32_t head;
	/* relative[key - query] is added to a score (NULL: nothing). Distances go from 1 - n_k to
	 * n_k - 1, and on both sides a whole vector more can be read. The backward pass adds the
	 * gradient to d_relative, unless it is NULL. */
	const float *relative;
	float *d_relative;
	void *out; /* forward: out; backward: unused */
	ptrdiff_t out_stride;
	float *lse; /* [n_q] with stride lse_stride; NULL in inference */
	ptrdiff_t lse_stride;
	/* backward */
	const void *d_out;
	void *dq, *dk, *dv;
	ptrdiff_t dq_stride, dkv_stride;
	float *scratch; /* kern_attention_scratch() floats, 64-byte aligned */
};

/* An operand of a product, copied into panels of 16 rows of A or 16 columns of B. A line of a panel
 * is 64 bytes. In fp32 it is a row of B. In bf16, B has a pair of rows in a line, and A is in tiles
 * of 16 rows and 32 columns; k is rounded up to kern_tile_depth(k), and what lies behind k is 0. */
struct kern_pack {
	const void *from;
	ptrdiff_t stride; /* elements from row to row */
	int k;
	void *to; /* 64-byte aligned */
};

/* C = A B, or C += A B. */
struct kern_product {
	int k;
	const void *a;	    /* rows of k; or panels */
	ptrdiff_t a_stride; /* elements; 0: panels (bf16) */
	const void *b;	    /* panels */
	bool add;	    /* bf16: true: C is fp32 and is added to; false: C is bf16 */
	void *c;
	ptrdiff_t c_stride; /* elements */
};

#define KERN_TILE 16 /* rows and columns of a panel */

struct kern_adamw {
	float *w, *g, *m, *v;
	uint16_t *w_bf16; /* NULL: none */
	float grad_scale, learning_rate, beta1, beta2, eps, weight_decay;
	float correction1, correction2_sqrt; /* 1 - beta1^t, sqrt(1 - beta2^t) */
};

struct kernels {
	const char *name;
	void (*embed)(const struct kern_embed *a, int begin, int end);
	void (*norm)(const struct kern_norm *a, int begin, int end);
	void (*norm_back)(const struct kern_norm_back *a, int begin, int end);
	void (*act)(const struct kern_act *a, int begin, int end);
	void (*act_back)(const struct kern_act *a, int begin, int end);
	/* sum[width] += rows [begin, end) of x */
	void (*column_sum)(const void *x, bool bf16, ptrdiff_t stride, int width, float *sum,
			   int begin, int end);
	/* to[i] += from[i] (from: bf16 or fp32) */
	void (*accumulate)(float *to, const void *from, bool bf16, size_t begin, size_t end);
	void (*attention)(const struct kern_attention *a);
	void (*attention_back)(const struct kern_attention *a);
	/* Matrix products. Columns come in multiples of 16, in bf16 k in multiples of 32, but for
	 * panels. Packing writes the panels [begin, end). fp32: B = from^T. */
	void (*product_f32)(const struct kern_product *a, int row_begin, int row_end,
			    int column_begin, int column_end);
	void (*pack_f32)(const struct kern_pack *a, int begin, int end);
	/* bf16, with sums in fp32; NULL if the processor has no tiles. B = from, B = from^T and
	 * A = from^T. */
	void (*product)(const struct kern_product *a, int row_begin, int row_end, int column_begin,
			int column_end);
	void (*pack_b)(const struct kern_pack *a, int begin, int end);
	void (*pack_b_transposed)(const struct kern_pack *a, int begin, int end);
	void (*pack_a_transposed)(const struct kern_pack *a, int begin, int end);
	double (*square_sum)(const float *x, size_t n);
	void (*adamw)(const struct kern_adamw *a, size_t begin, size_t end); /* clears g */
	void (*to_bf16)(const float *from, uint16_t *to, size_t n);
};

const struct kernels *kernels_get(void);
/* For tests: the variants that this processor can run, best first. Returns their number. */
int kernels_all(const struct kernels *ret[4]);
/* k as panels have it: up to a multiple of 32. */
int kern_tile_depth(int k);
/* Floats of scratch for a sequence of n_k keys. */
size_t kern_attention_scratch(int n_k, int size, bool backward);
struct kern_drop kern_drop_site(float p, uint64_t seed, uint64_t step, int site);
/* The factor by which the kernels multiply this element: 0 or scale. */
float kern_drop_value(const struct kern_drop *d, uint32_t tag, uint32_t column);

#ifdef __cplusplus
}
#endif
