/* SPDX-License-Identifier: MIT */
/*
 * Row kernels: embeddings, residual + dropout + layer norm, activations, their backward passes,
 * column sums. Sums and statistics are fp32 whatever the storage type.
 */
#include "worker/torch/kern_variant.h"

#include "worker/torch/kern_vec.h"
#include "worker/torch/torch.h"

INLINE struct drop_row row_drop(const struct kern_drop *d, uint32_t tag)
{
	return (struct drop_row){mix64(d->key + tag), d->threshold, d->scale};
}

/* Mean and 1 / deviation of z[0..n). */
INLINE void norm_row(const float *z, int n, float eps, float *ret_mean, float *ret_rstd)
{
	vf sum = {0}, square = {0};
	float mean;

	for (int i = 0; i < n; i += VL)
		sum += vf_load(z + i);
	mean = vf_sum(sum) / (float)n;
	for (int i = 0; i < n; i += VL) {
		vf d = vf_load(z + i) - mean;

		square += d * d;
	}
	*ret_mean = mean;
	*ret_rstd = 1.0f / sqrtf(vf_sum(square) / (float)n + eps);
}

INLINE void embed_rows(const struct kern_embed *a, int begin, int end, bool bf16)
{
	float z[KERN_WIDTH_MAX] __attribute__((aligned(64)));
	int n = a->width;

	for (int r = begin; r < end; r++) {
		const float *word = a->word + (size_t)a->ids[r] * (size_t)n;
		const float *position = a->position + (size_t)a->at[r] * (size_t)n;
		const float *type =
			a->type ? a->type + (size_t)(a->types ? a->types[r] : 0) * (size_t)n : NULL;
		struct drop_row drop = row_drop(&a->drop, a->tags[r]);
		size_t to = (size_t)r * (size_t)n;
		float mean, rstd;

		for (int i = 0; i < n; i += VL) {
			vf v = vf_load(word + i) + vf_load(position + i);

			if (type)
				v += vf_load(type + i);
			vf_store(z + i, v);
			if (a->z)
				vf_write(a->z, to + (size_t)i, v, bf16);
		}
		norm_row(z, n, a->eps, &mean, &rstd);
		if (a->stats) {
			a->stats[2 * r] = mean;
			a->stats[2 * r + 1] = rstd;
		}
		for (int i = 0; i < n; i += VL) {
			vf y = (vf_load(z + i) - mean) * rstd * vf_load(a->weight + i) +
			       vf_load(a->bias + i);

			if (drop.threshold)
				y *= drop_scale(drop, (uint32_t)i);
			vf_write(a->y, to + (size_t)i, y, bf16);
		}
	}
}

INLINE void norm_rows(const struct kern_norm *a, int begin, int end, bool bf16)
{
	float z[KERN_WIDTH_MAX] __attribute__((aligned(64)));
	int n = a->width;

	for (int r = begin; r < end; r++) {
		struct drop_row drop = row_drop(&a->drop, a->tags[r]);
		size_t at = (size_t)r * (size_t)n;
		float mean, rstd;

		for (int i = 0; i < n; i += VL) {
			vf v = vf_read(a->o, at + (size_t)i, bf16) + vf_load(a->o_bias + i);

			if (drop.threshold)
				v *= drop_scale(drop, (uint32_t)i);
			v += vf_read(a->x, at + (size_t)i, bf16);
			vf_store(z + i, v);
			if (a->z)
				vf_write(a->z, at + (size_t)i, v, bf16);
		}
		norm_row(z, n, a->eps, &mean, &rstd);
		if (a->stats) {
			a->stats[2 * r] = mean;
			a->stats[2 * r + 1] = rstd;
		}
		for (int i = 0; i < n; i += VL)
			vf_write(a->y, at + (size_t)i,
				 (vf_load(z + i) - mean) * rstd * vf_load(a->weight + i) +
					 vf_load(a->bias + i),
				 bf16);
	}
}

/* dz = rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * weight */
INLINE void norm_back_rows(const struct kern_norm_back *a, int begin, int end, bool bf16)
{
	float g[KERN_WIDTH_MAX] __attribute__((aligned(64)));
	float xhat[KERN_WIDTH_MAX] __attribute__((aligned(64)));
	int n = a->width;

	for (int r = begin; r < end; r++) {
		struct drop_row drop = row_drop(&a->drop, a->tags[r]);
		float mean = a->stats[2 * r], rstd = a->stats[2 * r + 1];
		size_t at = (size_t)r * (size_t)n;
		vf sum_g = {0}, sum_gx = {0};
		float mean_g, mean_gx;

		for (int i = 0; i < n; i += VL) {
			vf dy = vf_read(a->dy1, at + (size_t)i, bf16);
			vf x = (vf_read(a->z, at + (size_t)i, bf16) - mean) * rstd;
			vf gi;

			if (a->dy2)
				dy += vf_read(a->dy2, at + (size_t)i, bf16);
			if (a->drop_output && drop.threshold)
				dy *= drop_scale(drop, (uint32_t)i);
			vf_store(a->sum_weight + i, vf_load(a->sum_weight + i) + dy * x);
			vf_store(a->sum_bias + i, vf_load(a->sum_bias + i) + dy);
			gi = dy * vf_load(a->weight + i);
			sum_g += gi;
			sum_gx += gi * x;
			vf_store(g + i, gi);
			vf_store(xhat + i, x);
		}
		mean_g = vf_sum(sum_g) / (float)n;
		mean_gx = vf_sum(sum_gx) / (float)n;
		for (int i = 0; i < n; i += VL) {
			vf dz = (vf_load(g + i) - mean_g - vf_load(xhat + i) * mean_gx) * rstd;

			vf_write(a->dz, at + (size_t)i, dz, bf16 && !a->dz_f32);
			if (!a->d_o)
				continue;
			if (drop.threshold)
				dz *= drop_scale(drop, (uint32_t)i);
			vf_write(a->d_o, at + (size_t)i, dz, bf16);
			vf_store(a->sum_o_bias + i, vf_load(a->sum_o_bias + i) + dz);
		}
	}
}

