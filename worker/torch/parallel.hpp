/* SPDX-License-Identifier: MIT */
/*
 * fn(0) .. fn(n - 1) on libtorch's own OpenMP threads, each index exactly once. Calls libgomp
 * directly, so that every compiler gets the pool that the matrix products use.
 */
#pragma once

extern "C" {
void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void) noexcept;
int omp_get_num_threads(void) noexcept;
int omp_pause_resource_all(int kind) noexcept;
}

namespace trainyard
{

static constexpr int OMP_PAUSE_HARD = 2; /* as OpenMP numbers it */

template <typename Fn> void parallel(int n, const Fn &fn)
{
	struct Call {
		const Fn *fn;
		int n;
	} call{&fn, n};

	if (n == 1) {
		fn(0);
		return;
	}
	GOMP_parallel(
		[](void *data) {
			const Call *c = (const Call *)data;

			for (int i = omp_get_thread_num(); i < c->n; i += omp_get_num_threads())
				(*c->fn)(i);
		},
		&call, (unsigned)n, 0);
}

} // namespace trainyard
