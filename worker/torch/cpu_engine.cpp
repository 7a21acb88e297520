/* SPDX-License-Identifier: MIT */
/* The CPU engine's operations between the matrix products, by our kernels, into which biases,
 * dropout, residuals and sums are fused. */
#include "worker/torch/cpu_engine.hpp"

#include <ATen/ops/empty.h>
#include <cmath>

namespace trainyard
{

CpuEngine::CpuEngine(Params &params, int threads_)
    : p(params), k(kernels_get()), threads(threads_),
      type(params.bf16 ? at::kBFloat16 : at::kFloat), tapes((size_t)params.shape.layers + 1)
{
}

/* A view of [rows, columns] on storage that only grows: no allocation, no page faults. */
at::Tensor CpuEngine::workspace(at::Tensor &store, int64_t rows, int64_t columns, at::ScalarType t)
{
	if (!store.defined() || store.numel() < rows * columns)
		store = at::empty({rows * columns}, at::TensorOptions().dtype(t));
	return store.narrow(0, 0, rows * columns).view({rows, columns});
}

/* Zeroed partial sums: [threads][n * width]. */
float *CpuEngine::partial_sums(int64_t n, int64_t width)
{
	auto t = workspace(sums, threads, n * width, at::kFloat);

	t.zero_();
	return t.data_ptr<float>();
}

void CpuEngine::add_sums(int64_t n, int64_t width, int which, at::Tensor to)
{
	const float *from = sums.data_ptr<float>();

	for (int t = 0; t < threads; t++)
		k->accumulate(to.data_ptr<float>(), from + (t * n + which) * width, false, 0,
			      (size_t)width);
}

kern_drop CpuEngine::dropout_site(float drop, int layer, int which) const
{
	return kern_drop_site(options && options->dropout ? drop : 0, options ? options->seed : 0,
			      options ? (uint64_t)options->step : 0, layer * 4 + which);
}

void CpuEngine::norm(const at::Tensor &o, const at::Tensor &x, const uint32_t *tags,
		     const NormParams &np, at::Tensor z, at::Tensor stats, at::Tensor y)
{
	kern_norm a = {};

	a.width = p.shape.hidden;
	a.bf16 = p.bf16;
	a.o = o.data_ptr();
	a.x = x.data_ptr();
	a.o_bias = p.weight(np.o_bias, np.layer).data_ptr<float>();
	a.weight = p.weight(np.weight, np.layer).data_ptr<float>();
	a.bias = p.weight(np.bias, np.layer).data_ptr<float>();
	a.tags = tags;
	a.eps = p.shape.norm_eps;
	a.drop = dropout_site(np.drop, np.layer, np.site);
	a.z = z.defined() ? z.data_ptr() : nullptr;
	a.stats = stats.defined() ? stats.data_ptr<float>() : nullptr;
	a.y = y.data_ptr();
	parallel_rows(y.size(0), [&](int, int begin, int end) { k->norm(&a, begin, end); });
}

/* dz and the gradient of o; adds those of the norm's parameters and of o's bias. */
void CpuEngine::norm_back(const at::Tensor &dy1, const at::Tensor &dy2, const uint32_t *tags,
			  const NormParams &np, const at::Tensor &z, const at::Tensor &stats,
			  at::Tensor dz, at::Tensor d_o)
{
	kern_norm_back a = {};
	int width = p.shape.hidden;
	float *to = partial_sums(3, width);

	a.width = width;
	a.bf16 = p.bf16;
	a.dy1 = dy1.data_ptr();
	a.dy2 = dy2.defined() ? dy2.data_ptr() : nullptr;
	a.z = z.data_ptr();
	a.stats = stats.data_ptr<float>();
	a.weight = p.weight(np.weight, np.layer).data_ptr<float>();
	a.tags = tags;
	a.drop = dropout_site(np.drop, np.layer, np.site);
	a.dz = dz.data_ptr();
	a.d_o = d_o.data_ptr();
	parallel_rows(z.size(0), [&](int thread, int begin, int end) {
		kern_norm_back mine = a;

		mine.sum_weight = to + (size_t)thread * 3 * (size_t)width;
		mine.sum_bias = mine.sum_weight + width;
		mine.sum_o_bias = mine.sum_bias + width;
		k->norm_back(&mine, begin, end);
	});
	add_sums(3, width, 0, p.gradient(np.weight, np.layer));
	add_sums(3, width, 1, p.gradient(np.bias, np.layer));
	add_sums(3, width, 2, p.gradient(np.o_bias, np.layer));
}

void CpuEngine::activation(int layer, const at::Tensor &u, at::Tensor a_, bool back)
{
	kern_act a = {};
	int width = p.shape.intermediate;
	float *to = back ? partial_sums(1, width) : nullptr;

	a.width = width;
	a.act = p.shape.activation;
	a.bf16 = p.bf16;
	a.u = u.data_ptr();
	a.bias = p.weight(TORCH_FFN_IN_BIAS, layer).data_ptr<float>();
	a.a = a_.data_ptr();
	parallel_rows(u.size(0), [&](int thread, int begin, int end) {
		kern_act mine = a;

		if (!back) {
			k->act(&mine, begin, end);
			return;
		}
		mine.sum_bias = to + (size_t)thread * (size_t)width;
		k->act_back(&mine, begin, end);
	});
	if (back)
		add_sums(1, width, 0, p.gradient(TORCH_FFN_IN_BIAS, layer));
}

void CpuEngine::bias_gradient(const at::Tensor &d, int64_t column, int64_t width, at::Tensor to)
{
	int64_t stride = d.size(1), unit = p.bf16 ? 2 : 4;
	float *partial = partial_sums(1, width);

	parallel_rows(d.size(0), [&](int thread, int begin, int end) {
		k->column_sum((const char *)d.data_ptr() + column * unit, p.bf16, stride,
			      (int)width, partial + thread * width, begin, end);
	});
	add_sums(1, width, 0, to);
}

void CpuEngine::embed(const Micro &mb, at::Tensor z, at::Tensor stats, at::Tensor y)
{
	kern_embed a = {};

	a.width = p.shape.embedding;
	a.bf16 = p.bf16;
	a.word = p.weight(TORCH_WORD).data_ptr<float>();
	a.position = p.weight(TORCH_POSITION).data_ptr<float>();
	a.type = p.shape.types ? p.weight(TORCH_TYPE).data_ptr<float>() : nullptr;
	a.weight = p.weight(TORCH_EMBEDDING_NORM_WEIGHT).data_ptr<float>();
	a.bias = p.weight(TORCH_EMBEDDING_NORM_BIAS).data_ptr<float>();
	a.ids = mb.ids.data();
	a.at = mb.at.data();
	a.types = mb.types.empty() ? nullptr : mb.types.data();
	a.tags = mb.tags.data();
	a.eps = p.shape.norm_eps;
	a.drop = dropout_site(p.shape.drop_embedding, 0, SITE_EMBEDDING);
	a.z = z.defined() ? z.data_ptr() : nullptr;
	a.stats = stats.defined() ? stats.data_ptr<float>() : nullptr;
	a.y = y.data_ptr();
	parallel_rows(mb.tokens(), [&](int, int begin, int end) { k->embed(&a, begin, end); });
}

/* Column slices per thread: no two threads write the same number, and the order is fixed. */
void CpuEngine::scatter_embeddings(const Micro &mb, const at::Tensor &dz)
{
	int64_t h = p.shape.embedding, blocks = h / KERNEL_ALIGN;
	const float *from = dz.data_ptr<float>();
	float *word = p.gradient(TORCH_WORD).data_ptr<float>();
	float *position = p.gradient(TORCH_POSITION).data_ptr<float>();
	float *kind = p.shape.types ? p.gradient(TORCH_TYPE).data_ptr<float>() : nullptr;

	parallel_rows(blocks, [&](int, int begin, int end) {
		size_t first = (size_t)begin * KERNEL_ALIGN, stop = (size_t)end * KERNEL_ALIGN;

		for (int64_t t = 0; t < mb.tokens(); t++) {
			const float *row = from + t * h;

			if (mb.ids[t] != p.shape.pad_id)
				k->accumulate(word + mb.ids[t] * h, row, false, first, stop);
			if (mb.at[t] != p.shape.position_pad)
				k->accumulate(position + mb.at[t] * h, row, false, first, stop);
			if (kind)
				k->accumulate(kind + (mb.types.empty() ? 0 : mb.types[t]) * h, row,
					      false, first, stop);
		}
	});
}

void CpuEngine::embed_back(const Micro &mb, const at::Tensor &dy1, const at::Tensor &dy2)
{
	kern_norm_back a = {};
	int width = p.shape.embedding;
	float *to = partial_sums(2, width);
	auto dz = workspace(embed_dz, mb.tokens(), width, at::kFloat);

	a.width = width;
	a.bf16 = p.bf16;
	a.drop_output = true;
	a.dz_f32 = true;
	a.dy1 = dy1.data_ptr();
	a.dy2 = dy2.defined() ? dy2.data_ptr() : nullptr;
	a.z = embed_z.data_ptr();
	a.stats = embed_stats.data_ptr<float>();
	a.weight = p.weight(TORCH_EMBEDDING_NORM_WEIGHT).data_ptr<float>();
	a.tags = mb.tags.data();
	a.drop = dropout_site(p.shape.drop_embedding, 0, SITE_EMBEDDING);
	a.dz = dz.data_ptr();
	parallel_rows(mb.tokens(), [&](int thread, int begin, int end) {
		kern_norm_back mine = a;

		mine.sum_weight = to + (size_t)thread * 2 * (size_t)width;
		mine.sum_bias = mine.sum_weight + width;
		k->norm_back(&mine, begin, end);
	});
	add_sums(2, width, 0, p.gradient(TORCH_EMBEDDING_NORM_WEIGHT));
	add_sums(2, width, 1, p.gradient(TORCH_EMBEDDING_NORM_BIAS));
	scatter_embeddings(mb, dz);
}

static constexpr int64_t VECTOR = 16; /* floats of the widest vector of the kernels */

/* The table by buckets becomes one by distance, for sequences of up to `longest` tokens. */
void CpuEngine::relative_expand(int longest)
{
	const int heads = p.shape.heads;
	const float *table = p.weight(TORCH_RELATIVE).data_ptr<float>();
	const bool trains = saving && !p.is_frozen(TORCH_RELATIVE);

	relative_reach = longest + VECTOR;
	relative = workspace(relative_store, heads, 2 * relative_reach, at::kFloat);
	d_relative = trains ? workspace(d_relative_store, heads, 2 * relative_reach, at::kFloat)
			    : at::Tensor();
	if (trains)
		d_relative.zero_();
	for (int64_t d = -relative_reach; d < relative_reach; d++) {
		const float *bucket = table + torch_relative_bucket((int)d) * heads;

		for (int head = 0; head < heads; head++)
			relative_at(relative, head)[d] = bucket[head];
	}
}

void CpuEngine::relative_back()
{
	const int heads = p.shape.heads;
	float *to = p.gradient(TORCH_RELATIVE).data_ptr<float>();

	for (int64_t d = VECTOR - relative_reach; d < relative_reach - VECTOR; d++) {
		float *bucket = to + torch_relative_bucket((int)d) * heads;

		for (int head = 0; head < heads; head++)
			bucket[head] += relative_at(d_relative, head)[d];
	}
	d_relative = at::Tensor();
}

std::unique_ptr<Engine> make_cpu_engine(Params &params, int threads)
{
	return std::make_unique<CpuEngine>(params, threads);
}

bool cpu_engine_fits(const torch_shape &s)
{
	return s.hidden % KERNEL_ALIGN == 0 && s.intermediate % KERNEL_ALIGN == 0 &&
	       s.embedding % KERNEL_ALIGN == 0 && s.hidden <= 4096 && s.heads <= 64;
}

} // namespace trainyard
