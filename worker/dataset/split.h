/* SPDX-License-Identifier: MIT */
/*
 * Assigns rows to parts by a seeded permutation, the same on every machine. The permutation is a
 * Fisher-Yates shuffle of 0..n-1 from the end. Its numbers come from SplitMix64 started with the
 * seed, without modulo bias. Its first train_rows rows are the training set, the next test_rows the
 * test set. Within each set rows keep the order of the source.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

enum split_part {
	SPLIT_NONE,
	SPLIT_TRAIN,
	SPLIT_TEST
};

/* part[0..rows) gets an enum split_part. first + second <= rows. 0 or -ENOMEM. */
int split_rows(int64_t rows, int64_t first, int64_t second, uint64_t seed, uint8_t *part);
/* The number of rows of each part if the spec leaves one or both out (negative): 80 to 20 for both,
 * else what the other one leaves. */
void split_defaults(int64_t rows, int64_t *train_rows, int64_t *test_rows);
