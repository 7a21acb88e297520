/* SPDX-License-Identifier: MIT */
/*
 * The engine of libtorch operators with autograd: any device, any width. It runs on GPUs, and the
 * tests compare the CPU engine with it. Tokens are concatenated; only attention sees padded rows.
 */
#include "worker/torch/net.hpp"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/t.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <algorithm>
#include <cmath>

namespace trainyard
{

class OperatorEngine : public Engine
{
      public:
	explicit OperatorEngine(Params &params) : p(params)
	{
	}
	at::Tensor forward(const Micro &mb) override;
	at::Tensor backward(const Micro &mb, const torch_train_options &options) override;

      private:
	struct Rows { /* what one micro-batch needs on the device */
		at::Tensor ids, at, types, first;
		at::Tensor slot;     /* token → row of the padded [rows * longest] */
		at::Tensor mask;     /* [rows, 1, 1, longest], true: attend */
		at::Tensor relative; /* [1, heads, longest, longest]; undefined: none */
		int64_t rows, longest;
	};
	Rows upload(const Micro &mb) const;
	at::Tensor leaf(torch_param kind, int layer = 0);
	at::Tensor dense(const at::Tensor &x, torch_param weight, torch_param bias, int layer);
	at::Tensor norm(const at::Tensor &x, torch_param weight, torch_param bias, int layer);
	at::Tensor drop(const at::Tensor &x, double probability) const;
	at::Tensor head_mask(const at::Tensor &x, double probability) const;
	at::Tensor attention(const at::Tensor &x, const Rows &b, int layer);
	at::Tensor relative(int64_t longest);
	at::Tensor encode(Rows b);

