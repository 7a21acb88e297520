/* SPDX-License-Identifier: MIT */
/* Every variant of the CPU kernels that this processor can run, against plain double arithmetic. */
#include "base/own.h"
#include "worker/torch/kernels.h"
#include "worker/torch/torch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static unsigned seed = 7;

static float random_value(void)
{
	return (float)rand_r(&seed) / (float)RAND_MAX * 6 - 3;
}

static float *random_values(size_t n)
{
	float *v = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);

	assert_non_null(v);
	for (size_t i = 0; i < n; i++)
		v[i] = random_value();
	return v;
}

static void assert_near(double is, double wanted, double tolerance, const char *what)
{
	if (!(fabs(is - wanted) <= tolerance * (1 + fabs(wanted))))
		fail_msg("%s is %.9g, should be %.9g", what, is, wanted);
}

static void check_act(const struct kernels *k)
{
	float x[64], zero[64] = {0}, sum[64] = {0}, a[64], d[64];
	struct kern_act f = {.width = 64, .act = TORCH_GELU, .u = x, .bias = zero, .a = a};
	struct kern_act b = f;

	for (int i = 0; i < 64; i++) {
		x[i] = (float)(i - 32) * 0.37f;
		d[i] = 1;
	}
	b.a = d;
	b.sum_bias = sum;
	k->act(&f, 0, 1);
	k->act_back(&b, 0, 1);
	for (int i = 0; i < 64; i++) {
		double v = (double)x[i], cdf = 0.5 * (1 + erf(v / sqrt(2)));
		double slope = cdf + v * exp(-v * v / 2) / sqrt(2 * M_PI);

		assert_near((double)a[i], v * cdf, 1e-6, "gelu");
		assert_near((double)d[i], slope, 1e-6, "the slope of gelu");
		assert_near((double)sum[i], slope, 1e-6, "the bias gradient");
	}
}

static void check_norm(const struct kernels *k)
{
	enum {
		W = 48
	};
	OWN(freep) float *o = random_values(W), *x = random_values(W), *bias = random_values(W);
	OWN(freep)
	float *weight = random_values(W), *shift = random_values(W), *y = random_values(W);
	uint32_t tag = 1;
	struct kern_norm a = {.width = W,
			      .o = o,
			      .x = x,
			      .o_bias = bias,
			      .weight = weight,
			      .bias = shift,
			      .tags = &tag,
			      .eps = 1e-12f,
			      .y = y};
	double mean = 0, square = 0;

	k->norm(&a, 0, 1);
	for (int i = 0; i < W; i++)
		mean += ((double)o[i] + (double)bias[i] + (double)x[i]) / W;
	for (int i = 0; i < W; i++)
		square += pow((double)o[i] + (double)bias[i] + (double)x[i] - mean, 2) / W;
	for (int i = 0; i < W; i++) {
		double z = (double)o[i] + (double)bias[i] + (double)x[i];

		assert_near((double)y[i],
			    (z - mean) / sqrt(square) * (double)weight[i] + (double)shift[i], 1e-5,
			    "the norm");
	}
}

/* softmax(q k^T * scale + relative[j - i]) v for one head, in double */
static void plain_attention(const float *q, const float *k, const float *v, const float *relative,
			    int n_q, int n_k, int size, double scale, double *out)
{
	OWN(freep) double *p = calloc((size_t)n_k, sizeof(*p));

	for (int i = 0; i < n_q; i++) {
		double sum = 0;

		for (int j = 0; j < n_k; j++) {
			double s = 0;

			for (int d = 0; d < size; d++)
				s += (double)q[i * size + d] * (double)k[j * size + d];
			sum += p[j] = exp(s * scale + (relative ? (double)relative[j - i] : 0));
		}
		for (int d = 0; d < size; d++) {
			out[i * size + d] = 0;
			for (int j = 0; j < n_k; j++)
				out[i * size + d] += p[j] / sum * (double)v[j * size + d];
		}
	}
}

static void check_attention(const struct kernels *k, int n, int size, bool by_distance)
{
	size_t count = (size_t)n * (size_t)size;
	OWN(freep) float *q = random_values(count), *key = random_values(count);
	OWN(freep) float *v = random_values(count), *out = random_values(count);
	OWN(freep) float *zero = calloc((size_t)size, sizeof(float));
	OWN(freep) float *scratch = random_values(kern_attention_scratch(n, size, false));
	OWN(freep) uint32_t *tags = calloc((size_t)n, sizeof(*tags));
	OWN(freep) double *wanted = calloc(count, sizeof(*wanted));
	OWN(freep) float *table = random_values(2 * ((size_t)n + 16));
	const float *relative = by_distance ? table + n + 16 : NULL;
	struct kern_attention a = {.n_q = n,
				   .n_k = n,
				   .size = size,
				   .q = q,
				   .k = key,
				   .v = v,
				   .q_stride = size,
				   .kv_stride = size,
				   .q_bias = zero,
				   .k_bias = zero,
				   .v_bias = zero,
				   .scale = 0.2f,
				   .tags = tags,
				   .relative = relative,
				   .out = out,
				   .out_stride = size,
				   .scratch = scratch};

	k->attention(&a);
	plain_attention(q, key, v, relative, n, n, size, (double)0.2f, wanted);
	for (size_t i = 0; i < count; i++)
		assert_near((double)out[i], wanted[i], 1e-5, "attention");
}

