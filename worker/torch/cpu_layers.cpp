/* SPDX-License-Identifier: MIT */
/* The CPU engine's encoder layers and the projection of narrow embeddings, forward and backward. */
#include "worker/torch/cpu_engine.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <atomic>
#include <cmath>

namespace trainyard
{

NormParams CpuEngine::norm1(int layer) const
{
	return {TORCH_ATTENTION_OUT_BIAS, TORCH_NORM1_WEIGHT,	     TORCH_NORM1_BIAS, layer,
		SITE_ATTENTION_OUT,	  p.shape.drop_attention_out};
}

NormParams CpuEngine::norm2(int layer) const
{
	return {TORCH_FFN_OUT_BIAS, TORCH_NORM2_WEIGHT, TORCH_NORM2_BIAS, layer,
		SITE_OUTPUT,	    p.shape.drop_output};
}

static void *at_element(const at::Tensor &t, int64_t element)
{
	return t.defined() ? (char *)t.data_ptr() + element * t.element_size() : nullptr;
}

/* Attention of all sequences and heads; each free thread takes the next one. In the last layer the
 * queries have an array of their own (t.query). Otherwise query, key and value are columns of
 * t.qkv. */
void CpuEngine::attend(const Micro &mb, int layer, LayerTape &t, at::Tensor context, bool back,
		       const at::Tensor &dc, at::Tensor dq, at::Tensor dkv)
{
	const bool last = is_last(layer);
	const int64_t h = p.shape.hidden, size = h / p.shape.heads;
	const int64_t kv_width = last ? 2 * h : 3 * h, k_at = last ? 0 : h, v_at = k_at + h;
	const auto query = last ? t.query : t.qkv;
	const int64_t q_width = last ? h : 3 * h;
	const auto drop = dropout_site(p.shape.drop_attention, layer, SITE_ATTENTION);
	const float *bias[] = {p.weight(TORCH_QUERY_BIAS, layer).data_ptr<float>(),
			       p.weight(TORCH_KEY_BIAS, layer).data_ptr<float>(),
			       p.weight(TORCH_VALUE_BIAS, layer).data_ptr<float>()};
	const auto room_size =
		(int64_t)(kern_attention_scratch(mb.longest, (int)size, back) + 15) / 16 * 16;
	float *rooms = workspace(scratch, threads, room_size, at::kFloat).data_ptr<float>();
	const int tasks = mb.rows() * p.shape.heads;
	std::atomic<int> next{0};

	auto one = [&](int task, float *mine) {
		const int row = task / p.shape.heads, head = task % p.shape.heads;
		const int64_t kv_row = mb.starts[row], q_row = last ? row : kv_row;
		const int64_t column = head * size;
		kern_attention a = {};

		a.n_k = mb.starts[row + 1] - mb.starts[row];
		a.n_q = last ? 1 : a.n_k;
		a.size = (int)size;
		a.bf16 = p.bf16;
		a.q = at_element(query, q_row * q_width + column);
		a.k = at_element(t.qkv, kv_row * kv_width + k_at + column);
		a.v = at_element(t.qkv, kv_row * kv_width + v_at + column);
		a.q_stride = q_width;
		a.kv_stride = kv_width;
		a.q_bias = bias[0] + column;
		a.k_bias = bias[1] + column;
		a.v_bias = bias[2] + column;
		a.scale = (float)(1 / std::sqrt((double)size));
		a.drop = drop;
		a.tags = mb.tags.data() + kv_row;
		a.head = (uint32_t)head;
		a.relative = relative_at(relative, head);
		a.d_relative = back ? relative_at(d_relative, head) : nullptr;
		a.out = at_element(context, q_row * h + column);
		a.out_stride = h;
		a.lse = saves(layer) || back
				? t.lse.data_ptr<float>() + q_row * p.shape.heads + head
				: nullptr;
		a.lse_stride = p.shape.heads;
		a.d_out = at_element(dc, q_row * h + column);
		a.dq = at_element(dq, q_row * q_width + column);
		a.dq_stride = q_width;
		a.dk = at_element(dkv, kv_row * kv_width + k_at + column);
		a.dv = at_element(dkv, kv_row * kv_width + v_at + column);
		a.dkv_stride = kv_width;
		a.scratch = mine;
		(back ? k->attention_back : k->attention)(&a);
	};

	/* One thread adds to a head's gradient by distance, so that the sums are always the same.
	 */
	auto of_heads = [&](int thread) {
		for (int head = thread; head < p.shape.heads; head += threads)
			for (int row = 0; row < mb.rows(); row++)
				one(row * p.shape.heads + head, rooms + thread * room_size);
	};

	if (back && d_relative.defined())
		return parallel(threads, of_heads);
	parallel(threads, [&](int thread) {
		for (int task = next++; task < tasks; task = next++)
			one(task, rooms + thread * room_size);
	});
}

/* Query, key and value of x, then attention into context. */
void CpuEngine::project(const Micro &mb, int layer, LayerTape &t, at::Tensor context)
{
	const int64_t h = p.shape.hidden, rows = layer_rows(mb, layer);
	at::Tensor qkv, query;

	if (is_last(layer)) {
		t.first = at::index_select(t.x, 0, first_index);
		query = workspace(t.query, rows, h, type);
		linear(query, t.first, TORCH_QUERY, layer);
		qkv = workspace(t.qkv, mb.tokens(), 2 * h, type);
		linear(qkv, t.x, TORCH_KEY, layer, 2);
	} else {
		qkv = workspace(t.qkv, mb.tokens(), 3 * h, type);
		linear(qkv, t.x, TORCH_QUERY, layer, 3);
	}
	if (saves(layer))
		workspace(t.lse, rows, p.shape.heads, at::kFloat);
	attend(mb, layer, t, context, false, {}, {}, {});
}

at::Tensor CpuEngine::layer(const Micro &mb, int layer, const at::Tensor &x)
{
	LayerTape &t = tape(layer);
	const int64_t h = p.shape.hidden, wide_h = p.shape.intermediate;
	const int64_t rows = layer_rows(mb, layer);
	const uint32_t *tags = layer_tags(mb, layer);
	auto keep = [&](at::Tensor &store, int64_t columns, at::ScalarType dtype) {
		return saves(layer) ? workspace(store, rows, columns, dtype) : at::Tensor();
	};

	t.x = x;
	auto context = workspace(t.context, rows, h, type), o = workspace(output, rows, h, type);
	auto y1 = workspace(t.y1, rows, h, type), y2 = workspace(t.y2, rows, h, type);
	auto u = workspace(t.u, rows, wide_h, type), a = workspace(t.a, rows, wide_h, type);

	project(mb, layer, t, context);
	linear(o, context, TORCH_ATTENTION_OUT, layer);
	norm(o, is_last(layer) ? t.first : x, tags, norm1(layer), keep(t.z1, h, type),
	     keep(t.stats1, 2, at::kFloat), y1);
	linear(u, y1, TORCH_FFN_IN, layer);
	activation(layer, u, a, false);
	linear(o, a, TORCH_FFN_OUT, layer);
	norm(o, y1, tags, norm2(layer), keep(t.z2, h, type), keep(t.stats2, 2, at::kFloat), y2);
	return y2;
}

at::Tensor CpuEngine::embed_project(const at::Tensor &x)
{
	auto y = workspace(projected, x.size(0), p.shape.hidden, type);

	at::addmm_out(y, p.compute(TORCH_PROJECTION_BIAS, 0), x,
		      p.compute(TORCH_PROJECTION, 0).t());
	return y;
}

/* dy1 + dy2 of the projected embeddings in, dy1 of the embeddings out. */
void CpuEngine::embed_project_back(at::Tensor &dy1, at::Tensor &dy2)
{
	auto d = dy2.defined() ? dy1 + dy2 : dy1;
	auto x = workspace(embed_store, d.size(0), p.shape.embedding, type);
	auto dx = workspace(d_projected, d.size(0), p.shape.embedding, type);

	bias_gradient(d, 0, p.shape.hidden, p.gradient(TORCH_PROJECTION_BIAS));
	weight_gradient(d, x, p.gradient(TORCH_PROJECTION));
	at::mm_out(dx, d, p.compute(TORCH_PROJECTION, 0));
	dy1 = dx;
	dy2 = at::Tensor();
}

at::Tensor CpuEngine::encode(const Micro &mb)
{
	const int64_t e = p.shape.embedding;
	auto x = workspace(embed_store, mb.tokens(), e, type);

	const bool keep = saving && !p.is_frozen(TORCH_WORD);

	embed_z = keep ? workspace(embed_z_store, mb.tokens(), e, type) : at::Tensor();
	embed_stats =
		keep ? workspace(embed_stats_store, mb.tokens(), 2, at::kFloat) : at::Tensor();
	first_index = at::empty({mb.rows()}, at::kLong);
	first_tags.clear();
	for (int r = 0; r < mb.rows(); r++) {
		first_index.data_ptr<int64_t>()[r] = mb.starts[r];
		first_tags.push_back(mb.tags[mb.starts[r]]);
	}
	pack_weights();
	embed(mb, embed_z, embed_stats, x);
	if (p.has(TORCH_RELATIVE))
		relative_expand(mb.longest);
	if (p.has(TORCH_PROJECTION))
		x = embed_project(x);
	for (int i = 0; i < p.shape.layers; i++)
		x = layer(mb, i, x);
	return x.to(at::kFloat);
}

/* dy1 + dy2 of y2 in; out: dy1 + dy2 of y1, whose second part is the residual's. */
void CpuEngine::ffn_back(const Micro &mb, int layer, at::Tensor &dy1, at::Tensor &dy2)
{
	LayerTape &t = tape(layer);
	const int64_t h = p.shape.hidden, wide_h = p.shape.intermediate;
	const int64_t rows = layer_rows(mb, layer);
	auto dz = workspace(dz2, rows, h, type), d_f = workspace(d_out, rows, h, type);
	auto da = workspace(wide, rows, wide_h, type), dy = workspace(output, rows, h, type);
	auto a = workspace(t.a, rows, wide_h, type), u = workspace(t.u, rows, wide_h, type);

	norm_back(dy1, dy2, layer_tags(mb, layer), norm2(layer), workspace(t.z2, rows, h, type),
		  t.stats2, dz, d_f);
	weight_gradient(d_f, a, p.gradient(TORCH_FFN_OUT, layer));
	linear_back(da, d_f, TORCH_FFN_OUT, layer);
	activation(layer, u, da, true);
	weight_gradient(da, workspace(t.y1, rows, h, type), p.gradient(TORCH_FFN_IN, layer));
	linear_back(dy, da, TORCH_FFN_IN, layer);
	dy1 = dy;
	dy2 = dz;
}

/* From the gradient of the context to that of the layer's input; dy2 is the residual's. */
void CpuEngine::projection_back(const Micro &mb, int layer, const at::Tensor &dc, at::Tensor &dy1,
				at::Tensor &dy2)
{
	LayerTape &t = tape(layer);
	const int64_t h = p.shape.hidden, tokens = mb.tokens();
	auto dx = workspace(output, tokens, h, type);

	if (!is_last(layer)) {
		auto dqkv = workspace(d_qkv, tokens, 3 * h, type);

		attend(mb, layer, t, {}, true, dc, dqkv, dqkv);
		bias_gradient(dqkv, 0, 3 * h, p.gradient(TORCH_QUERY_BIAS, layer, 3));
		weight_gradient(dqkv, t.x, p.gradient(TORCH_QUERY, layer, 3));
		if (passes_on(layer))
			linear_back(dx, dqkv, TORCH_QUERY, layer, 3);
		dy1 = dx;
		return;
	}
	auto dq = workspace(d_query, mb.rows(), h, type),
	     dkv = workspace(d_qkv, tokens, 2 * h, type),
	     d_first = workspace(d_first_store, mb.rows(), h, type);

	attend(mb, layer, t, {}, true, dc, dq, dkv);
	bias_gradient(dq, 0, h, p.gradient(TORCH_QUERY_BIAS, layer));
	bias_gradient(dkv, 0, 2 * h, p.gradient(TORCH_KEY_BIAS, layer, 2));
	weight_gradient(dq, t.first, p.gradient(TORCH_QUERY, layer));
	weight_gradient(dkv, t.x, p.gradient(TORCH_KEY, layer, 2));
	if (!passes_on(layer))
		return;
	linear_back(dx, dkv, TORCH_KEY, layer, 2);
	linear_back(d_first, dq, TORCH_QUERY, layer);
	dx.index_add_(0, first_index, d_first);
	dx.index_add_(0, first_index, dy2);
	dy1 = dx;
	dy2 = at::Tensor();
}

void CpuEngine::layer_back(const Micro &mb, int layer, at::Tensor &dy1, at::Tensor &dy2)
{
	LayerTape &t = tape(layer);
	const int64_t h = p.shape.hidden, rows = layer_rows(mb, layer);

	ffn_back(mb, layer, dy1, dy2);
	auto dz = workspace(dz1, rows, h, type), d_o = workspace(d_out, rows, h, type);
	auto dc = workspace(d_context, rows, h, type);

	norm_back(dy1, dy2, layer_tags(mb, layer), norm1(layer), workspace(t.z1, rows, h, type),
		  t.stats1, dz, d_o);
	weight_gradient(d_o, workspace(t.context, rows, h, type),
			p.gradient(TORCH_ATTENTION_OUT, layer));
	linear_back(dc, d_o, TORCH_ATTENTION_OUT, layer);
	dy2 = dz;
	projection_back(mb, layer, dc, dy1, dy2);
}

} // namespace trainyard
