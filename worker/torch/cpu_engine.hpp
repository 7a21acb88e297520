/* SPDX-License-Identifier: MIT */
/* The CPU engine's state: kernels, tapes of the layers, scratch that is kept between steps. */
#pragma once

#include "worker/torch/kernels.h"
#include "worker/torch/net.hpp"
#include "worker/torch/parallel.hpp"

namespace trainyard
{

/* What a layer keeps for its backward pass, as growing storage. */
struct LayerTape {
	at::Tensor x; /* its input, a view */
	at::Tensor first, qkv, query, lse, context, z1, stats1, y1, u, a, z2, stats2, y2;
};

/* A weight to be packed, and how. */
struct PackJob {
	kern_pack args;
	void (*pack)(const kern_pack *, int, int);
	int panels;
};

struct NormParams {
	torch_param o_bias, weight, bias;
	int layer, site;
	float drop;
};

class CpuEngine : public Engine
{
      public:
	CpuEngine(Params &params, int threads);
	at::Tensor forward(const Micro &mb) override;
	at::Tensor backward(const Micro &mb, const torch_train_options &options) override;

      private:
	/* Dropout sites of a layer. */
	enum {
		SITE_EMBEDDING = 0,
		SITE_ATTENTION,
		SITE_ATTENTION_OUT,
		SITE_OUTPUT,
		/* after the last layer */
		SITE_HEAD = 0,
		SITE_HEAD_INPUT
	};

	/* cpu_passes.cpp, which needs the layers */
	at::Tensor head_mask(const Micro &mb, float drop, int site) const;

	/* cpu_engine.cpp: the operations */
	at::Tensor workspace(at::Tensor &store, int64_t rows, int64_t columns, at::ScalarType t);
	/* Call fn(thread, begin, end) on fixed shares of the rows, so that the same number of
	 * threads gives the same sums. */
	template <typename Fn> void parallel_rows(int64_t rows, const Fn &fn) const
	{
		parallel(threads, [&](int t) {
			fn(t, (int)(rows * t / threads), (int)(rows * (t + 1) / threads));
		});
	}
	float *partial_sums(int64_t n, int64_t width);
	void add_sums(int64_t n, int64_t width, int which, at::Tensor to);
	kern_drop dropout_site(float drop, int layer, int which) const;
	NormParams norm1(int layer) const;
	NormParams norm2(int layer) const;

	void norm(const at::Tensor &o, const at::Tensor &x, const uint32_t *tags,
		  const NormParams &np, at::Tensor z, at::Tensor stats, at::Tensor y);
	void norm_back(const at::Tensor &dy1, const at::Tensor &dy2, const uint32_t *tags,
		       const NormParams &np, const at::Tensor &z, const at::Tensor &stats,
		       at::Tensor dz, at::Tensor d_o);
	void activation(int layer, const at::Tensor &u, at::Tensor a, bool back);
	void bias_gradient(const at::Tensor &d, int64_t column, int64_t width, at::Tensor to);
	void embed(const Micro &mb, at::Tensor z, at::Tensor stats, at::Tensor y);
	void embed_back(const Micro &mb, const at::Tensor &dy1, const at::Tensor &dy2);
	void scatter_embeddings(const Micro &mb, const at::Tensor &dz);
	void relative_expand(int longest);
	void relative_back();
	/* The row of a head at distance 0. */
	float *relative_at(const at::Tensor &table, int head) const
	{
		return table.defined() ? table.data_ptr<float>() + ((2 * head + 1) * relative_reach)
				       : nullptr;
	}
	/* cpu_products.cpp: the matrix products. `count` adjacent weights are seen as one. */
	bool packs() const; /* True if products are our own */
	void pack_weight(std::vector<PackJob> &jobs, torch_param kind, int layer, int count);
	void pack_weights(); /* if they have changed */
	void product(const kern_product &a, int64_t rows, int64_t columns);
	void linear(at::Tensor out, const at::Tensor &x, torch_param kind, int layer,
		    int count = 1);
	void linear_back(at::Tensor dx, const at::Tensor &d, torch_param kind, int layer,
			 int count = 1);
	void gradient_product(const at::Tensor &d, const at::Tensor &x, at::Tensor gradient);
	void weight_gradient(const at::Tensor &d, const at::Tensor &x, at::Tensor gradient);
	/* cpu_layers.cpp, which needs the operations */
	at::Tensor embed_project(const at::Tensor &x);
	void embed_project_back(at::Tensor &dy1, at::Tensor &dy2);
	at::Tensor encode(const Micro &mb); /* the first tokens' output, fp32 */
	at::Tensor layer(const Micro &mb, int layer, const at::Tensor &x);
	void project(const Micro &mb, int layer, LayerTape &t, at::Tensor context);
	void attend(const Micro &mb, int layer, LayerTape &t, at::Tensor context, bool back,
		    const at::Tensor &d_context, at::Tensor dq, at::Tensor dkv);
	void layer_back(const Micro &mb, int layer, at::Tensor &dy1, at::Tensor &dy2);
	void ffn_back(const Micro &mb, int layer, at::Tensor &dy1, at::Tensor &dy2);
	void projection_back(const Micro &mb, int layer, const at::Tensor &d_context,
			     at::Tensor &dy1, at::Tensor &dy2);
	bool is_last(int layer) const
	{
		return layer == p.shape.layers - 1;
	}
	/* True if the backward pass comes to this layer. */
	bool is_trained(int layer) const
	{
		return p.train && !p.is_frozen(TORCH_QUERY, layer);
	}
	/* True if the layer keeps what its backward pass needs. */
	bool saves(int layer) const
	{
		return saving && is_trained(layer);
	}
	/* True if the backward pass goes on below this layer. */
	bool passes_on(int layer) const
	{
		return layer > 0 ? is_trained(layer - 1) : !p.is_frozen(TORCH_WORD);
	}
	/* Layers without a backward pass share one. */
	LayerTape &tape(int layer)
	{
		return tapes[is_trained(layer) ? (size_t)layer + 1 : 0];
	}
	const uint32_t *layer_tags(const Micro &mb, int layer) const
	{
		return is_last(layer) ? first_tags.data() : mb.tags.data();
	}
	int64_t layer_rows(const Micro &mb, int layer) const
	{
		return is_last(layer) ? mb.rows() : mb.tokens();
	}

	Params &p;
	const kernels *k;
	const int threads;
	const at::ScalarType type;
	const torch_train_options *options = nullptr; /* of the step being done */
	bool saving = false;			      /* in the forward part of a backward() */
	std::vector<LayerTape> tapes;
	at::Tensor packed, packed_back; /* weights in panels, at the places of Params::w */
	int64_t packed_version = -1;
	at::Tensor packed_d, packed_x; /* operands of a weight gradient, in panels */
	std::vector<uint32_t> first_tags;
	at::Tensor first_index;
	at::Tensor sums, wgrad, scratch, wide, output, dz1, dz2, d_out, d_context, d_qkv, d_query,
		d_first_store;
	at::Tensor embed_store, embed_z_store, embed_stats_store, embed_z, embed_stats, embed_dz;
	at::Tensor projected, d_projected; /* embeddings narrower than the layers */
	/* Of each head, what a score gets by distance, and the gradient, in a backward pass. */
	at::Tensor relative_store, d_relative_store, relative, d_relative;
	int64_t relative_reach = 0; /* on both sides of distance 0 */
};

} // namespace trainyard
