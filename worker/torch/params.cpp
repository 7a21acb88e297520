/* SPDX-License-Identifier: MIT */
/* The parameters' places in the flat buffers, and the views that the engines compute with. */
#include "worker/torch/net.hpp"

#include <ATen/ops/copy.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

namespace trainyard
{

static constexpr int64_t ALIGN = 16; /* floats: one cache line, whole vectors */

Params::Params(const tsh_shape &shape_, const tsh_options &options, at::Device device_)
    : shape(shape_), device(device_), bf16(options.bf16), train(options.train),
      places((size_t)TSH_PARAM_COUNT * (size_t)shape_.layers, ParamPlace{-1, 0, 0, 0})
{
	auto f32 = at::TensorOptions().dtype(at::kFloat).device(device);

	/* layer by layer: query, key and value of one layer must be adjacent */
	for (int pass = 0; pass < 2; pass++) {
		int first = pass ? TSH_EMBEDDING_NORM_WEIGHT : TSH_WORD;
		int last = pass ? TSH_PARAM_COUNT : TSH_EMBEDDING_NORM_WEIGHT;

		for (int kind = first; kind < last; kind++)
			if (!tsh_param_is_layered((tsh_param)kind))
				add((tsh_param)kind, 0);
		for (int layer = 0; layer < shape.layers; layer++)
			for (int kind = first; kind < last; kind++)
				if (tsh_param_is_layered((tsh_param)kind))
					add((tsh_param)kind, layer);
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

void Params::add(tsh_param kind, int layer)
{
	int rows, columns;
	int64_t size = (int64_t)tsh_param_size(&shape, kind, &rows, &columns);

	if (!size)
		return;
	places[(size_t)kind * (size_t)shape.layers + (size_t)layer] = {total, size, rows, columns};
	total += (size + ALIGN - 1) / ALIGN * ALIGN;
}

bool Params::has(tsh_param kind) const
{
	return places[(size_t)kind * (size_t)shape.layers].offset >= 0;
}

const ParamPlace &Params::place(tsh_param kind, int layer) const
{
	const auto &p = places.at((size_t)kind * (size_t)shape.layers + (size_t)layer);

	TORCH_CHECK(layer >= 0 && layer < shape.layers && p.offset >= 0, "no parameter ", (int)kind,
		    " in layer ", layer);
	return p;
}

at::Tensor Params::view(const at::Tensor &flat, tsh_param kind, int layer, int count) const
{
	const auto &p = place(kind, layer);
	auto part = flat.narrow(0, p.offset, p.size * count);

	return p.rows == 1 && kind >= TSH_EMBEDDING_NORM_WEIGHT
		       ? part
		       : part.view({p.rows * count, p.columns});
}

at::Tensor Params::compute(tsh_param kind, int layer, int count) const
{
	return view(bf16 ? w16 : w, kind, layer, count);
}

at::Tensor Params::weight(tsh_param kind, int layer) const
{
	return view(w, kind, layer);
}

at::Tensor Params::gradient(tsh_param kind, int layer, int count) const
{
	return view(g, kind, layer, count);
}

const at::Tensor &Params::slot(tsh_slot s) const
{
	const at::Tensor *all[] = {&w, &g, &m, &v};

	TORCH_CHECK(s == TSH_WEIGHT || train, "an inference network has only weights");
	return *all[s];
}

void Params::refresh_compute()
{
	if (bf16)
		w16.copy_(w);
}

} // namespace trainyard
