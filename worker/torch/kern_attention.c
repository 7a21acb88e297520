/* SPDX-License-Identifier: MIT */
/*
 * Attention of one sequence and head, forward and backward, in blocks of queries whose scores
 * stay in the cache; probabilities are recomputed in the backward pass, dropout masks too. All
 * products go through one small matrix kernel in fp32.
 */
#include "worker/torch/kern_variant.h"

#include "worker/torch/kern_vec.h"

#if VL == 16
#define ROWS 12 /* 12 x 2 accumulators of the 32 registers */
#else
#define ROWS 6 /* of 16 registers */
#endif
#define BLOCK 48 /* queries at a time, a multiple of ROWS */

/* C[rows][nv * VL] = (add ? C : 0) + A[rows][k] B[k][...]; A by strides, B and C by rows. */
INLINE void tile(int rows, int nv, int k, const float *a, ptrdiff_t a_row, ptrdiff_t a_col,
		 const float *b, ptrdiff_t ldb, float *c, ptrdiff_t ldc, bool add)
{
	vf acc[ROWS][2];

#pragma GCC unroll 12
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
		for (int j = 0; j < nv; j++)
			acc[i][j] = add ? vf_load(c + i * ldc + j * VL) : vf_set(0);
	for (int p = 0; p < k; p++) {
		vf row[2];

#pragma GCC unroll 2
		for (int j = 0; j < nv; j++)
			row[j] = vf_load(b + p * ldb + j * VL);
#pragma GCC unroll 12
		for (int i = 0; i < rows; i++) {
			float s = a[i * a_row + p * a_col];

#pragma GCC unroll 2
			for (int j = 0; j < nv; j++)
				acc[i][j] += s * row[j];
		}
	}
#pragma GCC unroll 12
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
		for (int j = 0; j < nv; j++)
			vf_store(c + i * ldc + j * VL, acc[i][j]);
}

/* n is a multiple of VL. */
static void product(int m, int n, int k, const float *a, ptrdiff_t a_row, ptrdiff_t a_col,
		    const float *b, ptrdiff_t ldb, float *c, ptrdiff_t ldc, bool add)
{
	int j = 0;

	for (; j + 2 * VL <= n; j += 2 * VL) {
		int i = 0;

		for (; i + ROWS <= m; i += ROWS)
			tile(ROWS, 2, k, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j,
			     ldc, add);
		for (; i < m; i++)
			tile(1, 2, k, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc,
			     add);
	}
	if (j < n)
		for (int i = 0; i < m; i++)
			tile(1, 1, k, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc,
			     add);
}

static int round_up(int n)
{
	return (n + VL - 1) / VL * VL;
}

