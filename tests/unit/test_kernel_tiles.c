/* SPDX-License-Identifier: MIT */
/* The products and the attention that run on the processor's tiles, against plain double
 * arithmetic. Skipped where the processor has none. */
#include "base/own.h"
#include "worker/torch/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static unsigned seed = 11;

static void *room(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	assert_non_null(p);
	memset(p, 0xff, (bytes + 63) / 64 * 64); /* NaN: what is not written shows */
	return p;
}

static uint16_t *random_bf16(const struct kernels *k, size_t n)
{
	OWN(freep) float *v = room(n * sizeof(float));
	uint16_t *h = room(n * sizeof(*h));

	for (size_t i = 0; i < n; i++)
		v[i] = (float)rand_r(&seed) / (float)RAND_MAX * 2 - 1;
	k->to_bf16(v, h, n);
	return h;
}

static double value(uint16_t h)
{
	uint32_t bits = (uint32_t)h << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return (double)f;
}

static void assert_near(double is, double wanted, double tolerance, const char *what)
{
	if (!(fabs(is - wanted) <= tolerance * (1 + fabs(wanted))))
		fail_msg("%s is %.9g, should be %.9g", what, is, wanted);
}

static const struct kernels *tiles(void)
{
	const struct kernels *k = kernels_get();

	if (!k->product)
		skip();
	return k;
}

/* x [m, k] by w [n, k]^T in two parts, or by w [k, n] if `plain`. */
static void check_linear(const struct kernels *k, int m, int n, int depth, bool plain)
{
	OWN(freep) uint16_t *x = random_bf16(k, (size_t)(m * depth));
	OWN(freep) uint16_t *w = random_bf16(k, (size_t)(n * depth));
	OWN(freep) uint16_t *panels = room((size_t)(n * kern_tile_depth(depth)) * sizeof(*panels));
	OWN(freep) uint16_t *y = room((size_t)(m * n) * sizeof(*y));
	struct kern_pack pack = {.from = w, .stride = plain ? n : depth, .k = depth, .to = panels};
	struct kern_product a = {
		.k = depth, .a = x, .a_stride = depth, .b = panels, .c = y, .c_stride = n};
	int half = n / 2 / 32 * 32;

	(plain ? k->pack_b : k->pack_b_transposed)(&pack, 0, 1);
	(plain ? k->pack_b : k->pack_b_transposed)(&pack, 1, n / KERN_TILE);
	k->product(&a, 0, m, 0, half);
	k->product(&a, 0, m, half, n);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			double sum = 0;

			for (int d = 0; d < depth; d++)
				sum += value(x[i * depth + d]) *
				       value(w[plain ? d * n + j : j * depth + d]);
			assert_near(value(y[i * n + j]), sum, 0.005, "the product");
		}
}

static void test_product(void **state)
{
	const struct kernels *k = tiles();
	const int rows[] = {1, 15, 16, 17, 31, 32, 33, 70};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int plain = 0; plain < 2; plain++) {
			check_linear(k, rows[i], 16, 32, plain);
			check_linear(k, rows[i], 48, 96, plain);
			check_linear(k, rows[i], 128, 64, plain);
		}
	/* B of more than the second-level cache holds */
	check_linear(k, 40, 1072, 1024, false);
}

