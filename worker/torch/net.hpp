/* SPDX-License-Identifier: MIT */
/*
 * Inside the C door: parameters in flat buffers, the micro-batch, and the engine interface with
 * its two implementations (own CPU kernels; libtorch operators with autograd). C++ only because
 * libtorch is; everything here may throw, torch.cpp catches.
 */
#pragma once

#include "worker/torch/torch.h"

#include <ATen/core/Tensor.h>
#include <memory>
#include <vector>

namespace trainyard
{

struct ParamPlace {
	int64_t offset, size, rows, columns;
};

/* Flat fp32 buffers; views by kind and layer. Frozen parameters first, then decayed ones. The
 * gradients and the optimiser state have none of the frozen parameters. */
class Params
{
      public:
	Params(const torch_shape &shape, const torch_options &options, at::Device device);
	bool has(torch_param kind) const;
	const ParamPlace &place(torch_param kind, int layer) const;
	/* [rows, columns], or [columns] for a vector; a view of the flat buffer. `count` adjacent
	 * parameters (query, key, value) are seen as one. */
	at::Tensor view(const at::Tensor &flat, torch_param kind, int layer, int count = 1) const;
	/* The copy that matrix products read: bf16 or fp32. */
	at::Tensor compute(torch_param kind, int layer, int count = 1) const;
	at::Tensor weight(torch_param kind, int layer = 0) const;
	at::Tensor gradient(torch_param kind, int layer = 0, int count = 1) const;
	const at::Tensor &slot(torch_slot slot) const;
	bool is_frozen(torch_param kind, int layer = 0) const;
	/* A buffer from its first trained parameter on. */
	at::Tensor trained(const at::Tensor &flat) const;
	void refresh_compute(); /* after the weights changed */
	int64_t version = 0;	/* of the copy that products read */

	const torch_shape shape;
	const at::Device device;
	const bool bf16, train;
	const int frozen_parts;
	/* Ends in the buffer of the weights: of the frozen ones, of those with weight decay, of
	 * all. */
	int64_t frozen = 0, decayed = 0, total = 0;
	at::Tensor w, g, m, v, w16;

      private:
	void add(torch_param kind, int layer);
	void add_all(bool frozen, torch_param first, torch_param last);
	std::vector<ParamPlace> places;
};

/* Sequences that go through the network at once, tokens concatenated. */
struct Micro {
	std::vector<int32_t> ids, at;
	std::vector<int8_t> types;
	std::vector<uint32_t> tags;  /* names a token in its batch: row << 16 | position */
	std::vector<int32_t> starts; /* rows + 1 */
	std::vector<int64_t> labels; /* of a cross entropy */
	std::vector<float> targets;  /* of another loss: rows * labels */
	std::vector<float> weights;  /* of the rows' losses */
	std::vector<int> source;     /* row of the batch */
	int longest = 0;

	int rows() const
	{
		return (int)starts.size() - 1;
	}
	int tokens() const
	{
		return starts.back();
	}
};

class Engine
{
      public:
	virtual ~Engine() = default;
	/* [rows, labels] fp32 */
	virtual at::Tensor forward(const Micro &micro) = 0;
	/* Add the gradients of sum(weight * loss of the row); returns that sum, a scalar. */
	virtual at::Tensor backward(const Micro &micro, const torch_train_options &options) = 0;
};

std::unique_ptr<Engine> make_cpu_engine(Params &params, int threads);
std::unique_ptr<Engine> make_operator_engine(Params &params);
bool cpu_engine_fits(const torch_shape &shape);

/* The head on the first tokens x [rows, hidden], fp32 operators on any device. */
struct HeadMasks {
	at::Tensor input, dense; /* dropout of x and of the first layer; undefined: none */
};
struct HeadTape {
	at::Tensor x, linear, dense, dropped, logits;
	HeadMasks masks;
};
void head_forward(const Params &p, const at::Tensor &x, const HeadMasks &masks, HeadTape &t);
/* Adds the head's gradients, returns that of x; *ret_loss as Engine::backward says. */
at::Tensor head_backward(const Params &p, const HeadTape &t, const Micro &mb, float label_smoothing,
			 at::Tensor *ret_loss);

} // namespace trainyard
