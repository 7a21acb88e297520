/* SPDX-License-Identifier: MIT */
/* Preloaded into a worker: allocations of libtorch of NO_MEMORY_FROM bytes or more fail. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	const char *from = getenv("NO_MEMORY_FROM");
	void *p = from && size >= strtoull(from, NULL, 10) ? NULL : memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