INLINE float read_one(const void *p, ptrdiff_t i, bool bf16)
{
	uint32_t bits;
	float f;

	if (!bf16)
		return ((const float *)p)[i];
	bits = (uint32_t)((const uint16_t *)p)[i] << 16;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

INLINE void write_one(void *p, ptrdiff_t i, float v, bool bf16)
{
	uint32_t u;

	if (!bf16) {
		((float *)p)[i] = v;
		return;
	}
	memcpy(&u, &v, sizeof(u));
	u = v != v ? 0x7fc0 : (u + (0x7fff + ((u >> 16) & 1))) >> 16;
	((uint16_t *)p)[i] = (uint16_t)u;
}

/* to[rows][width] = (from + bias) * scale; columns size..width are 0. bias may be NULL. */
static void load_block(float *to, int rows, int width, const void *from, ptrdiff_t stride, int size,
		       const float *bias, float scale, bool bf16)
{
	for (int r = 0; r < rows; r++) {
		float *row = to + (ptrdiff_t)r * width;
		int i = 0;

		for (; i + VL <= size; i += VL) {
			vf v = vf_read(from, (size_t)(r * stride + i), bf16);

			vf_store(row + i, (bias ? v + vf_load(bias + i) : v) * scale);
		}
		for (; i < size; i++)
			row[i] = (read_one(from, r * stride + i, bf16) + (bias ? bias[i] : 0)) *
				 scale;
		for (; i < width; i++)
			row[i] = 0;
	}
}

static void store_block(void *to, ptrdiff_t stride, int rows, int size, const float *from,
			int width, float scale, bool bf16)
{
	for (int r = 0; r < rows; r++) {
		const float *row = from + (ptrdiff_t)r * width;
		int i = 0;

		for (; i + VL <= size; i += VL)
			vf_write(to, (size_t)(r * stride + i), vf_load(row + i) * scale, bf16);
		for (; i < size; i++)
			write_one(to, r * stride + i, row[i] * scale, bf16);
	}
}

/* to[size][padded] = from[n][width]^T, columns n..padded are 0 */
static void transpose(float *to, int padded, const float *from, int n, int width, int size)
{
	for (int d = 0; d < size; d++) {
		float *row = to + (ptrdiff_t)d * padded;

		for (int j = 0; j < n; j++)
			row[j] = from[(ptrdiff_t)j * width + d];
		for (int j = n; j < padded; j++)
			row[j] = 0;
	}
}

INLINE struct drop_row query_drop(const struct kern_attention *a, int q)
{
	uint64_t row = (uint64_t)a->tags[q] * 64 + a->head;

	return (struct drop_row){mix64(a->drop.key + row), a->drop.threshold, a->drop.scale};
}

/* Scores to exp(score - max) with zeros behind n; returns the sum, *ret_max. */
INLINE float softmax_row(float *p, int n, int padded, float *ret_max)
{
	vf top = vf_set(-INFINITY), sum = {0};
	float max;

	for (int j = n; j < padded; j++)
		p[j] = -INFINITY;
	for (int j = 0; j < padded; j += VL)
		top = vf_max(top, vf_load(p + j));
	max = vf_top(top);
	for (int j = 0; j < padded; j += VL) {
		vf e = vf_exp(vf_load(p + j) - max);

		sum += e;
		vf_store(p + j, e);
	}
	*ret_max = max;
	return vf_sum(sum);
}

static void scale_and_drop(const struct kern_attention *a, float *p, int padded, int q,
			   float factor)
{
	struct drop_row drop = query_drop(a, q);

	for (int j = 0; j < padded; j += VL) {
		vf v = vf_load(p + j) * factor;

		if (drop.threshold)
			v *= drop_scale(drop, (uint32_t)j);
		vf_store(p + j, v);
	}
}

/* to[j] += from[j] */
static void add_row(float *to, const float *from, int padded)
{
	for (int j = 0; j < padded; j += VL)
		vf_store(to + j, vf_load(to + j) + vf_load(from + j));
}

static ptrdiff_t in_bytes(const struct kern_attention *a, ptrdiff_t elements)
{
	return elements * (a->bf16 ? 2 : 4);
}

void KERN(attention)(const struct kern_attention *a)
{
#ifdef __AMX_BF16__
	if (KERN(attention_on_tiles)(a))
		return;
#endif
	int width = round_up(a->size), padded = round_up(a->n_k);
	float *k = a->scratch, *v = k + (ptrdiff_t)a->n_k * width;
	float *kt = v + (ptrdiff_t)a->n_k * width, *q = kt + (ptrdiff_t)width * padded;
	float *p = q + BLOCK * width, *out = p + (ptrdiff_t)BLOCK * padded;

	load_block(k, a->n_k, width, a->k, a->kv_stride, a->size, a->k_bias, 1, a->bf16);
	load_block(v, a->n_k, width, a->v, a->kv_stride, a->size, a->v_bias, 1, a->bf16);
	transpose(kt, padded, k, a->n_k, width, a->size);
	for (int at = 0; at < a->n_q; at += BLOCK) {
		int rows = a->n_q - at < BLOCK ? a->n_q - at : BLOCK;

		load_block(q, rows, width, (const char *)a->q + in_bytes(a, at * a->q_stride),
			   a->q_stride, a->size, a->q_bias, a->scale, a->bf16);
		product(rows, padded, a->size, q, width, 1, kt, padded, p, padded, false);
		for (int r = 0; r < rows; r++) {
			float *row = p + (ptrdiff_t)r * padded, max, sum;

			if (a->relative)
				add_row(row, a->relative - (at + r), padded);
			sum = softmax_row(row, a->n_k, padded, &max);
			if (a->lse)
				a->lse[(at + r) * a->lse_stride] = max + logf(sum);
			scale_and_drop(a, row, padded, at + r, 1 / sum);
		}
		product(rows, width, a->n_k, p, padded, 1, v, width, out, width, false);
		store_block((char *)a->out + in_bytes(a, at * a->out_stride), a->out_stride, rows,
			    a->size, out, width, 1, a->bf16);
	}
}

/* From scores p and dP dp of one query: p becomes the dropped probabilities, dp the gradient of
 * the scores. */
INLINE void back_row(const struct kern_attention *a, float *p, float *dp, int q, int padded)
{
	struct drop_row drop = query_drop(a, q);
	float lse = a->lse[q * a->lse_stride], delta;
	vf sum = {0};

	for (int j = a->n_k; j < padded; j++)
		p[j] = -INFINITY;
	for (int j = 0; j < padded; j += VL) {
		vf e = vf_exp(vf_load(p + j) - lse), d = vf_load(dp + j);

		if (drop.threshold)
			d *= drop_scale(drop, (uint32_t)j);
		sum += e * d;
		vf_store(p + j, e);
		vf_store(dp + j, d);
	}
	delta = vf_sum(sum);
	for (int j = 0; j < padded; j += VL) {
		vf e = vf_load(p + j);

		vf_store(dp + j, e * (vf_load(dp + j) - delta));
		if (drop.threshold)
			vf_store(p + j, e * drop_scale(drop, (uint32_t)j));
	}
}

void KERN(attention_back)(const struct kern_attention *a)
{
	int width = round_up(a->size), padded = round_up(a->n_k);
	ptrdiff_t matrix = (ptrdiff_t)a->n_k * width, across = (ptrdiff_t)width * padded;
	float *k = a->scratch, *v = k + matrix, *kt = v + matrix, *vt = kt + across;
	float *dk = vt + across, *dv = dk + matrix, *q = dv + matrix, *d_out = q + BLOCK * width;
	float *dq = d_out + BLOCK * width, *p = dq + BLOCK * width;
	float *dp = p + (ptrdiff_t)BLOCK * padded;

	load_block(k, a->n_k, width, a->k, a->kv_stride, a->size, a->k_bias, 1, a->bf16);
	load_block(v, a->n_k, width, a->v, a->kv_stride, a->size, a->v_bias, 1, a->bf16);
	transpose(kt, padded, k, a->n_k, width, a->size);
	transpose(vt, padded, v, a->n_k, width, a->size);
	memset(dk, 0, (size_t)(2 * matrix) * sizeof(float));
	for (int at = 0; at < a->n_q; at += BLOCK) {
		int rows = a->n_q - at < BLOCK ? a->n_q - at : BLOCK;

		load_block(q, rows, width, (const char *)a->q + in_bytes(a, at * a->q_stride),
			   a->q_stride, a->size, a->q_bias, a->scale, a->bf16);
		load_block(d_out, rows, width,
			   (const char *)a->d_out + in_bytes(a, at * a->out_stride), a->out_stride,
			   a->size, NULL, 1, a->bf16);
		product(rows, padded, a->size, q, width, 1, kt, padded, p, padded, false);
		product(rows, padded, a->size, d_out, width, 1, vt, padded, dp, padded, false);
		for (int r = 0; r < rows; r++) {
			float *row = p + (ptrdiff_t)r * padded, *d = dp + (ptrdiff_t)r * padded;

			if (a->relative)
				add_row(row, a->relative - (at + r), padded);
			back_row(a, row, d, at + r, padded);
			if (a->d_relative)
				add_row(a->d_relative - (at + r), d, padded);
		}
		product(a->n_k, width, rows, p, 1, padded, d_out, width, dv, width, true);
		product(a->n_k, width, rows, dp, 1, padded, q, width, dk, width, true);
		product(rows, width, a->n_k, dp, padded, 1, k, width, dq, width, false);
		store_block((char *)a->dq + in_bytes(a, at * a->dq_stride), a->dq_stride, rows,
			    a->size, dq, width, a->scale, a->bf16);
	}
	store_block(a->dk, a->dkv_stride, a->n_k, a->size, dk, width, 1, a->bf16);
	store_block(a->dv, a->dkv_stride, a->n_k, a->size, dv, width, 1, a->bf16);
}

const struct kernels KERN(table) = {
	.name = KERN_NAME,
	.embed = KERN(embed),
	.norm = KERN(norm),
	.norm_back = KERN(norm_back),
	.act = KERN(act),
	.act_back = KERN(act_back),
	.column_sum = KERN(column_sum),
	.accumulate = KERN(accumulate),
	.attention = KERN(attention),
	.attention_back = KERN(attention_back),
	.product_f32 = KERN(product_f32),
	.pack_f32 = KERN(pack_f32),
#ifdef __AMX_BF16__
	.product = KERN(product),
	.pack_b = KERN(pack_b),
	.pack_b_transposed = KERN(pack_b_transposed),
	.pack_a_transposed = KERN(pack_a_transposed),
#endif
	.square_sum = KERN(square_sum),
	.adamw = KERN(adamw),
	.to_bf16 = KERN(to_bf16),
};