/* gradient += d^T x, whatever the number of rows */
static void test_weight_gradient(void **state)
{
	const struct kernels *k = tiles();
	const int rows[] = {1, 2, 31, 32, 33, 100};
	enum {
		OUT = 48,
		IN = 80
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		const int n = rows[r], depth = kern_tile_depth(n);
		OWN(freep) uint16_t *d = random_bf16(k, (size_t)(n * OUT));
		OWN(freep) uint16_t *x = random_bf16(k, (size_t)(n * IN));
		OWN(freep) uint16_t *left = room((size_t)(OUT * depth) * sizeof(*left));
		OWN(freep) uint16_t *right = room((size_t)(IN * depth) * sizeof(*right));
		float sum[OUT * IN];
		struct kern_pack of_d = {.from = d, .stride = OUT, .k = n, .to = left};
		struct kern_pack of_x = {.from = x, .stride = IN, .k = n, .to = right};
		struct kern_product a = {
			.k = n, .a = left, .b = right, .add = true, .c = sum, .c_stride = IN};

		for (int i = 0; i < OUT * IN; i++)
			sum[i] = (float)i;
		k->pack_a_transposed(&of_d, 0, OUT / KERN_TILE);
		k->pack_b(&of_x, 0, IN / KERN_TILE);
		k->product(&a, 0, OUT, 0, IN);
		for (int o = 0; o < OUT; o++)
			for (int i = 0; i < IN; i++) {
				double wanted = o * IN + i;

				for (int t = 0; t < n; t++)
					wanted += value(d[t * OUT + o]) * value(x[t * IN + i]);
				assert_near((double)sum[o * IN + i], wanted, 1e-6, "the gradient");
			}
	}
}

/* softmax((q + bias) (k + bias)^T * scale + relative) (v + bias) of one query, in double */
static void plain_query(const uint16_t *q, const uint16_t *k, const uint16_t *v, const float *bias,
			const float *relative, int n, int size, double *out)
{
	OWN(freep) double *p = calloc((size_t)n, sizeof(*p));
	double sum = 0;

	for (int j = 0; j < n; j++) {
		double s = 0;

		for (int d = 0; d < size; d++)
			s += (value(q[d]) + (double)bias[d]) *
			     (value(k[j * size + d]) + (double)bias[d]);
		sum += p[j] = exp(s * 0.5 + (relative ? (double)relative[j] : 0));
	}
	for (int d = 0; d < size; d++) {
		out[d] = 0;
		for (int j = 0; j < n; j++)
			out[d] += p[j] / sum * (value(v[j * size + d]) + (double)bias[d]);
	}
}

static void check_attention(const struct kernels *k, int n_q, int n_k, int size, bool by_distance)
{
	float table[1200];
	OWN(freep) uint16_t *q = random_bf16(k, (size_t)(n_q * size));
	OWN(freep) uint16_t *key = random_bf16(k, (size_t)(n_k * size));
	OWN(freep) uint16_t *v = random_bf16(k, (size_t)(n_k * size));
	OWN(freep) uint16_t *out = room((size_t)(n_q * size) * sizeof(*out));
	OWN(freep)
	float *scratch = room(kern_attention_scratch(n_k, size, false) * sizeof(float));
	OWN(freep) uint32_t *tags = calloc((size_t)n_k, sizeof(*tags));
	float bias[64];
	struct kern_attention a = {.n_q = n_q,
				   .n_k = n_k,
				   .size = size,
				   .bf16 = true,
				   .q = q,
				   .k = key,
				   .v = v,
				   .q_stride = size,
				   .kv_stride = size,
				   .q_bias = bias,
				   .k_bias = bias,
				   .v_bias = bias,
				   .scale = 0.5f,
				   .tags = tags,
				   .relative = by_distance ? table + 600 : NULL,
				   .out = out,
				   .out_stride = size,
				   .scratch = scratch};
	double wanted[64];

	for (int i = 0; i < 64; i++)
		bias[i] = (float)(i % 5) * 0.25f;
	for (int i = 0; i < 1200; i++)
		table[i] = (float)(i % 7) * 0.5f;
	k->attention(&a);
	for (int i = 0; i < n_q; i++) {
		plain_query(q + i * size, key, v, bias, by_distance ? table + 600 - i : NULL, n_k,
			    size, wanted);
		for (int d = 0; d < size; d++)
			assert_near(value(out[i * size + d]), wanted[d], 0.01, "attention");
	}
}

static void test_attention(void **state)
{
	const struct kernels *k = tiles();
	const int keys[] = {1, 2, 15, 16, 17, 32, 33, 130, 512};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		check_attention(k, keys[i], keys[i], 32, i % 2);
		check_attention(k, 1, keys[i], 64, false);
	}
	check_attention(k, 70, 70, 64, false);
	check_attention(k, 70, 70, 64, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_product),
		cmocka_unit_test(test_weight_gradient),
		cmocka_unit_test(test_attention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