/* Abramowitz and Stegun 7.1.26: erf within 1.5e-7. *ret_e is exp(-x^2). */
INLINE vf erf_and_exp(vf x, vf *ret_e)
{
	vf ax = (vf)((vi)x & 0x7fffffff);
	vi sign = (vi)x & INT32_MIN;
	vf t = 1.0f / (1.0f + 0.3275911f * ax);
	vf e = vf_exp(-ax * ax);
	vf p = 1.061405429f * t - 1.453152027f;

	p = p * t + 1.421413741f;
	p = p * t - 0.284496736f;
	p = p * t + 0.254829592f;
	*ret_e = e;
	return (vf)((vi)(1.0f - p * t * e) | sign);
}

INLINE vf tanh_vf(vf x)
{
	vf ax = (vf)((vi)x & 0x7fffffff);
	vi sign = (vi)x & INT32_MIN;
	vf e = vf_exp(-2.0f * ax);

	return (vf)((vi)((1.0f - e) / (1.0f + e)) | sign);
}

#define TANH_A 0.7978845608028654f
#define TANH_B 0.044715f

INLINE vf act_value(vf x, int act)
{
	vf e;

	if (act == TORCH_RELU)
		return vf_max(x, vf_set(0));
	if (act == TORCH_GELU_TANH)
		return 0.5f * x * (1.0f + tanh_vf(TANH_A * (x + TANH_B * x * x * x)));
	return 0.5f * x * (1.0f + erf_and_exp(x * 0.70710678118654752f, &e));
}

INLINE vf act_slope(vf x, int act)
{
	vf e, t;

	if (act == TORCH_RELU)
		return vf_select(x > 0.0f, vf_set(1), vf_set(0));
	if (act == TORCH_GELU_TANH) {
		t = tanh_vf(TANH_A * (x + TANH_B * x * x * x));
		return 0.5f * (1.0f + t) +
		       0.5f * x * (1.0f - t * t) * TANH_A * (1.0f + 3.0f * TANH_B * x * x);
	}
	t = 0.5f * (1.0f + erf_and_exp(x * 0.70710678118654752f, &e));
	return t + x * e * 0.3989422804014327f;
}

INLINE void act_rows(const struct kern_act *a, int begin, int end, bool bf16, int act)
{
	for (int r = begin; r < end; r++) {
		size_t at = (size_t)r * (size_t)a->width;

		for (int i = 0; i < a->width; i += VL) {
			vf x = vf_read(a->u, at + (size_t)i, bf16) + vf_load(a->bias + i);

			vf_write(a->a, at + (size_t)i, act_value(x, act), bf16);
		}
	}
}

INLINE void act_back_rows(const struct kern_act *a, int begin, int end, bool bf16, int act)
{
	for (int r = begin; r < end; r++) {
		size_t at = (size_t)r * (size_t)a->width;

		for (int i = 0; i < a->width; i += VL) {
			vf x = vf_read(a->u, at + (size_t)i, bf16) + vf_load(a->bias + i);
			vf d = vf_read(a->a, at + (size_t)i, bf16) * act_slope(x, act);

			vf_write(a->a, at + (size_t)i, d, bf16);
			vf_store(a->sum_bias + i, vf_load(a->sum_bias + i) + d);
		}
	}
}

void KERN(embed)(const struct kern_embed *a, int begin, int end)
{
	if (a->bf16)
		embed_rows(a, begin, end, true);
	else
		embed_rows(a, begin, end, false);
}

void KERN(norm)(const struct kern_norm *a, int begin, int end)
{
	if (a->bf16)
		norm_rows(a, begin, end, true);
	else
		norm_rows(a, begin, end, false);
}

void KERN(norm_back)(const struct kern_norm_back *a, int begin, int end)
{
	if (a->bf16)
		norm_back_rows(a, begin, end, true);
	else
		norm_back_rows(a, begin, end, false);
}

void KERN(act)(const struct kern_act *a, int begin, int end)
{
	if (a->act == TORCH_GELU && a->bf16)
		act_rows(a, begin, end, true, TORCH_GELU);
	else
		act_rows(a, begin, end, a->bf16, a->act);
}

void KERN(act_back)(const struct kern_act *a, int begin, int end)
{
	if (a->act == TORCH_GELU && a->bf16)
		act_back_rows(a, begin, end, true, TORCH_GELU);
	else
		act_back_rows(a, begin, end, a->bf16, a->act);
}

void KERN(column_sum)(const void *x, bool bf16, ptrdiff_t stride, int width, float *sum, int begin,
		      int end)
{
	for (int r = begin; r < end; r++)
		for (int i = 0; i < width; i += VL)
			vf_store(sum + i,
				 vf_load(sum + i) + vf_read(x, (size_t)(r * stride + i), bf16));
}
