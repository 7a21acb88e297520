/* SPDX-License-Identifier: MIT */
/* The kernels' names in one variant: KERN(norm) is norm_avx512, and so on. Set by meson. */
#pragma once

#include "worker/torch/kernels.h"

#ifndef KERN_VARIANT
#define KERN_VARIANT base
#endif
#define KERN_CAT2(a, b) kern_##a##_##b
#define KERN_CAT(a, b)	KERN_CAT2(a, b)
#define KERN(name)	KERN_CAT(name, KERN_VARIANT)

#define KERN_WIDTH_MAX 4096 /* of hidden layers */

void KERN(embed)(const struct kern_embed *a, int begin, int end);
void KERN(norm)(const struct kern_norm *a, int begin, int end);
void KERN(norm_back)(const struct kern_norm_back *a, int begin, int end);
void KERN(act)(const struct kern_act *a, int begin, int end);
void KERN(act_back)(const struct kern_act *a, int begin, int end);
void KERN(column_sum)(const void *x, bool bf16, ptrdiff_t stride, int width, float *sum, int begin,
		      int end);
void KERN(accumulate)(float *to, const void *from, bool bf16, size_t begin, size_t end);
void KERN(attention)(const struct kern_attention *a);
void KERN(attention_back)(const struct kern_attention *a);
void KERN(product_f32)(const struct kern_product *a, int row_begin, int row_end, int column_begin,
		       int column_end);
void KERN(pack_f32)(const struct kern_pack *a, int begin, int end);
#ifdef __AMX_BF16__
/* False, and nothing done, if the operands do not fit tiles. */
bool KERN(attention_on_tiles)(const struct kern_attention *a);
void KERN(product)(const struct kern_product *a, int row_begin, int row_end, int column_begin,
		   int column_end);
void KERN(pack_b)(const struct kern_pack *a, int begin, int end);
void KERN(pack_b_transposed)(const struct kern_pack *a, int begin, int end);
void KERN(pack_a_transposed)(const struct kern_pack *a, int begin, int end);
#endif
double KERN(square_sum)(const float *x, size_t n);
void KERN(adamw)(const struct kern_adamw *a, size_t begin, size_t end);
void KERN(to_bf16)(const float *from, uint16_t *to, size_t n);

extern const struct kernels KERN(table);
