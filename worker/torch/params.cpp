/* SPDX-License-Identifier: MIT */
/* The parameters' places in the flat buffers, and the views that the engines compute with. */
#include "worker/torch/net.hpp"

#include <ATen/ops/copy.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

namespace trainyard
{

/* Elements to which a parameter's place is rounded up: whole cache lines, also of bf16 unless that
 * left gaps between query, key and value. */
static int64_t alignment(const torch_shape &shape)
{
	return shape.hidden % 32 == 0 ? 32 : 16;
}

Params::Params(const torch_shape &shape_, const torch_options &options, at::Device device_)
    : shape(shape_), device(device_), bf16(options.bf16), train(options.train),
      frozen_parts(options.train ? options.frozen_parts : 0),
      places((size_t)TORCH_PARAM_COUNT * (size_t)shape_.layers, ParamPlace{-1, 0, 0, 0})
{
	auto f32 = at::TensorOptions().dtype(at::kFloat).device(device);

	add_all(true, TORCH_WORD, TORCH_PARAM_COUNT);
	frozen = total;
	add_all(false, TORCH_WORD, TORCH_EMBEDDING_NORM_WEIGHT);
	decayed = total;
	add_all(false, TORCH_EMBEDDING_NORM_WEIGHT, TORCH_PARAM_COUNT);
	w = at::zeros({total}, f32);
	if (bf16)
		w16 = at::zeros({total}, f32.dtype(at::kBFloat16));
	if (!train)
		return;
	g = at::zeros({total - frozen}, f32);
	m = at::zeros({total - frozen}, f32);
	v = at::zeros({total - frozen}, f32);
}

/* The kinds first..last - 1, layer by layer: query, key and value of a layer must be adjacent. */
void Params::add_all(bool of_frozen, torch_param first, torch_param last)
{
	for (int kind = first; kind < last; kind++)
		if (!torch_param_is_layered((torch_param)kind) &&
		    is_frozen((torch_param)kind) == of_frozen)
			add((torch_param)kind, 0);
	for (int layer = 0; layer < shape.layers; layer++)
		for (int kind = first; kind < last; kind++)
			if (torch_param_is_layered((torch_param)kind) &&
			    is_frozen((torch_param)kind, layer) == of_frozen)
				add((torch_param)kind, layer);
}

void Params::add(torch_param kind, int layer)
{
	const int64_t align = alignment(shape);
	int rows, columns;
	int64_t size = (int64_t)torch_param_size(&shape, kind, &rows, &columns);

	if (!size)
		return;
	places[(size_t)kind * (size_t)shape.layers + (size_t)layer] = {total, size, rows, columns};
	total += (size + align - 1) / align * align;
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
	const int64_t offset = p.offset - (total - flat.numel());

	TORCH_CHECK(offset >= 0, "parameter ", (int)kind, " of layer ", layer, " is frozen");
	auto part = flat.narrow(0, offset, p.size * count);

	return torch_param_is_vector(kind) ? part : part.view({p.rows * count, p.columns});
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

bool Params::is_frozen(torch_param kind, int layer) const
{
	return torch_param_is_frozen(kind, layer, frozen_parts);
}

at::Tensor Params::trained(const at::Tensor &flat) const
{
	return flat.narrow(0, frozen, total - frozen);
}

void Params::refresh_compute()
{
	if (bf16)
		w16.copy_(w);
	version++;
}

} // namespace trainyard