	Params &p;
	bool training = false;
	bool dropping = false;
};

/* In training, unless frozen, an autograd leaf on the flat buffer whose gradient is the flat
 * gradient. */
at::Tensor OperatorEngine::leaf(torch_param kind, int layer)
{
	auto w = p.weight(kind, layer);

	if (!training || p.is_frozen(kind, layer))
		return w;
	w = w.detach().requires_grad_(true);
	w.mutable_grad() = p.gradient(kind, layer);
	return w;
}

at::Tensor OperatorEngine::dense(const at::Tensor &x, torch_param weight, torch_param bias,
				 int layer)
{
	return at::linear(x, leaf(weight, layer).to(x.scalar_type()),
			  leaf(bias, layer).to(x.scalar_type()));
}

at::Tensor OperatorEngine::norm(const at::Tensor &x, torch_param weight, torch_param bias,
				int layer)
{
	return at::layer_norm(x.to(at::kFloat), {x.size(1)}, leaf(weight, layer), leaf(bias, layer),
			      p.shape.norm_eps);
}

at::Tensor OperatorEngine::drop(const at::Tensor &x, double probability) const
{
	return dropping && probability > 0 ? at::dropout(x, probability, true) : x;
}

/* The mask by which dropout multiplies x; undefined if there is no dropout. */
at::Tensor OperatorEngine::head_mask(const at::Tensor &x, double probability) const
{
	at::NoGradGuard guard;

	return dropping && probability > 0 ? drop(at::ones_like(x), probability) : at::Tensor();
}

OperatorEngine::Rows OperatorEngine::upload(const Micro &mb) const
{
	const int64_t longest = mb.longest;
	auto long_type = at::TensorOptions().dtype(at::kLong);
	auto slot = at::empty({mb.tokens()}, long_type), first = at::empty({mb.rows()}, long_type);
	auto mask = at::zeros({mb.rows(), 1, 1, longest}, at::TensorOptions().dtype(at::kBool));
	auto types = mb.types;

	types.resize((size_t)mb.tokens(), 0);
	for (int64_t r = 0; r < mb.rows(); r++) {
		first.data_ptr<int64_t>()[r] = mb.starts[r];
		for (int64_t t = mb.starts[r]; t < mb.starts[r + 1]; t++) {
			slot.data_ptr<int64_t>()[t] = r * longest + t - mb.starts[r];
			mask.data_ptr<bool>()[r * longest + t - mb.starts[r]] = true;
		}
	}
	return {at::tensor(mb.ids).to(p.device),
		at::tensor(mb.at).to(p.device),
		at::tensor(types).to(at::kInt).to(p.device),
		first.to(p.device),
		slot.to(p.device),
		mask.to(p.device),
		at::Tensor(),
		mb.rows(),
		longest};
}

/* The numbers that are added to the scores, by the distance of query and key. */
at::Tensor OperatorEngine::relative(int64_t longest)
{
	std::vector<int32_t> buckets;

	for (int query = 0; query < longest; query++)
		for (int key = 0; key < longest; key++)
			buckets.push_back(torch_relative_bucket(key - query));
	return at::embedding(leaf(TORCH_RELATIVE), at::tensor(buckets).to(p.device))
		.t()
		.view({1, p.shape.heads, longest, longest});
}

at::Tensor OperatorEngine::attention(const at::Tensor &x, const Rows &b, int layer)
{
	const int64_t h = p.shape.hidden, heads = p.shape.heads;
	const torch_param parts[3][2] = {{TORCH_QUERY, TORCH_QUERY_BIAS},
					 {TORCH_KEY, TORCH_KEY_BIAS},
					 {TORCH_VALUE, TORCH_VALUE_BIAS}};
	at::Tensor padded[3];

	for (int i = 0; i < 3; i++)
		padded[i] =
			at::zeros({b.rows * b.longest, h}, x.options())
				.index_copy(0, b.slot, dense(x, parts[i][0], parts[i][1], layer))
				.view({b.rows, b.longest, heads, h / heads})
				.transpose(1, 2);
	auto mask = b.mask;

	if (b.relative.defined())
		mask = b.relative.masked_fill(b.mask.logical_not(), -INFINITY).to(x.scalar_type());
	auto out = at::scaled_dot_product_attention(padded[0], padded[1], padded[2], mask,
						    dropping ? p.shape.drop_attention : 0);

	return out.transpose(1, 2).reshape({b.rows * b.longest, h}).index_select(0, b.slot);
}

at::Tensor OperatorEngine::encode(Rows b)
{
	auto type = p.bf16 ? at::kBFloat16 : at::kFloat;
	auto x = at::embedding(leaf(TORCH_WORD), b.ids, p.shape.pad_id) +
		 at::embedding(leaf(TORCH_POSITION), b.at, p.shape.position_pad);

	if (p.has(TORCH_RELATIVE))
		b.relative = relative(b.longest);
	if (p.shape.types)
		x = x + at::embedding(leaf(TORCH_TYPE), b.types);
	x = drop(norm(x, TORCH_EMBEDDING_NORM_WEIGHT, TORCH_EMBEDDING_NORM_BIAS, 0),
		 p.shape.drop_embedding);
	if (p.has(TORCH_PROJECTION))
		x = dense(x.to(type), TORCH_PROJECTION, TORCH_PROJECTION_BIAS, 0);
	for (int i = 0; i < p.shape.layers; i++) {
		auto o = dense(attention(x.to(type), b, i), TORCH_ATTENTION_OUT,
			       TORCH_ATTENTION_OUT_BIAS, i);

		x = norm(drop(o, p.shape.drop_attention_out) + x, TORCH_NORM1_WEIGHT,
			 TORCH_NORM1_BIAS, i);
		auto u = dense(x.to(type), TORCH_FFN_IN, TORCH_FFN_IN_BIAS, i);

		if (p.shape.activation == TORCH_RELU)
			u = at::relu(u);
		else
			u = at::gelu(u, p.shape.activation == TORCH_GELU ? "none" : "tanh");
		o = dense(u, TORCH_FFN_OUT, TORCH_FFN_OUT_BIAS, i);
		x = norm(drop(o, p.shape.drop_output) + x, TORCH_NORM2_WEIGHT, TORCH_NORM2_BIAS, i);
	}
	return at::index_select(x, 0, b.first);
}

at::Tensor OperatorEngine::forward(const Micro &mb)
{
	at::NoGradGuard guard;
	HeadTape head;

	training = dropping = false;
	head_forward(p, encode(upload(mb)), {}, head);
	return head.logits;
}

at::Tensor OperatorEngine::backward(const Micro &mb, const torch_train_options &o)
{
	HeadTape head;
	HeadMasks masks;
	at::Tensor loss, x, dx;

	training = true;
	dropping = o.dropout;
	if (dropping) {
		auto generator = at::globalContext().defaultGenerator(p.device);

		generator.set_current_seed(o.seed * 1000003u + (uint64_t)o.step * 1009u +
					   mb.tags.front());
	}
	{
		at::AutoGradMode grad(true);

		x = encode(upload(mb));
	}
	masks = {head_mask(x, p.shape.drop_head_input), head_mask(x, p.shape.drop_head)};
	{
		at::NoGradGuard guard;

		head_forward(p, x.detach(), masks, head);
		dx = head_backward(p, head, mb, o.label_smoothing, &loss);
	}
	if (x.requires_grad()) /* else all layers are frozen */
		x.backward(dx);
	training = dropping = false;
	return loss;
}

std::unique_ptr<Engine> make_operator_engine(Params &params)
{
	return std::make_unique<OperatorEngine>(params);
}

} // namespace trainyard
