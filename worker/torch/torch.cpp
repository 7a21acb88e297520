/* SPDX-License-Identifier: MIT */
/*
 * The C interface: catches every exception of libtorch, cuts a batch into micro-batches, and makes
 * the optimiser step.
 */
#include "worker/torch/kernels.h"
#include "worker/torch/net.hpp"
#include "worker/torch/parallel.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace trainyard;

static constexpr int64_t MICRO_TOKENS_CPU = 2048; /* activations stay in the last-level cache */
static constexpr int64_t MICRO_TOKENS_GPU = 65536;

struct torch_net {
	torch_net(const torch_shape &shape, const torch_options &o, at::Device device)
	    : params(shape, o, device), options(o), kernel(kernels_get())
	{
		if (options.micro_tokens <= 0)
			options.micro_tokens = o.cuda ? MICRO_TOKENS_GPU : MICRO_TOKENS_CPU;
		open_engine();
		auto f64 = at::TensorOptions().dtype(at::kDouble).device(device);

		loss = at::zeros({}, f64);
		norm = at::zeros({}, f64);
	}

	/* A new engine has no memory but the parameters'. */
	void open_engine()
	{
		engine.reset();
		if (options.backend == TORCH_AUTO && !options.cuda && cpu_engine_fits(params.shape))
			engine = make_cpu_engine(params, options.threads);
		else
			engine = make_operator_engine(params);
	}

	Params params;
	torch_options options;
	const struct kernels *kernel;
	std::unique_ptr<Engine> engine;
	bool stale = false;    /* the weights changed after the last refresh_compute() */
	at::Tensor loss, norm; /* sum of the steps' losses, norm of the last step */
	int64_t steps = 0;
};

static bool is_no_host_memory(const c10::Error &x)
{
	return strstr(x.what_without_backtrace(), "DefaultCPUAllocator: ") != nullptr;
}

template <typename Fn> static torch_code guard(torch_error *e, const Fn &fn) noexcept
{
	auto say = [&](const char *text, torch_code code) {
		if (e) {
			size_t n = std::min(strcspn(text, "\n"), sizeof(e->msg) - 1);

			memcpy(e->msg, text, n);
			e->msg[n] = '\0';
		}
		return code;
	};

	try {
		at::NoGradGuard no_grad;

		fn();
		return TORCH_OK;
	} catch (const c10::OutOfMemoryError &x) {
		return say(x.what_without_backtrace(), TORCH_DEVICE_OOM);
	} catch (const std::bad_alloc &) {
		return say("out of memory", TORCH_NO_MEMORY);
	} catch (const c10::AcceleratorError &x) {
		return say(x.what_without_backtrace(), TORCH_DEVICE_ERROR);
	} catch (const c10::Error &x) {
		return say(x.what_without_backtrace(),
			   is_no_host_memory(x) ? TORCH_NO_MEMORY : TORCH_ERROR);
	} catch (const std::exception &x) {
		return say(x.what(), TORCH_ERROR);
	} catch (...) {
		return say("an unknown C++ exception", TORCH_ERROR);
	}
}

bool torch_cuda_available(void) noexcept
{
	bool yes = false;

	guard(nullptr, [&] { yes = at::hasCUDA() && at::getNumGPUs() > 0; });
	return yes;
}

bool torch_cpu_bf16_fast(void) noexcept
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512bf16");
#else
	return false;
#endif
}

void torch_threads_release(void) noexcept
{
	omp_pause_resource_all(OMP_PAUSE_HARD);
}

torch_code torch_net_new(const torch_shape *shape, const torch_options *options, torch_net **ret,
			 torch_error *e) noexcept
{
	return guard(e, [&] {
		at::Device device = options->cuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);

		at::set_num_threads(options->threads);
		*ret = new torch_net(*shape, *options, device);
	});
}

void torch_net_free(torch_net *net) noexcept
{
	guard(nullptr, [&] { delete net; });
}

