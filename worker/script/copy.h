/* SPDX-License-Identifier: MIT */
/* Copies of directory trees. */
#pragma once

#include "base/err.h"

#define COPY_DEPTH_MAX 64

/* Copy everything below `from` into the directory `to`, which is created if missing. Regular files
 * (writable by their owner), directories and symbolic links are copied; other types are refused.
 * Not synced. Blocking. */
int copy_tree(int from_at, const char *from, int to_at, const char *to,
	      struct err *reterr) MUSTCHECK;
