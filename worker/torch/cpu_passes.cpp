/* SPDX-License-Identifier: MIT */
/*
 * The CPU engine's forward and backward pass over embeddings, layers and head. Tokens of all
 * sequences are concatenated, nothing is padded. The last layer computes only what the head reads:
 * its queries, output and feed-forward exist for first tokens alone.
 */
#include "worker/torch/cpu_engine.hpp"

#include <ATen/ops/empty.h>

namespace trainyard
{

at::Tensor CpuEngine::forward(const Micro &mb)
{
	HeadTape head;

	options = nullptr;
	head_forward(p, encode(mb), {}, head);
	return head.logits;
}

at::Tensor CpuEngine::head_mask(const Micro &mb, float probability, int site) const
{
	auto drop = dropout_site(probability, p.shape.layers, site);
	int64_t h = p.shape.hidden;
	at::Tensor mask;

	if (!drop.threshold)
		return mask;
	mask = at::empty({mb.rows(), h}, at::kFloat);
	for (int r = 0; r < mb.rows(); r++)
		for (int64_t i = 0; i < h; i++)
			mask.data_ptr<float>()[r * h + i] =
				kern_drop_value(&drop, mb.tags[mb.starts[r]], (uint32_t)i);
	return mask;
}

at::Tensor CpuEngine::backward(const Micro &mb, const torch_train_options &o)
{
	HeadTape head;
	at::Tensor loss, dy1, dy2;

	options = &o;
	saving = true;
	head_forward(p, encode(mb),
		     {head_mask(mb, p.shape.drop_head_input, SITE_HEAD_INPUT),
		      head_mask(mb, p.shape.drop_head, SITE_HEAD)},
		     head);
	saving = false;
	dy1 = head_backward(p, head, mb, o.label_smoothing, &loss).to(type);
	for (int layer = p.shape.layers - 1; layer >= 0 && is_trained(layer); layer--)
		layer_back(mb, layer, dy1, dy2);
	if (d_relative.defined())
		relative_back();
	if (!p.is_frozen(TORCH_WORD)) {
		if (p.has(TORCH_PROJECTION))
			embed_project_back(dy1, dy2);
		embed_back(mb, dy1, dy2);
	}
	options = nullptr;
	return loss;
}

} // namespace trainyard
