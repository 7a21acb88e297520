/* SPDX-License-Identifier: MIT */
/*
 * The processor's tiles: 16 rows of 64 bytes, multiplied into sums of fp32 (AMX; Intel,
 * "Architecture Instruction Set Extensions Programming Reference", chapter 3). A block of 32 by 32
 * sums stays in four tiles while both operands stream past. Included by kern_product.c and
 * kern_attention_tiles.c, in the variant that has tiles.
 */
#pragma once

#include "worker/torch/kern_vec.h"
#include "worker/torch/kernels.h"

#include <immintrin.h>

#define LINE  (2 * KERN_TILE)	 /* elements in a line of a panel: a pair for each column */
#define TILE  (KERN_TILE * LINE) /* elements of a tile of bf16 */
#define BLOCK (2 * KERN_TILE)	 /* rows and columns of a block of sums */

INLINE int least(int a, int b)
{
	return a < b ? a : b;
}

/* Lines of a panel. */
INLINE int lines_of(int k)
{
	return kern_tile_depth(k) / 2;
}

/* The 32-bit elements of 16 vectors, rows for columns. */
INLINE void transpose(__m512i r[16])
{
	__m512i t[16];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++) {
		t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
		t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
		t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
		t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
		t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
		r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
		r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
		r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
	}
}

INLINE void store_transposed(__m512i r[16], uint16_t *to)
{
	transpose(r);
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++)
		_mm512_storeu_si512(to + i * LINE, r[i]);
}

/* The first n of 32 elements, then zeros. */
INLINE __m512i load_part(const uint16_t *p, int n)
{
	return _mm512_maskz_loadu_epi16(n >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << n) - 1, p);
}

/* Pairs of the rows 2p and 2p + 1 of 16 columns. */
INLINE __m512i load_pairs(const uint16_t *from, ptrdiff_t stride, int rows, int p)
{
	const uint16_t *even = from + (ptrdiff_t)(2 * p) * stride;
	__m256i a = _mm256_setzero_si256(), b = a;

	if (2 * p < rows)
		a = _mm256_loadu_si256((const void *)even);
	if (2 * p + 1 < rows)
		b = _mm256_loadu_si256((const void *)(even + stride));
	return _mm512_or_si512(_mm512_cvtepu16_epi32(a),
			       _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
}

/* 16 lines of a panel of B = from^T: `columns` of its columns are rows of `from`, the others 0. */
INLINE void pack_b_tile(const struct kern_pack *a, int panel, int line, int columns)
{
	const uint16_t *from = (const uint16_t *)a->from + panel * 16 * a->stride + 2 * line;
	__m512i r[16];

	for (int i = 0; i < 16; i++)
		r[i] = i < columns ? load_part(from + i * a->stride, a->k - 2 * line)
				   : _mm512_setzero_si512();
	store_transposed(r, (uint16_t *)a->to + ((ptrdiff_t)panel * lines_of(a->k) + line) * LINE);
}

struct tile_shapes {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* Tiles 0 to 3: sums, 4 and 5: A, 6 and 7: B. `top` and `bottom` rows of a block of sums. */
INLINE void set_shapes(int top, int bottom)
{
	const int rows[8] = {top, top, bottom, bottom, top, bottom, 16, 16};
	struct tile_shapes s = {.palette = 1};

	for (int i = 0; i < 8; i++) {
		s.row_bytes[i] = 64;
		s.rows[i] = (uint8_t)(rows[i] ? rows[i] : 16);
	}
	_tile_loadconfig(&s);
}

/* One block: its first row of A and panel of B, its sums. */
struct block {
	const uint16_t *a, *a_bottom, *b;
	ptrdiff_t a_row, a_step; /* bytes from row to row, elements from tile to tile */
	ptrdiff_t panel;	 /* elements from panel to panel of B */
	int steps;
	float *sums;
	ptrdiff_t sums_row; /* bytes */
};

/* sums = (add ? sums : 0) + A B; all flags are constants once this is inlined. */
INLINE void multiply(const struct block *x, bool tall, bool wide, bool add)
{
	float *bottom = (float *)((char *)x->sums + 16 * x->sums_row);

	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
	if (add) {
		_tile_loadd(0, x->sums, x->sums_row);
		if (wide)
			_tile_loadd(1, x->sums + 16, x->sums_row);
		if (tall)
			_tile_loadd(2, bottom, x->sums_row);
		if (tall && wide)
			_tile_loadd(3, bottom + 16, x->sums_row);
	}
	for (int i = 0; i < x->steps; i++) {
		const uint16_t *b = x->b + (ptrdiff_t)i * TILE;

		_tile_loadd(4, x->a + i * x->a_step, x->a_row);
		_tile_loadd(6, b, 64);
		_tile_dpbf16ps(0, 4, 6);
		if (wide) {
			_tile_loadd(7, b + x->panel, 64);
			_tile_dpbf16ps(1, 4, 7);
		}
		if (tall) {
			_tile_loadd(5, x->a_bottom + i * x->a_step, x->a_row);
			_tile_dpbf16ps(2, 5, 6);
		}
		if (tall && wide)
			_tile_dpbf16ps(3, 5, 7);
	}
	_tile_stored(0, x->sums, x->sums_row);
	if (wide)
		_tile_stored(1, x->sums + 16, x->sums_row);
	if (tall)
		_tile_stored(2, bottom, x->sums_row);
	if (tall && wide)
		_tile_stored(3, bottom + 16, x->sums_row);
}

INLINE void multiply_block(const struct block *x, int rows, int columns, bool add)
{
	if (rows > 16 && columns > 16)
		multiply(x, true, true, add);
	else if (rows > 16)
		multiply(x, true, false, add);
	else if (columns > 16)
		multiply(x, false, true, add);
	else
		multiply(x, false, false, add);
}