/* x [m, depth] by w [n, depth]^T, in two parts. */
static void check_product(const struct kernels *k, int m, int n, int depth)
{
	OWN(freep) float *x = random_values((size_t)(m * depth));
	OWN(freep) float *w = random_values((size_t)(n * depth));
	OWN(freep) float *panels = random_values((size_t)(n * depth));
	OWN(freep) float *y = random_values((size_t)(m * n));
	struct kern_pack pack = {.from = w, .stride = depth, .k = depth, .to = panels};
	struct kern_product a = {
		.k = depth, .a = x, .a_stride = depth, .b = panels, .c = y, .c_stride = n};
	int half = n / 2 / 32 * 32;

	k->pack_f32(&pack, 0, 1);
	k->pack_f32(&pack, 1, n / KERN_TILE);
	k->product_f32(&a, 0, m, 0, half);
	k->product_f32(&a, 0, m, half, n);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			double sum = 0, size = 0;

			for (int d = 0; d < depth; d++) {
				double term = (double)x[i * depth + d] * (double)w[j * depth + d];

				sum += term;
				size += fabs(term);
			}
			if (!(fabs((double)y[i * n + j] - sum) <= 1e-6 * size))
				fail_msg("%s: the product of %d rows is %.9g, should be %.9g",
					 k->name, m, (double)y[i * n + j], sum);
		}
}

static void check_products(const struct kernels *k)
{
	for (int m = 1; m < 14; m++)
		check_product(k, m, 48, 64);
	check_product(k, 13, 16, 48);
	check_product(k, 63, 96, 32);
	check_product(k, 64, 96, 32);
	check_product(k, 81, 80, 96);
	check_product(k, 97, 48, 48);
	check_product(k, 70, 400, 512); /* B of more columns than are prepared at a time */
}

static void check_adamw(const struct kernels *k, size_t n, double decay)
{
	OWN(freep) float *w = random_values(n), *g = random_values(n), *m = random_values(n);
	OWN(freep) float *v = random_values(n);
	OWN(freep) double *wanted = calloc(n, sizeof(*wanted));
	struct kern_adamw a = {.w = w,
			       .g = g,
			       .m = m,
			       .v = v,
			       .grad_scale = 0.5f,
			       .learning_rate = 0.01f,
			       .beta1 = 0.9f,
			       .beta2 = 0.999f,
			       .eps = 1e-8f,
			       .weight_decay = (float)decay,
			       .correction1 = 0.19f,
			       .correction2_sqrt = 0.0447f};

	for (size_t i = 0; i < n; i++) {
		double gi, mi, vi;

		/* words without a gradient now, and without one ever */
		if (i >= 16 && i < 64)
			g[i] = 0;
		if (i >= 32 && i < 64)
			m[i] = v[i] = 0;
		v[i] = fabsf(v[i]);
		gi = 0.5 * (double)g[i];
		mi = 0.9 * (double)m[i] + 0.1 * gi;
		vi = 0.999 * (double)v[i] + 0.001 * gi * gi;
		wanted[i] = (double)w[i] * (1 - 0.01 * decay) -
			    0.01 / 0.19 * mi / (sqrt(vi) / 0.0447 + 1e-8);
	}
	k->adamw(&a, 0, n);
	for (size_t i = 0; i < n; i++) {
		assert_near((double)w[i], wanted[i], 1e-5, "the weight");
		assert_true(g[i] == 0);
	}
}

static void check_bf16(const struct kernels *k)
{
	const float in[] = {1, -2.5f, 1.00390625f, 1.01171875f, 3.4e38f, 0, NAN};
	const uint16_t wanted[] = {0x3f80, 0xc020, 0x3f80, 0x3f82, 0x7f80, 0, 0x7fc0};
	uint16_t out[7];

	k->to_bf16(in, out, 7);
	for (int i = 0; i < 7; i++)
		assert_int_equal(out[i], wanted[i]);
}

static void test_every_variant(void **state)
{
	const struct kernels *all[4];
	int n = kernels_all(all);

	assert_ptr_equal(all[0], kernels_get());
	for (int i = 0; i < n; i++) {
		OWN(freep) float *x = random_values(1003);
		double sum = 0;

		check_act(all[i]);
		check_norm(all[i]);
		for (int by_distance = 0; by_distance < 2; by_distance++) {
			check_attention(all[i], 1, 32, by_distance);
			check_attention(all[i], 53, 24, by_distance);
			check_attention(all[i], 130, 64, by_distance);
		}
		check_adamw(all[i], 101, 0.1);
		check_adamw(all[i], 101, 0);
		check_products(all[i]);
		check_bf16(all[i]);
		for (int j = 0; j < 1003; j++)
			sum += (double)x[j] * (double)x[j];
		assert_near(all[i]->square_sum(x, 1003), sum, 1e-6, "the sum of squares");
	}
}

/* About p of the values are dropped, whatever the site, and another site drops others. */
static void test_dropout(void **state)
{
	struct kern_drop a = kern_drop_site(0.1f, 42, 1, 3), b = kern_drop_site(0.1f, 42, 1, 4);
	struct kern_drop next = kern_drop_site(0.1f, 42, 2, 3), none = kern_drop_site(0, 42, 1, 3);
	int dropped = 0, same = 0, same_step = 0;

	assert_int_equal(none.threshold, 0);
	for (uint32_t row = 0; row < 200; row++)
		for (uint32_t column = 0; column < 500; column++) {
			bool gone = kern_drop_value(&a, row, column) == 0;

			dropped += gone;
			same += gone && kern_drop_value(&b, row, column) == 0;
			same_step += gone && kern_drop_value(&next, row, column) == 0;
		}
	assert_in_range(dropped, 9700, 10300);
	assert_in_range(same, 850, 1150);
	assert_in_range(same_step, 850, 1150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_variant),
		cmocka_unit_test(test_dropout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
