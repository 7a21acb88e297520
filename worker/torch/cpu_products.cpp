/* SPDX-License-Identifier: MIT */
/* The CPU engine's matrix products: our own, with weights that are packed once for each change of
 * theirs, in bf16 on the processor's tiles and in inference with fp32; else libtorch's. */
#include "worker/torch/cpu_engine.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>

namespace trainyard
{

/* Rows and columns of C that a thread takes at a time: whole blocks of tiles. */
static constexpr int64_t SHARE = 2 * KERN_TILE;
/* From this many rows for each thread, threads share rows and not columns. */
static constexpr int64_t ROWS_TO_SHARE = 2 * SHARE;

bool CpuEngine::packs() const
{
	if (!p.bf16)
		return !p.train;
	return k->product && p.shape.hidden % SHARE == 0 && p.shape.intermediate % SHARE == 0;
}

void CpuEngine::pack_weight(std::vector<PackJob> &jobs, torch_param kind, int layer, int count)
{
	auto w = p.compute(kind, layer, count);
	const int rows = (int)w.size(0), columns = (int)w.size(1);
	kern_pack a = {};

	a.from = w.const_data_ptr();
	a.stride = columns;
	a.k = columns;
	a.to = p.view(packed, kind, layer, count).data_ptr();
	jobs.push_back({a, p.bf16 ? k->pack_b_transposed : k->pack_f32, rows / KERN_TILE});
	if (!is_trained(layer))
		return;
	a.k = rows;
	a.to = p.view(packed_back, kind, layer, count).data_ptr();
	jobs.push_back({a, k->pack_b, columns / KERN_TILE});
}

/* The packed buffers have the places of Params::w. Their pages of the embeddings are never touched,
 * so they cost no memory. */
void CpuEngine::pack_weights()
{
	std::vector<PackJob> jobs;

	if (!packs() || packed_version == p.version)
		return;
	if (!packed.defined()) {
		packed = at::empty({p.total}, at::TensorOptions().dtype(type));
		packed_back = p.train ? at::empty_like(packed) : at::Tensor();
	}
	for (int layer = 0; layer < p.shape.layers; layer++) {
		pack_weight(jobs, TORCH_QUERY, layer, is_last(layer) ? 1 : 3);
		if (is_last(layer))
			pack_weight(jobs, TORCH_KEY, layer, 2);
		pack_weight(jobs, TORCH_ATTENTION_OUT, layer, 1);
		pack_weight(jobs, TORCH_FFN_IN, layer, 1);
		pack_weight(jobs, TORCH_FFN_OUT, layer, 1);
	}
	parallel(threads, [&](int t) {
		for (const auto &job : jobs)
			job.pack(&job.args, job.panels * t / threads,
				 job.panels * (t + 1) / threads);
	});
	packed_version = p.version;
}

/* C has these rows and columns; the threads share the rows, or the columns if rows are few. */
void CpuEngine::product(const kern_product &a, int64_t rows, int64_t columns)
{
	const bool by_rows = rows >= ROWS_TO_SHARE * threads;
	const auto multiply = p.bf16 ? k->product : k->product_f32;
	const int64_t all = by_rows ? rows : columns, blocks = (all + SHARE - 1) / SHARE;

	parallel(threads, [&](int t) {
		const int begin = (int)(blocks * t / threads * SHARE);
		const int end = (int)std::min(blocks * (t + 1) / threads * SHARE, all);

		if (begin >= end)
			return;
		if (by_rows)
			multiply(&a, begin, end, 0, (int)columns);
		else
			multiply(&a, 0, (int)rows, begin, end);
	});
}

static kern_product product_of(const at::Tensor &out, const at::Tensor &x, const at::Tensor &panels)
{
	kern_product a = {};

	a.k = (int)x.size(1);
	a.a = x.const_data_ptr();
	a.a_stride = x.size(1);
	a.b = panels.const_data_ptr();
	a.c = out.data_ptr();
	a.c_stride = out.size(1);
	return a;
}

void CpuEngine::linear(at::Tensor out, const at::Tensor &x, torch_param kind, int layer, int count)
{
	if (packs())
		product(product_of(out, x, p.view(packed, kind, layer, count)), out.size(0),
			out.size(1));
	else
		at::mm_out(out, x, p.compute(kind, layer, count).t());
}

void CpuEngine::linear_back(at::Tensor dx, const at::Tensor &d, torch_param kind, int layer,
			    int count)
{
	if (packs())
		product(product_of(dx, d, p.view(packed_back, kind, layer, count)), dx.size(0),
			dx.size(1));
	else
		at::mm_out(dx, d, p.compute(kind, layer, count));
}

/* gradient += d^T x on tiles. */
void CpuEngine::gradient_product(const at::Tensor &d, const at::Tensor &x, at::Tensor gradient)
{
	const int64_t outputs = d.size(1), inputs = x.size(1);
	const int64_t depth = kern_tile_depth((int)d.size(0));
	auto left = workspace(packed_d, outputs, depth, type);
	auto right = workspace(packed_x, inputs, depth, type);
	kern_pack of_d = {}, of_x = {};
	kern_product a = {};

	of_d.from = d.const_data_ptr();
	of_d.stride = outputs;
	of_d.k = (int)d.size(0);
	of_d.to = left.data_ptr();
	of_x = of_d;
	of_x.from = x.const_data_ptr();
	of_x.stride = inputs;
	of_x.to = right.data_ptr();
	parallel(threads, [&](int t) {
		auto share = [&](int64_t n, int i) { return (int)(n / KERN_TILE * i / threads); };

		k->pack_a_transposed(&of_d, share(outputs, t), share(outputs, t + 1));
		k->pack_b(&of_x, share(inputs, t), share(inputs, t + 1));
	});
	a.k = of_d.k;
	a.a = of_d.to;
	a.b = of_x.to;
	a.add = true;
	a.c = gradient.data_ptr();
	a.c_stride = inputs;
	product(a, outputs, inputs);
}

/* gradient += d^T x */
void CpuEngine::weight_gradient(const at::Tensor &d, const at::Tensor &x, at::Tensor gradient)
{
	if (packs()) {
		gradient_product(d, x, gradient);
		return;
	}
	if (!p.bf16) {
		gradient.addmm_(d.t(), x);
		return;
	}
	auto sum = workspace(wgrad, gradient.size(0), gradient.size(1), type);

	at::mm_out(sum, d.t(), x);
	parallel_rows(gradient.numel(), [&](int, int begin, int end) {
		k->accumulate(gradient.data_ptr<float>(), sum.data_ptr(), true, (size_t)begin,
			      (size_t)end);
	});
}

} // namespace trainyard
