/* SPDX-License-Identifier: MIT */
/* The permutation of split.h. Users rely on this scheme, so it never changes. */
#include "worker/dataset/split.h"

#include "base/own.h"

#include <string.h>

#define TEST_FRACTION 5 /* one row of five */

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* Uniform in 0..n-1. */
static uint64_t below(uint64_t *state, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;

	do
		x = splitmix64(state);
	while (x >= limit);
	return x % n;
}

int split_rows(int64_t rows, int64_t first, int64_t second, uint64_t seed, uint8_t *part)
{
	OWN(freep) int64_t *order = calloc((size_t)rows + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (int64_t i = 0; i < rows; i++)
		order[i] = i;
	for (int64_t i = rows - 1; i > 0; i--) {
		int64_t j = (int64_t)below(&seed, (uint64_t)i + 1), taken = order[i];

		order[i] = order[j];
		order[j] = taken;
	}
	memset(part, SPLIT_NONE, (size_t)rows);
	for (int64_t i = 0; i < first; i++)
		part[order[i]] = SPLIT_TRAIN;
	for (int64_t i = first; i < first + second; i++)
		part[order[i]] = SPLIT_TEST;
	return 0;
}

void split_defaults(int64_t rows, int64_t *train_rows, int64_t *test_rows)
{
	if (*train_rows < 0 && *test_rows < 0)
		*test_rows = rows / TEST_FRACTION ? rows / TEST_FRACTION : 1;
	if (*train_rows < 0)
		*train_rows = rows - *test_rows;
	else if (*test_rows < 0)
		*test_rows = rows - *train_rows;
}