torch_code torch_net_put(torch_net *net, torch_slot slot, torch_param kind, int layer,
			 const float *data, torch_error *e) noexcept
{
	return guard(e, [&] {
		auto to = net->params.view(net->params.slot(slot), kind, layer);

		to.copy_(at::from_blob((void *)data, to.sizes(), at::kFloat));
		net->stale = true;
	});
}

torch_code torch_net_get(const torch_net *net, torch_slot slot, torch_param kind, int layer,
			 float *data, torch_error *e) noexcept
{
	return guard(e, [&] {
		auto from = net->params.view(net->params.slot(slot), kind, layer);

		at::from_blob(data, from.sizes(), at::kFloat).copy_(from);
	});
}

bool torch_net_trains(const torch_net *net, torch_param kind, int layer) noexcept
{
	return net->params.train && !net->params.is_frozen(kind, layer);
}

/* Append the position of each token of a row. */
static void put_positions(const torch_shape &s, const int32_t *ids, int n, std::vector<int32_t> &at)
{
	int32_t next = s.position_pad + 1;

	for (int t = 0; t < n; t++)
		at.push_back(s.position_pad >= 0 && ids[t] == s.position_pad ? s.position_pad
									     : next++);
}

/* Rows order[begin..end) of the batch. */
static Micro make_micro(const torch_shape &shape, const torch_batch &b,
			const std::vector<int> &order, size_t begin, size_t end)
{
	Micro mb;

	mb.starts.push_back(0);
	for (size_t i = begin; i < end; i++) {
		const int row = order[i], n = b.lengths[row];
		const int32_t *ids = b.ids + b.starts[row];

		mb.ids.insert(mb.ids.end(), ids, ids + n);
		if (b.types)
			mb.types.insert(mb.types.end(), b.types + b.starts[row],
					b.types + b.starts[row] + n);
		put_positions(shape, ids, n, mb.at);
		for (int t = 0; t < n; t++)
			mb.tags.push_back((uint32_t)row << 16 | (uint32_t)t);
		mb.starts.push_back((int32_t)mb.ids.size());
		mb.source.push_back(row);
		if (b.labels)
			mb.labels.push_back(b.labels[row]);
		if (b.targets)
			mb.targets.insert(mb.targets.end(), b.targets + row * shape.labels,
					  b.targets + (row + 1) * shape.labels);
		if (b.labels || b.targets)
			mb.weights.push_back(b.weights ? b.weights[row] : 1 / (float)b.rows);
		mb.longest = std::max(mb.longest, n);
	}
	return mb;
}

/* Cut the batch, longest rows first, into micro-batches within the limit of tokens, with at least
 * one row each. */
template <typename Fn>
static void for_micros(const torch_net &net, const torch_batch &b, const Fn &fn)
{
	const int64_t limit = net.options.micro_tokens;
	std::vector<int> order((size_t)b.rows);
	size_t begin = 0;

	std::iota(order.begin(), order.end(), 0);
	std::stable_sort(order.begin(), order.end(),
			 [&](int x, int y) { return b.lengths[x] > b.lengths[y]; });
	while (begin < order.size()) {
		int64_t tokens = b.lengths[order[begin]];
		size_t end = begin + 1;

		while (end < order.size() && tokens + b.lengths[order[end]] <= limit)
			tokens += b.lengths[order[end++]];
		fn(make_micro(net.params.shape, b, order, begin, end));
		begin = end;
	}
}

/* True if fn() could be done, false if memory ran out. */
template <typename Fn> static bool fits_memory(const Fn &fn)
{
	try {
		fn();
		return true;
	} catch (const c10::OutOfMemoryError &) {
	} catch (const std::bad_alloc &) {
	} catch (const c10::Error &x) {
		if (!is_no_host_memory(x))
			throw;
	}
	return false;
}

/* for_micros(); if memory runs out, undo() and again in micro-batches of half the tokens. The
 * longest row goes first: if it is alone and does not fit, the error is the caller's. */
