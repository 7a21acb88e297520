/* SPDX-License-Identifier: MIT */
/*
 * Products of fp32 on the tiles of bf16: each number is the sum of three of bf16, which have its 24
 * bits together. Six of the nine products of parts are added, in fp32; the others are below the
 * last bit (Henry, Tang, Heinecke: "Leveraging the bfloat16 Artificial Intelligence Datatype For
 * Higher-Precision Computations", 2019).
 */
#include "worker/torch/kern_variant.h"

#ifdef __AMX_BF16__
#include "worker/torch/kern_tiles.h"

#define PARTS 3

/* A block of sums: its rows of A and panels of B, part after part. */
struct split {
	const uint16_t *a, *b;
	ptrdiff_t a_part, b_part, panel; /* elements */
	int k;
	float *sums;
	ptrdiff_t sums_row; /* bytes */
};

/* The next part of x, which becomes the rest. */
INLINE __m512 next_part(__m512 *x)
{
	const __m256i h = (__m256i)_mm512_cvtneps_pbh(*x);
	const __m512 part = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));

	*x = _mm512_sub_ps(*x, part);
	return part;
}

/* Rows of A: [part][tiles of 32 columns][row]. */
static void split_rows(const struct kern_product *p, int row, int rows, uint16_t *to)
{
	for (int r = 0; r < rows; r++)
		for (int i = 0; i < p->k; i += 32) {
			const float *from = (const float *)p->a + (row + r) * p->a_stride + i;
			__m512 low = _mm512_loadu_ps(from), high = _mm512_loadu_ps(from + 16);

			for (int part = 0; part < PARTS; part++) {
				const __m512 x = next_part(&low), y = next_part(&high);

				_mm512_storeu_si512(to + (ptrdiff_t)part * BLOCK * p->k +
							    (ptrdiff_t)i * BLOCK + r * LINE,
						    (__m512i)_mm512_cvtne2ps_pbh(y, x));
			}
		}
}

/* Panels of B from lines of fp32: [part][panel][line of pairs]. */
static void split_panels(const struct kern_product *p, int column, int columns, uint16_t *to)
{
	const float *from = (const float *)p->b + (ptrdiff_t)column * p->k;
	const ptrdiff_t part_size = (ptrdiff_t)columns * p->k, lines = part_size / LINE;

	for (ptrdiff_t line = 0; line < lines; line++, from += LINE) {
		__m512 even = _mm512_loadu_ps(from), odd = _mm512_loadu_ps(from + 16);

		for (int part = 0; part < PARTS; part++) {
			const __m512i x = _mm512_castps_si512(next_part(&even));
			const __m512i y = _mm512_castps_si512(next_part(&odd));

			_mm512_storeu_si512(to + part * part_size + line * LINE,
					    _mm512_or_si512(_mm512_srli_epi32(x, 16), y));
		}
	}
}

/* All products of parts whose numbers add up to 2 at most, the smallest first. */
INLINE void add_step(const struct split *x, int k, bool tall, bool wide)
{
#pragma GCC unroll 3
	for (int b = PARTS - 1; b >= 0; b--) {
		const uint16_t *lines = x->b + b * x->b_part + (ptrdiff_t)k * KERN_TILE;

		_tile_loadd(6, lines, 64);
		if (wide)
			_tile_loadd(7, lines + x->panel, 64);
#pragma GCC unroll 3
		for (int a = PARTS - 1 - b; a >= 0; a--) {
			const uint16_t *rows = x->a + a * x->a_part + (ptrdiff_t)k * BLOCK;

			_tile_loadd(4, rows, 64);
			_tile_dpbf16ps(0, 4, 6);
			if (wide)
				_tile_dpbf16ps(1, 4, 7);
			if (tall) {
				_tile_loadd(5, rows + TILE, 64);
				_tile_dpbf16ps(2, 5, 6);
			}
			if (tall && wide)
				_tile_dpbf16ps(3, 5, 7);
		}
	}
}

INLINE void multiply_split(const struct split *x, bool tall, bool wide)
{
	float *bottom = (float *)((char *)x->sums + 16 * x->sums_row);

	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
	for (int k = 0; k < x->k; k += 32)
		add_step(x, k, tall, wide);
	_tile_stored(0, x->sums, x->sums_row);
	if (wide)
		_tile_stored(1, x->sums + 16, x->sums_row);
	if (tall)
		_tile_stored(2, bottom, x->sums_row);
	if (tall && wide)
		_tile_stored(3, bottom + 16, x->sums_row);
}

static void split_block(const struct split *x, int rows, int columns)
{
	if (rows > 16 && columns > 16)
		multiply_split(x, true, true);
	else if (rows > 16)
		multiply_split(x, true, false);
	else if (columns > 16)
		multiply_split(x, false, true);
	else
		multiply_split(x, false, false);
}

/* Rows of A by panels of B that lie split in `b`. */
static void split_part(const struct kern_product *p, int row_begin, int row_end, int column,
		       int columns, const uint16_t *b, uint16_t *a)
{
	struct split x = {.a = a,
			  .a_part = (ptrdiff_t)BLOCK * p->k,
			  .b_part = (ptrdiff_t)columns * p->k,
			  .panel = (ptrdiff_t)KERN_TILE * p->k,
			  .k = p->k,
			  .sums_row = 4 * p->c_stride};

	for (int row = row_begin; row < row_end; row += BLOCK) {
		const int rows = least(BLOCK, row_end - row);

		split_rows(p, row, rows, a);
		if (row == row_begin || rows < BLOCK)
			set_shapes(least(rows, 16), rows > 16 ? rows - 16 : 0);
		for (int c = 0; c < columns; c += BLOCK) {
			x.b = b + (ptrdiff_t)c * p->k;
			x.sums = (float *)p->c + row * p->c_stride + column + c;
			split_block(&x, rows, columns - c);
		}
	}
}

void KERN(product_split)(const struct kern_product *p, int row_begin, int row_end, int column_begin,
			 int column_end)
{
	const int step = kern_product_columns(p->k);
	uint16_t *b = p->scratch, *a = b + (ptrdiff_t)PARTS * step * p->k;

	for (int first = column_begin; first < column_end; first += step) {
		const int columns = least(step, column_end - first);

		split_panels(p, first, columns, b);
		split_part(p, row_begin, row_end, first, columns, b, a);
	}
	_tile_release();
}
#endif
