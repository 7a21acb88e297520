/* SPDX-License-Identifier: MIT */
/*
 * Building the double array, breadth first over the sorted keys. Invariants: cell 0 is the root;
 * children start at index 256, so a leaf's base of 0 leads to cells that have no parent; the array
 * always reaches 255 past every base, so that a walk needs no bounds check.
 */
#include "worker/tokenizer/trie.h"

#include "base/own.h"

#include <string.h>

#define FIRST_CHILD 256
#define ALPHABET    256
#define NO_PARENT   (-1)
#define IS_ROOT	    (-2)

struct range { /* keys[lo..hi) share their first `depth` bytes, which lead to `cell` */
	size_t lo, hi, depth;
	int32_t cell;
};

struct build {
	struct trie *t;
	const struct trie_key *keys;
	struct range *queue;
	size_t head, tail;
	size_t search_from; /* below this there is hardly any free cell */
};

static int key_compare(const void *a, const void *b)
{
	const struct trie_key *x = a, *y = b;
	int c = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);

	if (c)
		return c;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->value < y->value ? -1 : x->value > y->value;
}

static int grow(struct trie *t, size_t n)
{
	size_t want = t->n ? t->n : 4 * ALPHABET;
	struct trie_cell *cells;

	if (n <= t->n)
		return 0;
	while (want < n)
		want += want / 2;
	cells = realloc(t->cells, want * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	for (size_t i = t->n; i < want; i++)
		cells[i] = (struct trie_cell){.check = NO_PARENT, .value = -1};
	t->cells = cells;
	t->n = want;
	return 0;
}

/* The first base at which all n bytes have a free cell; ALPHABET cells beyond it exist. */
static int find_base(struct build *b, const unsigned char *bytes, size_t n, int32_t *ret)
{
	size_t at = b->search_from > FIRST_CHILD ? b->search_from : FIRST_CHILD;
	size_t start = at, taken = 0;

	for (;; at++) {
		size_t base = at - bytes[0], i;

		if (grow(b->t, base + 2 * ALPHABET) < 0)
			return -ENOMEM;
		if (b->t->cells[at].check != NO_PARENT) {
			taken++;
			continue;
		}
		for (i = 1; i < n && b->t->cells[base + bytes[i]].check == NO_PARENT; i++)
			;
		if (i == n)
			break;
	}
	if (taken * 20 >= (at - start + 1) * 19) /* 95 % full: do not look there again */
		b->search_from = at;
	*ret = (int32_t)(at - bytes[0]);
	return 0;
}

static size_t next_bytes(const struct build *b, const struct range *r, unsigned char *bytes)
{
	size_t n = 0;

	for (size_t i = r->lo; i < r->hi; i++) {
		unsigned char c = (unsigned char)b->keys[i].bytes[r->depth];

		if (!n || bytes[n - 1] != c)
			bytes[n++] = c;
	}
	return n;
}

static int expand(struct build *b, struct range r)
{
	unsigned char bytes[ALPHABET];
	int32_t base;
	size_t n, lo;

	for (; r.lo < r.hi && b->keys[r.lo].len == r.depth; r.lo++)
		b->t->cells[r.cell].value = b->keys[r.lo].value;
	if (r.lo == r.hi)
		return 0;
	n = next_bytes(b, &r, bytes);
	if (find_base(b, bytes, n, &base) < 0)
		return -ENOMEM;
	b->t->cells[r.cell].base = base;
	lo = r.lo;
	for (size_t i = 0; i < n; i++) {
		struct range child = {.lo = lo, .depth = r.depth + 1, .cell = base + bytes[i]};

		while (lo < r.hi && (unsigned char)b->keys[lo].bytes[r.depth] == bytes[i])
			lo++;
		child.hi = lo;
		b->t->cells[child.cell].check = r.cell;
		b->queue[b->tail++] = child;
	}
	return 0;
}

int trie_build(struct trie *t, struct trie_key *keys, size_t n)
{
	struct build b = {.t = t, .keys = keys};
	OWN(freep) struct range *queue = NULL;
	size_t nodes = 1;

	if (n)
		qsort(keys, n, sizeof(*keys), key_compare);
	for (size_t i = 0; i < n; i++)
		nodes += keys[i].len;
	b.queue = queue = calloc(nodes, sizeof(*queue));
	if (!queue || grow(t, 2 * ALPHABET) < 0)
		return -ENOMEM;
	t->cells[0].check = IS_ROOT;
	queue[b.tail++] = (struct range){.lo = 0, .hi = n};
	while (b.head < b.tail)
		if (expand(&b, queue[b.head++]) < 0)
			return -ENOMEM;
	return 0;
}

void trie_done(struct trie *t)
{
	free(t->cells);
	*t = (struct trie){0};
}
