/* SPDX-License-Identifier: MIT */
/*
 * Matrix products of fp32 for inference: the sums of some rows and two vectors of columns stay in
 * registers while both operands stream past.
 */
#include "worker/torch/kern_variant.h"

#include "worker/torch/kern_vec.h"

#if VL == 16
#define ROWS 12 /* 12 x 2 sums of the 32 registers */
#else
#define ROWS 6 /* of 16 registers */
#endif
#define L2_PART (1024 * 1024) /* bytes of B that stay in the second-level cache */

void KERN(pack_f32)(const struct kern_pack *a, int begin, int end)
{
	const float *from = a->from;

	for (int panel = begin; panel < end; panel++) {
		float *to = (float *)a->to + (ptrdiff_t)panel * KERN_TILE * a->k;

		for (int i = 0; i < a->k; i++)
			for (int c = 0; c < KERN_TILE; c++)
				to[i * KERN_TILE + c] =
					from[(ptrdiff_t)(panel * KERN_TILE + c) * a->stride + i];
	}
}

/* From this column on, a vector of each line of B. */
INLINE const float *lines_at(const struct kern_product *p, int column)
{
	return (const float *)p->b + (ptrdiff_t)(column / KERN_TILE) * KERN_TILE * p->k +
	       column % KERN_TILE;
}

/* `rows` and `vectors` are constants once this is inlined. */
INLINE void tile(const struct kern_product *p, int row, int column, int rows, int vectors)
{
	const float *a = (const float *)p->a + row * p->a_stride;
	const float *b0 = lines_at(p, column);
	const float *b1 = vectors > 1 ? lines_at(p, column + VL) : b0;
	float *c = (float *)p->c + row * p->c_stride + column;
	vf sums[ROWS][2] = {0};

	for (int i = 0; i < p->k; i++, b0 += KERN_TILE, b1 += KERN_TILE) {
		const vf w0 = vf_load(b0), w1 = vf_load(b1);

#pragma GCC unroll 12
		for (int r = 0; r < rows; r++) {
			const float x = a[r * p->a_stride + i];

			sums[r][0] += x * w0;
			if (vectors > 1)
				sums[r][1] += x * w1;
		}
	}
#pragma GCC unroll 12
	for (int r = 0; r < rows; r++) {
		vf_store(c + r * p->c_stride, sums[r][0]);
		if (vectors > 1)
			vf_store(c + r * p->c_stride + VL, sums[r][1]);
	}
}

#define TILE_CASE(n)                                               \
	case n:                                                    \
		tile(p, row, column, (n) <= ROWS ? (n) : ROWS, 2); \
		break

static void some_rows(const struct kern_product *p, int row, int rows, int column)
{
	switch (rows) {
		TILE_CASE(1);
		TILE_CASE(2);
		TILE_CASE(3);
		TILE_CASE(4);
		TILE_CASE(5);
		TILE_CASE(6);
#if VL == 16
		TILE_CASE(7);
		TILE_CASE(8);
		TILE_CASE(9);
		TILE_CASE(10);
		TILE_CASE(11);
		TILE_CASE(12);
#endif
	}
}

static void all_columns(const struct kern_product *p, int row, int rows, int begin, int end)
{
	int column = begin;

	for (; column + 2 * VL <= end; column += 2 * VL)
		some_rows(p, row, rows, column);
	if (column < end)
		for (int r = 0; r < rows; r++)
			tile(p, row + r, column, 1, 1);
}

void KERN(product_f32)(const struct kern_product *p, int row_begin, int row_end, int column_begin,
		       int column_end)
{
	const int width = L2_PART / (4 * p->k) / (2 * KERN_TILE) * (2 * KERN_TILE);
	const int step = width > 2 * KERN_TILE ? width : 2 * KERN_TILE;

	for (int first = column_begin; first < column_end; first += step) {
		const int stop = first + step < column_end ? first + step : column_end;

		for (int row = row_begin; row < row_end; row += ROWS)
			all_columns(p, row, row_end - row < ROWS ? row_end - row : ROWS, first,
				    stop);
	}
}
