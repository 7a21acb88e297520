/* SPDX-License-Identifier: MIT */
/*
 * The vocabulary of the CPU kernels: vectors of VL floats in GCC's portable vector types, loads
 * and stores of fp32 and bf16, exp, and the counter-based random numbers of dropout. Included only
 * by kern_*.c, each of which is compiled once per instruction set (meson.build).
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX2__)
#define VL 8
#else
#define VL 4
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef uint16_t vh __attribute__((vector_size(2 * VL)));

INLINE vf vf_set(float x)
{
	return (vf){0} + x;
}

INLINE vf vf_load(const float *p)
{
	vf v;

	memcpy(&v, p, sizeof(v));
	return v;
}

INLINE void vf_store(float *p, vf v)
{
	memcpy(p, &v, sizeof(v));
}

INLINE vf vf_select(vi mask, vf yes, vf no)
{
	return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
}

INLINE vf vf_max(vf a, vf b)
{
	return vf_select(a > b, a, b);
}

INLINE float vf_sum(vf v)
{
	float s = 0;

	for (int i = 0; i < VL; i++)
		s += v[i];
	return s;
}

INLINE float vf_top(vf v)
{
	float m = v[0];

	for (int i = 1; i < VL; i++)
		m = v[i] > m ? v[i] : m;
	return m;
}

/* Element i.. of an array that is bf16 or fp32. */
INLINE vf vf_read(const void *p, size_t i, bool bf16)
{
	vh h;

	if (!bf16)
		return vf_load((const float *)p + i);
	memcpy(&h, (const uint16_t *)p + i, sizeof(h));
	return (vf)(__builtin_convertvector(h, vu) << 16);
}

/* To the nearest, ties to even; NaN stays NaN. */
INLINE vh vf_to_bf16(vf v)
{
#ifdef __AVX512BF16__
	return (vh)_mm512_cvtneps_pbh((__m512)v);
#else
	vu u = (vu)v;
	vu r = (u + (0x7fff + ((u >> 16) & 1))) >> 16;
	vi nan = v != v;

	r = (r & ~(vu)nan) | (0x7fc0 & (vu)nan);
	return __builtin_convertvector(r, vh);
#endif
}

INLINE void vf_write(void *p, size_t i, vf v, bool bf16)
{
	vh h;

	if (!bf16) {
		vf_store((float *)p + i, v);
		return;
	}
	h = vf_to_bf16(v);
	memcpy((uint16_t *)p + i, &h, sizeof(h));
}

/* exp, about 1 ulp (Cephes); 0 below -87.3. */
INLINE vf vf_exp(vf x)
{
	const float log2e = 1.44269504088896341f;
	vi small = x < -87.33654f;
	vf n, r, p;
	vi k;

	x = vf_select(x > 88.0f, vf_set(88.0f), vf_select(small, vf_set(-87.33654f), x));
	n = x * log2e + 12582912.0f; /* 1.5 * 2^23: round to the nearest integer */
	k = (vi)n - 0x4b400000;
	n -= 12582912.0f;
	r = x - n * 0.693359375f + n * 2.12194440e-4f;
	p = 1.9875691500e-4f * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	p = (vf)((vi)p + (k << 23));
	return (vf)((vi)p & ~small);
}

/* Dropout: a value is kept if its 32 random bits are >= threshold (p * 2^32). */
struct drop_row {
	uint32_t base;
	uint32_t threshold;
	float scale;
};

INLINE uint32_t mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return (uint32_t)((x ^ (x >> 31)) >> 16);
}

INLINE vf drop_scale(struct drop_row d, uint32_t column)
{
	vu x;
	vi keep;

	for (int i = 0; i < VL; i++)
		x[i] = (uint32_t)i;
	x = (x + column) * 0x9e3779b1u + d.base;
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	x ^= x >> 16;
	keep = x >= d.threshold;
	return (vf)((vi)vf_set(d.scale) & keep);
}