template <typename Undo, typename Fn>
static void for_micros_that_fit(torch_net &net, const torch_batch &b, const Undo &undo,
				const Fn &fn)
{
	const int64_t longest = *std::max_element(b.lengths, b.lengths + b.rows);
	const int64_t tokens = std::accumulate(b.lengths, b.lengths + b.rows, (int64_t)0);
	auto run = [&] { for_micros(net, b, fn); };

	while (net.options.micro_tokens > longest && tokens > longest) {
		if (fits_memory(run))
			return;
		net.options.micro_tokens = std::min(net.options.micro_tokens, tokens) / 2;
		net.open_engine();
		undo();
	}
	run();
}

int64_t torch_net_micro_tokens(const torch_net *net) noexcept
{
	return net->options.micro_tokens;
}

static void refresh(torch_net &net)
{
	if (net.stale)
		net.params.refresh_compute();
	net.stale = false;
}

torch_code torch_net_forward(torch_net *net, const torch_batch *batch, float *logits,
			     torch_error *e) noexcept
{
	return guard(e, [&] {
		const int64_t labels = net->params.shape.labels;

		refresh(*net);
		auto answer = [&](const Micro &mb) {
			auto out = net->engine->forward(mb).to(at::kCPU).contiguous();

			for (int r = 0; r < mb.rows(); r++)
				memcpy(logits + mb.source[(size_t)r] * labels,
				       out.const_data_ptr<float>() + r * labels,
				       (size_t)labels * sizeof(float));
		};

		for_micros_that_fit(
			*net, *batch, [] {}, answer);
	});
}

static void compute_gradients(torch_net &net, const torch_batch &b, const torch_train_options &o)
{
	auto loss = at::zeros_like(net.loss);
	auto undo = [&] {
		net.params.g.zero_();
		loss.zero_();
	};

	refresh(net);
	for_micros_that_fit(net, b, undo,
			    [&](const Micro &mb) { loss.add_(net.engine->backward(mb, o)); });
	net.loss.add_(loss);
}

/* Fixed shares of the flat buffers, so that the same number of threads gives the same sums. */
static double cpu_norm(const torch_net &net)
{
	const float *g = net.params.g.data_ptr<float>();
	const int threads = net.options.threads;
	const int64_t n = net.params.g.numel();
	std::vector<double> sums((size_t)threads);
	double total = 0;

	parallel(threads, [&](int t) {
		size_t from = (size_t)(n * t / threads), to = (size_t)(n * (t + 1) / threads);

		sums[(size_t)t] = net.kernel->square_sum(g + from, to - from);
	});
	for (double s : sums)
		total += s;
	return std::sqrt(total);
}

static void cpu_update(torch_net &net, const torch_train_options &o)
{
	Params &p = net.params;
	const double norm = cpu_norm(net);
	const int threads = net.options.threads;
	const int64_t decayed = p.decayed - p.frozen;
	kern_adamw a = {};

	net.norm.fill_(norm);
	a.w = p.trained(p.w).data_ptr<float>();
	a.g = p.g.data_ptr<float>();
	a.m = p.m.data_ptr<float>();
	a.v = p.v.data_ptr<float>();
	a.w_bf16 = p.bf16 ? (uint16_t *)p.trained(p.w16).data_ptr() : nullptr;
	a.grad_scale = o.max_grad_norm > 0
			       ? (float)std::min(1.0, (double)o.max_grad_norm / (norm + 1e-6))
			       : 1;
	a.learning_rate = o.learning_rate;
	a.beta1 = o.beta1;
	a.beta2 = o.beta2;
	a.eps = o.eps;
	a.correction1 = (float)(1 - std::pow((double)o.beta1, (double)o.step));
	a.correction2_sqrt = (float)std::sqrt(1 - std::pow((double)o.beta2, (double)o.step));
	parallel(threads, [&](int t) {
		kern_adamw mine = a;

		mine.weight_decay = o.weight_decay;
		net.kernel->adamw(&mine, (size_t)(decayed * t / threads),
				  (size_t)(decayed * (t + 1) / threads));
	});
	net.kernel->adamw(&a, (size_t)decayed, (size_t)p.g.numel());
	p.version++;
}

