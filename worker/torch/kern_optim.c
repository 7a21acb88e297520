/* SPDX-License-Identifier: MIT */
/*
 * Flat kernels over parameters: gradient accumulation, norm, AdamW with the bf16 copy of the
 * weights, conversion. Any length: the tail is done by a padded vector.
 */
#include "worker/torch/kern_variant.h"

#include "worker/torch/kern_vec.h"

INLINE void adamw_step(const struct kern_adamw *a, vf *w, vf g, vf *m, vf *v)
{
	vf denom;

	g *= a->grad_scale;
	*w -= a->learning_rate * a->weight_decay * *w;
	*m += (g - *m) * (1.0f - a->beta1);
	*v = *v * a->beta2 + g * g * (1.0f - a->beta2);
	for (int i = 0; i < VL; i++)
		denom[i] = sqrtf((*v)[i]);
	denom = denom / a->correction2_sqrt + a->eps;
	*w -= a->learning_rate / a->correction1 * *m / denom;
}

INLINE vf load_tail(const float *p, size_t n)
{
	float t[VL] = {0};

	memcpy(t, p, n * sizeof(float));
	return vf_load(t);
}

INLINE void store_tail(float *p, vf v, size_t n)
{
	float t[VL];

	vf_store(t, v);
	memcpy(p, t, n * sizeof(float));
}

static void adamw_tail(const struct kern_adamw *a, size_t i, size_t n)
{
	vf w = load_tail(a->w + i, n), m = load_tail(a->m + i, n), v = load_tail(a->v + i, n);
	vh h;

	adamw_step(a, &w, load_tail(a->g + i, n), &m, &v);
	store_tail(a->w + i, w, n);
	store_tail(a->m + i, m, n);
	store_tail(a->v + i, v, n);
	memset(a->g + i, 0, n * sizeof(float));
	h = vf_to_bf16(w);
	if (a->w_bf16)
		memcpy(a->w_bf16 + i, &h, n * sizeof(uint16_t));
}

INLINE bool all_zero(vf a, vf b, vf c)
{
	vu bits = (vu)a | (vu)b | (vu)c;
	uint32_t any = 0;

	for (int i = 0; i < VL; i++)
		any |= bits[i];
	return !any;
}

void KERN(adamw)(const struct kern_adamw *a, size_t begin, size_t end)
{
	size_t i = begin;

	for (; i + VL <= end; i += VL) {
		vf w = vf_load(a->w + i), m = vf_load(a->m + i), v = vf_load(a->v + i);

		vf g = vf_load(a->g + i);

		/* As of a word that no row has had so far: the step is 0. */
		if (a->weight_decay == 0 && all_zero(g, m, v))
			continue;
		adamw_step(a, &w, g, &m, &v);
		vf_store(a->w + i, w);
		vf_store(a->m + i, m);
		vf_store(a->v + i, v);
		vf_store(a->g + i, vf_set(0));
		if (a->w_bf16)
			vf_write(a->w_bf16, i, w, true);
	}
	if (i < end)
		adamw_tail(a, i, end - i);
}

void KERN(accumulate)(float *to, const void *from, bool bf16, size_t begin, size_t end)
{
	size_t i = begin;

	for (; i + VL <= end; i += VL)
		vf_store(to + i, vf_load(to + i) + vf_read(from, i, bf16));
	for (; i < end; i++) {
		uint32_t bits = bf16 ? (uint32_t)((const uint16_t *)from)[i] << 16
				     : ((const uint32_t *)from)[i];
		float f;

		memcpy(&f, &bits, sizeof(f));
		to[i] += f;
	}
}

/* Blocks of fp32 sums, added up in double. */
double KERN(square_sum)(const float *x, size_t n)
{
	double total = 0;
	size_t i = 0;

	while (i + VL <= n) {
		size_t stop = i + 64 * VL < n ? i + 64 * VL : n;
		vf s = {0};

		for (; i + VL <= stop; i += VL)
			s += vf_load(x + i) * vf_load(x + i);
		total += (double)vf_sum(s);
	}
	for (; i < n; i++)
		total += (double)x[i] * (double)x[i];
	return total;
}

void KERN(to_bf16)(const float *from, uint16_t *to, size_t n)
{
	size_t i = 0;
	vh h;

	for (; i + VL <= n; i += VL)
		vf_write(to, i, vf_load(from + i), true);
	if (i < n) {
		h = vf_to_bf16(load_tail(from + i, n - i));
		memcpy(to + i, &h, (n - i) * sizeof(uint16_t));
	}
}
