/* SPDX-License-Identifier: MIT */
/*
 * A vocabulary as a double-array trie over bytes: one probe per byte, longest match in one walk.
 * Inside worker/tokenizer only. Built once, then read by any number of threads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct trie_key {
	const char *bytes;
	size_t len;
	int32_t value; /* >= 0 */
};

struct trie_cell {
	int32_t base;  /* child for byte b is at base + b; 0: a leaf */
	int32_t check; /* the parent's index; negative: no cell */
	int32_t value; /* of the key that ends here, or -1 */
};

struct trie {
	struct trie_cell *cells;
	size_t n; /* every base + 255 is below n */
};

/* Sorts keys[0..n). Of equal keys the one with the largest value wins. 0 or -ENOMEM. */
int trie_build(struct trie *t, struct trie_key *keys, size_t n);
void trie_done(struct trie *t);

/* Longest key that s[0..len) starts with: its length (0: none, the empty key is never found) and
 * its value in *ret. */
static inline size_t trie_longest(const struct trie *t, const unsigned char *s, size_t len,
				  int32_t *ret)
{
	const struct trie_cell *cells = t->cells;
	int32_t at = 0;
	size_t best = 0;

	for (size_t i = 0; i < len; i++) {
		int32_t next = cells[at].base + s[i];

		if (cells[next].check != at)
			break;
		at = next;
		if (cells[at].value >= 0) {
			best = i + 1;
			*ret = cells[at].value;
		}
	}
	return best;
}