static void operator_update(torch_net &net, const torch_train_options &o)
{
	Params &p = net.params;
	auto norm = p.g.norm();
	auto step = at::full({}, (double)o.step, p.g.options());
	const int64_t cut[] = {0, p.decayed - p.frozen, p.g.numel()};
	auto w = p.trained(p.w);

	net.norm.copy_(norm);
	if (o.max_grad_norm > 0)
		p.g.mul_(at::clamp_max(o.max_grad_norm / (norm + 1e-6), 1.0));
	for (int i = 0; i < 2; i++) {
		auto part = [&](const at::Tensor &t) {
			return std::vector<at::Tensor>{t.narrow(0, cut[i], cut[i + 1] - cut[i])};
		};

		at::_fused_adamw_(part(w), part(p.g), part(p.m), part(p.v), {}, {step.clone()},
				  o.learning_rate, o.beta1, o.beta2, i ? 0 : o.weight_decay, o.eps,
				  false, false);
	}
	p.g.zero_();
	p.refresh_compute();
}

torch_code torch_net_train(torch_net *net, const torch_batch *batch,
			   const torch_train_options *options, torch_error *e) noexcept
{
	return guard(e, [&] {
		compute_gradients(*net, *batch, *options);
		if (net->params.device.is_cpu() && net->options.backend != TORCH_OPERATORS)
			cpu_update(*net, *options);
		else
			operator_update(*net, *options);
		net->steps++;
	});
}

torch_code torch_net_gradients(torch_net *net, const torch_batch *batch,
			       const torch_train_options *options, double *ret_loss,
			       torch_error *e) noexcept
{
	return guard(e, [&] {
		net->params.g.zero_();
		net->loss.zero_();
		compute_gradients(*net, *batch, *options);
		*ret_loss = net->loss.item<double>();
		net->loss.zero_();
	});
}

torch_code torch_net_stats(torch_net *net, torch_train_stats *ret, torch_error *e) noexcept
{
	return guard(e, [&] {
		ret->steps = net->steps;
		ret->loss = net->steps ? net->loss.item<double>() / (double)net->steps : 0;
		ret->grad_norm = net->norm.item<double>();
		ret->finite = std::isfinite(ret->loss) && std::isfinite(ret->grad_norm);
		net->steps = 0;
		net->loss.zero_();
	});
}

torch_code torch_permutation(uint64_t seed, int64_t n, int64_t *ret, torch_error *e) noexcept
{
	return guard(e, [&] {
		auto order = at::randperm(n, at::detail::createCPUGenerator(seed),
					  at::TensorOptions().dtype(at::kLong));

		memcpy(ret, order.const_data_ptr<int64_t>(), (size_t)n * sizeof(int64_t));
	});
}

torch_code torch_normal(uint64_t seed, float deviation, size_t n, float *ret,
			torch_error *e) noexcept
{
	return guard(e, [&] {
		auto values = at::empty({(int64_t)n}, at::TensorOptions().dtype(at::kFloat));

		values.normal_(0, deviation, at::detail::createCPUGenerator(seed));
		memcpy(ret, values.const_data_ptr<float>(), n * sizeof(float));
	});
}

#ifdef __SANITIZE_THREAD__
/* OpenMP's library is built without the sanitizer, so the barriers at the ends of its loops are not
 * seen: neither those of torch nor those of the engine. The engine's threads are all OpenMP's, and
 * one thread at a time uses a network, so its reports say nothing. Without a long history a report
 * has one stack only, which may lie outside. Jobs get no TSAN_OPTIONS, so the program has both. */
extern "C" __attribute__((visibility("default"))) const char *__tsan_default_suppressions(void)
{
	return "race:worker/torch/\nrace:libtorch_cpu.so\n";
}

extern "C" __attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
	return "history_size=7";
}
#endif
