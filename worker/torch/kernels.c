/* SPDX-License-Identifier: MIT */
/* Chooses a kernel variant for this processor, and defines what all variants share. */
#include "worker/torch/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

extern const struct kernels kern_table_base;
#if defined(__x86_64__)
extern const struct kernels kern_table_avx2, kern_table_avx512, kern_table_amx;

#define ARCH_REQ_XCOMP_PERM 0x1023 /* Linux, Documentation/arch/x86/xstate.rst */
#define XFEATURE_XTILEDATA  18

/* CPUID leaf 7: AMX-BF16 and AMX-TILE. Linux gives the tiles' state to a process that asks. */
static bool tiles_can_be_used(void)
{
	const unsigned wanted = 1u << 22 | 1u << 24;
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & wanted) == wanted &&
	       syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

int kernels_all(const struct kernels *ret[4])
{
	int n = 0;

#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
		if (tiles_can_be_used())
			ret[n++] = &kern_table_amx;
		ret[n++] = &kern_table_avx512;
	}
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		ret[n++] = &kern_table_avx2;
#endif
	ret[n++] = &kern_table_base;
	return n;
}

const struct kernels *kernels_get(void)
{
	const struct kernels *all[4];

	kernels_all(all);
	return all[0];
}

static size_t padded(int n)
{
	return ((size_t)n + 15) / 16 * 16;
}

int kern_tile_depth(int k)
{
	return (k + 31) / 32 * 32;
}

size_t kern_attention_scratch(int n_k, int size, bool backward)
{
	size_t width = padded(size), keys = (size_t)kern_tile_depth(n_k), block = 48;

	if (!backward)
		return 2 * keys * width + width * keys + 2 * block * width + block * keys + 64;
	return 4 * keys * width + 2 * width * keys + 3 * block * width + 2 * block * keys + 64;
}

struct kern_drop kern_drop_site(float p, uint64_t seed, uint64_t step, int site)
{
	uint64_t key = (seed * 0x9e3779b97f4a7c15u) ^ (step * 0xd1b54a32d192ed03u);

	key = (key ^ (key >> 29)) * 0xbf58476d1ce4e5b9u + (uint64_t)site * 0x8cb92ba72f3d8dd7u;
	if (!(p > 0))
		return (struct kern_drop){key, 0, 1};
	return (struct kern_drop){key, (uint32_t)((double)p * 4294967296.0), 1 / (1 - p)};
}

float kern_drop_value(const struct kern_drop *d, uint32_t tag, uint32_t column)
{
	uint64_t k = d->key + tag;
	uint32_t x;

	k ^= k >> 30;
	k *= 0xbf58476d1ce4e5b9u;
	k ^= k >> 27;
	k *= 0x94d049bb133111ebu;
	x = column * 0x9e3779b1u + (uint32_t)((k ^ (k >> 31)) >> 16);
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	x ^= x >> 16;
	return x >= d->threshold ? d->scale : 0;
}
