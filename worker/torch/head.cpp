/* SPDX-License-Identifier: MIT */
/*
 * The classification head: dropout, dense, tanh, ReLU or GELU, dropout, classifier, loss.
 * Only the first token of each row comes here, so fp32 operators are fast enough on every device.
 */
#include "worker/torch/net.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>

namespace trainyard
{

static at::Tensor activate(torch_head head, const at::Tensor &x)
{
	if (head == TORCH_HEAD_GELU)
		return at::gelu(x);
	return head == TORCH_HEAD_TANH ? at::tanh(x) : at::relu(x);
}

/* From the gradient of the activation's output to that of its input. */
static at::Tensor activate_back(torch_head head, const at::Tensor &d, const HeadTape &t)
{
	if (head == TORCH_HEAD_GELU)
		return at::gelu_backward(d, t.linear);
	if (head == TORCH_HEAD_TANH)
		return d * (1 - t.dense * t.dense);
	return d * t.dense.gt(0);
}

void head_forward(const Params &p, const at::Tensor &x, const HeadMasks &masks, HeadTape &t)
{
	t.x = masks.input.defined() ? x * masks.input : x;
	t.masks = masks;
	t.linear = at::addmm(p.weight(TORCH_HEAD_DENSE_BIAS), t.x, p.weight(TORCH_HEAD_DENSE).t());
	t.dense = activate(p.shape.head, t.linear);
	t.dropped = masks.dense.defined() ? t.dense * masks.dense : t.dense;
	t.logits = at::addmm(p.weight(TORCH_CLASSIFIER_BIAS), t.dropped,
			     p.weight(TORCH_CLASSIFIER).t());
}

/* From the logits to *ret_loss, and to the gradient of the logits. */
static at::Tensor cross_entropy(const at::Tensor &logits, const Micro &mb, const at::Tensor &weight,
				float label_smoothing, at::Tensor *ret_loss)
{
	auto logp = at::_log_softmax(logits, 1, false);
	auto at_label = at::tensor(mb.labels).to(logits.device()).unsqueeze(1);
	auto target = at::full_like(logp, label_smoothing / (float)logits.size(1));

	target.scatter_add_(1, at_label, at::full_like(logp, 1 - label_smoothing));
	*ret_loss = at::mul(logp, target).mul_(weight).sum().neg();
	return logp.exp().sub_(target).mul_(weight);
}

/* Likewise, of the squared error. */
static at::Tensor squared_error(const at::Tensor &logits, const Micro &mb, const at::Tensor &weight,
				at::Tensor *ret_loss)
{
	auto d = logits - at::tensor(mb.targets).to(logits.device()).view_as(logits);
	auto part = weight / (float)logits.size(1);

	*ret_loss = (d * d).mul_(part).sum();
	return d.mul_(part).mul_(2);
}

/* Likewise, of each label's sigmoid: max(x, 0) - x y + log(1 + exp(-|x|)). */
static at::Tensor binary_cross_entropy(const at::Tensor &logits, const Micro &mb,
				       const at::Tensor &weight, at::Tensor *ret_loss)
{
	auto y = at::tensor(mb.targets).to(logits.device()).view_as(logits);
	auto part = weight / (float)logits.size(1);
	auto loss = logits.clamp_min(0) - logits * y + logits.abs().neg_().exp_().log1p_();

	*ret_loss = loss.mul_(part).sum();
	return logits.sigmoid().sub_(y).mul_(part);
}

static at::Tensor loss_back(torch_loss loss, const at::Tensor &logits, const Micro &mb,
			    const at::Tensor &weight, float label_smoothing, at::Tensor *ret_loss)
{
	switch (loss) {
	case TORCH_CROSS_ENTROPY:
		return cross_entropy(logits, mb, weight, label_smoothing, ret_loss);
	case TORCH_SQUARED_ERROR:
		return squared_error(logits, mb, weight, ret_loss);
	case TORCH_BINARY_CROSS_ENTROPY:
		break;
	}
	return binary_cross_entropy(logits, mb, weight, ret_loss);
}

at::Tensor head_backward(const Params &p, const HeadTape &t, const Micro &mb, float label_smoothing,
			 at::Tensor *ret_loss)
{
	auto weight = at::tensor(mb.weights).to(p.device).unsqueeze(1);
	auto d = loss_back(p.shape.loss, t.logits, mb, weight, label_smoothing, ret_loss);

	p.gradient(TORCH_CLASSIFIER).addmm_(d.t(), t.dropped);
	p.gradient(TORCH_CLASSIFIER_BIAS).add_(d.sum(0));
	d = at::mm(d, p.weight(TORCH_CLASSIFIER));
	if (t.masks.dense.defined())
		d.mul_(t.masks.dense);
	d = activate_back(p.shape.head, d, t);
	p.gradient(TORCH_HEAD_DENSE).addmm_(d.t(), t.x);
	p.gradient(TORCH_HEAD_DENSE_BIAS).add_(d.sum(0));
	d = at::mm(d, p.weight(TORCH_HEAD_DENSE));
	return t.masks.input.defined() ? d.mul_(t.masks.input) : d;
}

} // namespace trainyard
