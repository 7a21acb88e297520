/* SPDX-License-Identifier: MIT */
/*
 * The classification head: dense, tanh or ReLU, dropout, classifier, cross entropy. Only the first
 * token of each row comes here, so fp32 operators are fast enough on every device.
 */
#include "worker/torch/net.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>

namespace trainyard
{

void head_forward(const Params &p, const at::Tensor &x, const at::Tensor &mask, HeadTape &t)
{
	t.x = x;
	t.mask = mask;
	t.dense = at::addmm(p.weight(TORCH_HEAD_DENSE_BIAS), x, p.weight(TORCH_HEAD_DENSE).t());
	t.dense = p.shape.head == TORCH_HEAD_TANH ? at::tanh(t.dense) : at::relu(t.dense);
	t.dropped = mask.defined() ? t.dense * mask : t.dense;
	t.logits = at::addmm(p.weight(TORCH_CLASSIFIER_BIAS), t.dropped,
			     p.weight(TORCH_CLASSIFIER).t());
}

at::Tensor head_backward(const Params &p, const HeadTape &t, const at::Tensor &labels,
			 float label_smoothing, int batch_rows, at::Tensor *ret_loss)
{
	auto logp = at::_log_softmax(t.logits, 1, false);
	auto at_label = labels.unsqueeze(1);
	auto target = at::full_like(logp, label_smoothing / (float)p.shape.labels);

	target.scatter_add_(1, at_label, at::full_like(logp, 1 - label_smoothing));
	*ret_loss = at::mul(logp, target).sum().neg().div(batch_rows);

	auto d = logp.exp().sub_(target).div_(batch_rows);

	p.gradient(TORCH_CLASSIFIER).addmm_(d.t(), t.dropped);
	p.gradient(TORCH_CLASSIFIER_BIAS).add_(d.sum(0));
	d = at::mm(d, p.weight(TORCH_CLASSIFIER));
	if (t.mask.defined())
		d.mul_(t.mask);
	if (p.shape.head == TORCH_HEAD_TANH)
		d.mul_(1 - t.dense * t.dense);
	else
		d.mul_(t.dense.gt(0));
	p.gradient(TORCH_HEAD_DENSE).addmm_(d.t(), t.x);
	p.gradient(TORCH_HEAD_DENSE_BIAS).add_(d.sum(0));
	return at::mm(d, p.weight(TORCH_HEAD_DENSE));
}

} // namespace trainyard
