/* SPDX-License-Identifier: MIT */
/* Compares a file's first bytes with the first line of a pointer. */
#include "base/lfs.h"

#include <string.h>

bool lfs_is_pointer(const void *bytes, size_t len)
{
	size_t n = sizeof(LFS_POINTER_MARK) - 1;

	return len >= n && memcmp(bytes, LFS_POINTER_MARK, n) == 0;
}
