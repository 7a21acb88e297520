/* SPDX-License-Identifier: MIT */
/* Matrix products of bf16 with sums in fp32, and the packing of their operands, on tiles. */
#include "worker/torch/kern_variant.h"

#ifdef __AMX_BF16__
#include "worker/torch/kern_tiles.h"

#define L2_PART (1024 * 1024) /* bytes of B that stay in the second-level cache */

void KERN(pack_b_transposed)(const struct kern_pack *a, int begin, int end)
{
	for (int panel = begin; panel < end; panel++)
		for (int line = 0; line < lines_of(a->k); line += 16)
			pack_b_tile(a, panel, line, 16);
}

/* Panels that are written side by side, so that whole cache lines of a row are read. */
#define ABREAST 8

void KERN(pack_b)(const struct kern_pack *a, int begin, int end)
{
	const int lines = lines_of(a->k);

	for (int first = begin; first < end; first += ABREAST)
		for (int p = 0; p < lines; p++)
			for (int panel = first; panel < least(first + ABREAST, end); panel++)
				_mm512_storeu_si512(
					(uint16_t *)a->to + ((ptrdiff_t)panel * lines + p) * LINE,
					load_pairs((const uint16_t *)a->from + panel * 16,
						   a->stride, a->k, p));
}

static void pack_a_tile(const struct kern_pack *a, int panel, int line)
{
	__m512i r[16];

	for (int i = 0; i < 16; i++)
		r[i] = load_pairs((const uint16_t *)a->from + panel * 16, a->stride, a->k,
				  line + i);
	store_transposed(r, (uint16_t *)a->to + ((ptrdiff_t)panel * lines_of(a->k) + line) * LINE);
}

void KERN(pack_a_transposed)(const struct kern_pack *a, int begin, int end)
{
	for (int first = begin; first < end; first += ABREAST)
		for (int line = 0; line < lines_of(a->k); line += 16)
			for (int panel = first; panel < least(first + ABREAST, end); panel++)
				pack_a_tile(a, panel, line);
}

/* Sums to bf16, to the nearest, ties to even. */
static void write_bf16(const struct kern_product *p, const float *sums, int row, int column,
		       int rows, int columns)
{
	uint16_t *to = (uint16_t *)p->c + row * p->c_stride + column;

	for (int r = 0; r < rows; r++, to += p->c_stride, sums += BLOCK)
		if (columns > 16)
			_mm512_storeu_si512(to,
					    (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(sums + 16),
									 _mm512_load_ps(sums)));
		else
			_mm256_storeu_si256((void *)to,
					    (__m256i)_mm512_cvtneps_pbh(_mm512_load_ps(sums)));
}

static void one_block(const struct kern_product *p, int row, int column, int rows, int columns)
{
	float sums[BLOCK * BLOCK] __attribute__((aligned(64)));
	const ptrdiff_t panel = (ptrdiff_t)lines_of(p->k) * LINE;
	struct block x = {.a_row = p->a_stride ? 2 * p->a_stride : 64,
			  .a_step = p->a_stride ? LINE : TILE,
			  .b = (const uint16_t *)p->b + column / 16 * panel,
			  .panel = panel,
			  .steps = lines_of(p->k) / 16,
			  .sums = sums,
			  .sums_row = 4 * BLOCK};

	x.a = p->a_stride ? (const uint16_t *)p->a + (ptrdiff_t)row * p->a_stride
			  : (const uint16_t *)p->a + row / 16 * panel;
	x.a_bottom = p->a_stride ? x.a + 16 * p->a_stride : x.a + panel;
	if (p->add) {
		x.sums = (float *)p->c + (ptrdiff_t)row * p->c_stride + column;
		x.sums_row = 4 * p->c_stride;
		multiply_block(&x, rows, columns, true);
		return;
	}
	multiply_block(&x, rows, columns, false);
	write_bf16(p, sums, row, column, rows, columns);
}

void KERN(product)(const struct kern_product *p, int row_begin, int row_end, int column_begin,
		   int column_end)
{
	const int width = L2_PART / (2 * kern_tile_depth(p->k)) / BLOCK * BLOCK;
	const int step = width > BLOCK ? width : BLOCK;
	int shape = 0;

	for (int first = column_begin; first < column_end; first += step)
		for (int row = row_begin; row < row_end; row += BLOCK) {
			const int rows = least(BLOCK, row_end - row);
			const int stop = least(first + step, column_end);

			if (rows != shape)
				set_shapes(least(rows, 16), rows > 16 ? rows - 16 : 0);
			shape = rows;
			for (int column = first; column < stop; column += BLOCK)
				one_block(p, row, column, rows, least(BLOCK, stop - column));
		}
	_tile_release();
}
#endif
