/* SPDX-License-Identifier: MIT */
/* The parameters' places in the flat buffers, and the views that the engines compute with. */
#include "worker/torch/net.hpp"

#include <ATen/ops/copy.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

namespace trainyard
{

static constexpr int64_t ALIGN = 16; /* floats: one cache line, whole vectors */

Params::Params(const torch_shape &shape_, const torch_options &options, at::Device device_)
    : shape(shape_), device(device_), bf16(options.bf16), train(options.train),
      places((size_t)TORCH_PARAM_COUNT * (size_t)shape_.layers, ParamPlace{-1, 0, 0, 0})
{
	auto f32 = at::TensorOptions().dtype(at::kFloat).device(device);

	/* layer by layer: query, key and value of one layer must be adjacent */
	for (int pass = 0; pass < 2; pass++) {
		int first = pass ? TORCH_EMBEDDING_NORM_WEIGHT : TORCH_WORD;
		int last = pass ? TORCH_PARAM_COUNT : TORCH_EMBEDDING_NORM_WEIGHT;

		for (int kind = first; kind < last; kind++)
			if (!torch_param_is_layered((torch_param)kind))
				add((torch_param)kind, 0);
		for (int layer = 0; layer < shape.layers; layer++)
			for (int kind = first; kind < last; kind++)
				if (torch_param_is_layered((torch_param)kind))
					add((torch_param)kind, layer);
		if (!pass)
			decayed = total;
	}
	w = at::zeros({total}, f32);
	if (bf16)
		w16 = at::zeros({total}, f32.dtype(at::kBFloat16));
	if (!train)
		return;
	g = at::zeros({total}, f32);
	m = at::zeros({total}, f32);
	v = at::zeros({total}, f32);
}

void Params::add(torch_param kind, int layer)
{
	int rows, columns;
	int64_t size = (int64_t)torch_param_size(&shape, kind, &rows, &columns);

	if (!size)
		return;
	places[(size_t)kind * (size_t)shape.layers + (size_t)layer] = {total, size, rows, columns};
	total += (size + ALIGN - 1) / ALIGN * ALIGN;
}

bool Params::has(torch_param kind) const
{
	return places[(size_t)kind * (size_t)shape.layers].offset >= 0;
}

const ParamPlace &Params::place(torch_param kind, int layer) const
{
	const auto &p = places.at((size_t)kind * (size_t)shape.layers + (size_t)layer);

	TORCH_CHECK(layer >= 0 && layer < shape.layers && p.offset >= 0, "no parameter ", (int)kind,
		    " in layer ", layer);
	return p;
}

at::Tensor Params::view(const at::Tensor &flat, torch_param kind, int layer, int count) const
{
	const auto &p = place(kind, layer);
	auto part = flat.narrow(0, p.offset, p.size * count);

	return p.rows == 1 && kind >= TORCH_EMBEDDING_NORM_WEIGHT
		       ? part
		       : part.view({p.rows * count, p.columns});
}

at::Tensor Params::compute(torch_param kind, int layer, int count) const
{
	return view(bf16 ? w16 : w, kind, layer, count);
}

at::Tensor Params::weight(torch_param kind, int layer) const
{
	return view(w, kind, layer);
}

at::Tensor Params::gradient(torch_param kind, int layer, int count) const
{
	return view(g, kind, layer, count);
}

const at::Tensor &Params::slot(torch_slot s) const
{
	const at::Tensor *all[] = {&w, &g, &m, &v};

	TORCH_CHECK(s == TORCH_WEIGHT || train, "an inference network has only weights");
	return *all[s];
}

void Params::refresh_compute()
{
	if (bf16)
		w16.copy_(w);
}

} // namespace trainyard
