/* SPDX-License-Identifier: MIT */
/*
 * Attention of one sequence and head on tiles, for inference in bf16. The bias of the keys adds the
 * same to all scores of a query, which softmax does not see; that of the values is added to the
 * result, since probabilities add up to 1.
 */
#include "worker/torch/kern_variant.h"

#ifdef __AMX_BF16__
#include "worker/torch/kern_tiles.h"

/* Where things are in the scratch. Keys are padded to whole tiles. */
struct room {
	int keys, size;
	uint16_t *k, *v; /* panels */
	uint16_t *q;	 /* [BLOCK][size] */
	float *scores;	 /* [BLOCK][keys] */
	uint16_t *p;	 /* [BLOCK][keys] */
	float *out;	 /* [BLOCK][size] */
};

static struct room lay_out(const struct kern_attention *a)
{
	struct room r = {.keys = kern_tile_depth(a->n_k), .size = a->size};
	const ptrdiff_t matrix = (ptrdiff_t)r.keys * r.size;

	r.scores = a->scratch;
	r.out = r.scores + (ptrdiff_t)BLOCK * r.keys;
	r.k = (uint16_t *)(r.out + (ptrdiff_t)BLOCK * r.size);
	r.v = r.k + matrix;
	r.q = r.v + matrix;
	r.p = r.q + (ptrdiff_t)BLOCK * r.size;
	return r;
}

/* Panels of k^T, whose last one may have fewer keys than columns, and of v. */
static void pack_operands(const struct kern_attention *a, const struct room *to)
{
	const struct kern_pack k = {
		.from = a->k, .stride = a->kv_stride, .k = a->size, .to = to->k};
	const struct kern_pack v = {.from = a->v, .stride = a->kv_stride, .k = a->n_k, .to = to->v};

	for (int panel = 0; panel < to->keys / 16; panel++)
		for (int line = 0; line < lines_of(a->size); line += 16)
			pack_b_tile(&k, panel, line, a->n_k - panel * 16);
	KERN(pack_b)(&v, 0, a->size / 16);
}

/* q + bias of these queries. */
static void load_queries(const struct kern_attention *a, const struct room *to, int at, int rows)
{
	for (int r = 0; r < rows; r++)
		for (int i = 0; i < to->size; i += VL)
			vf_write(to->q, (size_t)(r * to->size + i),
				 vf_read(a->q, (size_t)((at + r) * a->q_stride + i), true) +
					 vf_load(a->q_bias + i),
				 true);
}

/* C[rows][columns] = A B with A [rows][k] */
static void product(const uint16_t *a, const uint16_t *b, int k, float *c, int rows, int columns)
{
	struct block x = {.a = a,
			  .a_bottom = a + 16 * k,
			  .a_row = 2 * k,
			  .a_step = LINE,
			  .panel = (ptrdiff_t)lines_of(k) * LINE,
			  .steps = k / 32,
			  .sums_row = 4 * columns};

	for (int column = 0; column < columns; column += BLOCK) {
		x.b = b + column / 16 * x.panel;
		x.sums = c + column;
		multiply_block(&x, rows, columns - column, false);
	}
}

/* 2^x for x <= 0 within 4e-6; 0 below -126. */
INLINE __m512 exp2_fast(__m512 x)
{
	const __m512 n = _mm512_roundscale_ps(x, 0); /* to the nearest integer */
	const __m512 r = _mm512_sub_ps(x, n);
	__m512 p = _mm512_set1_ps(1.3333558e-3f);

	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.6181291e-3f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.5504109e-2f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4022651e-1f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9314718e-1f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
	return _mm512_scalef_ps(p, n);
}

/* What the scores of n keys get by their distance, divided by the scale that follows. */
static void add_relative(float *scores, const float *relative, int n, float scale)
{
	const __m512 factor = _mm512_set1_ps(1 / scale);

	for (int j = 0; j < n; j += 16)
		_mm512_storeu_ps(scores + j, _mm512_fmadd_ps(_mm512_loadu_ps(relative + j), factor,
							     _mm512_loadu_ps(scores + j)));
}

/* The first n of 16 lanes; n may be negative. */
INLINE __mmask16 first_lanes(int n)
{
	return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0;
}

/* p = exp((score - max) * scale) of n keys, then zeros; returns their sum. */
static float softmax_row(const float *scores, uint16_t *p, int n, int keys, float scale)
{
	const __m512 factor = _mm512_set1_ps(scale * 1.44269504f), none = _mm512_set1_ps(-INFINITY);
	__m512 top = none, sum = _mm512_setzero_ps(), base;

	for (int j = 0; j < n; j += 16)
		top = _mm512_max_ps(top,
				    _mm512_mask_loadu_ps(none, first_lanes(n - j), scores + j));
	base = _mm512_mul_ps(_mm512_set1_ps(_mm512_reduce_max_ps(top)), factor);
	for (int j = 0; j < keys; j += 16) {
		const __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(scores + j), factor, base);
		const __m512 e = _mm512_maskz_mov_ps(first_lanes(n - j), exp2_fast(x));

		sum = _mm512_add_ps(sum, e);
		vf_write(p, (size_t)j, (vf)e, true);
	}
	return _mm512_reduce_add_ps(sum);
}

bool KERN(attention_on_tiles)(const struct kern_attention *a)
{
	struct room x;
	float sums[BLOCK];

	if (!a->bf16 || a->lse || a->drop.threshold || a->size % 32)
		return false;
	x = lay_out(a);
	pack_operands(a, &x);
	for (int at = 0; at < a->n_q; at += BLOCK) {
		const int rows = least(BLOCK, a->n_q - at);

		load_queries(a, &x, at, rows);
		if (at == 0 || rows < BLOCK)
			set_shapes(least(rows, 16), rows > 16 ? rows - 16 : 0);
		product(x.q, x.k, x.size, x.scores, rows, x.keys);
		for (int r = 0; r < rows; r++) {
			float *row = x.scores + (ptrdiff_t)r * x.keys;

			if (a->relative)
				add_relative(row, a->relative - (at + r), a->n_k, a->scale);
			sums[r] = softmax_row(row, x.p + (ptrdiff_t)r * x.keys, a->n_k, x.keys,
					      a->scale);
		}
		product(x.p, x.v, x.keys, x.out, rows, x.size);
		for (int r = 0; r < rows; r++)
			for (int i = 0; i < x.size; i += VL)
				vf_write(a->out, (size_t)((at + r) * a->out_stride + i),
					 vf_load(x.out + r * x.size + i) / sums[r] +
						 vf_load(a->v_bias + i),
					 true);
	}
	_tile_release();
	return true;
}
#endif
