/* SPDX-License-Identifier: MIT */
/* Finds gaps among the numbered files of a split: NAME-00001-of-00003, as `datasets` and the hub
 * name them. */
#pragma once

#include "base/buf.h"
#include "worker/dataset/split_names.h"

#include <stdbool.h>

/* True if a file of `g` has a number, and `paths` lack the number before or after it. The n paths
 * are sorted. `missing` gets the missing file's path, without what follows the total. */
bool shards_gap(const struct split_groups *g, const char *const *paths, size_t n,
		struct buf *missing);
