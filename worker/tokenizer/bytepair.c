/* SPDX-License-Identifier: MIT */
/*
 * Byte-level BPE: the pattern cuts a text into words, and each word is merged pair by pair in the
 * order of the ranks. Candidates wait in a heap over a linked list, so a word of n bytes takes
 * O(n log n). The scratch remembers short words: most of a text is one look-up for each word.
 */
#include "base/own.h"
#include "worker/tokenizer/internal.h"
#include "worker/tokenizer/unicode.h"

#include <string.h>

#define CACHE_SLOTS   16384 /* a power of two */
#define CACHED_BYTES  30
#define CACHED_PIECES 8
#define KEPT_BYTES    65536 /* room for a longer word is freed again */
#define NONE	      (-1)
#define HASH_FACTOR   UINT64_C(0x9E3779B97F4A7C15)
#define CHUNK	      sizeof(uint64_t)
/* Pairs in the heap for each byte at most: one at first, and a merge takes one and adds two. */
#define HEAP_PER_BYTE 2

struct cached_word {
	uint8_t len, n; /* len 0: an empty slot */
	unsigned char bytes[CACHED_BYTES];
	int32_t ids[CACHED_PIECES];
};

struct symbol {
	int32_t prev, next;
	int32_t id; /* NONE: it was merged into the one before */
};

struct candidate {
	int32_t at, rank, id;
};

struct bytepair_scratch {
	uint64_t serial; /* of the tokenizer whose words are in the cache */
	struct symbol *symbols;
	struct candidate *heap;
	size_t cap, heap_n;
	unsigned char *text; /* with a space before it */
	size_t text_cap;
	struct cached_word cache[CACHE_SLOTS];
};

static void free_room(struct bytepair_scratch *b)
{
	free(b->symbols);
	free(b->heap);
	b->symbols = NULL;
	b->heap = NULL;
	b->cap = 0;
}

void bytepair_scratch_free(struct bytepair_scratch *b)
{
	if (!b)
		return;
	free_room(b);
	free(b->text);
	free(b);
}

static struct bytepair_scratch *prepare(const struct tokenizer *t, struct tokenizer_scratch *s)
{
	if (!s->bytepair)
		s->bytepair = calloc(1, sizeof(*s->bytepair));
	if (s->bytepair && s->bytepair->serial != t->serial) {
		memset(s->bytepair->cache, 0, sizeof(s->bytepair->cache));
		s->bytepair->serial = t->serial;
	}
	return s->bytepair;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * HASH_FACTOR;
	return h ^ h >> 32;
}

static uint64_t hash_word(const unsigned char *word, size_t len)
{
	uint64_t h = len, chunk;

	for (; len >= CHUNK; word += CHUNK, len -= CHUNK) {
		memcpy(&chunk, word, CHUNK);
		h = mix(h, chunk);
	}
	chunk = 0;
	memcpy(&chunk, word, len);
	return mix(h, chunk);
}

/* The slot of a pair, or the empty one where it belongs. */
static struct merge *merge_slot(const struct merges *m, int32_t left, int32_t right)
{
	const uint64_t pair = MERGE_PAIR(left, right);
	size_t i = (size_t)mix(0, pair) & m->mask;

	while (m->slots[i].id >= 0 && m->slots[i].pair != pair)
		i = (i + 1) & m->mask;
	return &m->slots[i];
}

int merges_new(struct merges *m, size_t n)
{
	size_t slots = 16;

	while (slots < 2 * n)
		slots *= 2;
	m->slots = malloc(slots * sizeof(*m->slots));
	if (!m->slots)
		return -ENOMEM;
	for (size_t i = 0; i < slots; i++)
		m->slots[i] = (struct merge){.id = NONE};
	m->mask = slots - 1;
	return 0;
}

void merges_put(struct merges *m, int32_t left, int32_t right, int32_t rank, int32_t id)
{
	*merge_slot(m, left, right) = (struct merge){MERGE_PAIR(left, right), rank, id};
}

static int reserve(struct bytepair_scratch *b, size_t len)
{
	if (len <= b->cap)
		return 0;
	if (len > INT32_MAX)
		return -ENOMEM;
	free_room(b);
	b->symbols = malloc(len * sizeof(*b->symbols));
	b->heap = malloc(HEAP_PER_BYTE * len * sizeof(*b->heap));
	if (!b->symbols || !b->heap)
		return -ENOMEM;
	b->cap = len;
	return 0;
}

/* The lowest rank first, then the leftmost. */
static bool is_before(const struct candidate *a, const struct candidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct bytepair_scratch *b, struct candidate c)
{
	size_t i = b->heap_n++;

	while (i && is_before(&c, &b->heap[(i - 1) / 2])) {
		b->heap[i] = b->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	b->heap[i] = c;
}

static struct candidate heap_pop(struct bytepair_scratch *b)
{
	struct candidate top = b->heap[0], last = b->heap[--b->heap_n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < b->heap_n) {
		if (child + 1 < b->heap_n && is_before(&b->heap[child + 1], &b->heap[child]))
			child++;
		if (!is_before(&b->heap[child], &last))
			break;
		b->heap[i] = b->heap[child];
		i = child;
	}
	b->heap[i] = last;
	return top;
}

/* Push the merge of a symbol with the next one, if there is such a merge. */
static void push_pair(const struct tokenizer *t, struct bytepair_scratch *b, int32_t at)
{
	const struct symbol *left = &b->symbols[at];
	const struct merge *m;

	if (left->next == NONE)
		return;
	m = merge_slot(&t->merges, left->id, b->symbols[left->next].id);
	if (m->id >= 0)
		heap_push(b, (struct candidate){at, m->rank, m->id});
}

/* Merge a candidate, unless one of its symbols has changed since it was pushed. */
static void apply(const struct tokenizer *t, struct bytepair_scratch *b, struct candidate c)
{
	struct symbol *left = &b->symbols[c.at], *right;

	if (left->id == NONE || left->next == NONE)
		return;
	right = &b->symbols[left->next];
	if (merge_slot(&t->merges, left->id, right->id)->id != c.id)
		return;
	left->id = c.id;
	left->next = right->next;
	right->id = NONE;
	if (left->next != NONE)
		b->symbols[left->next].prev = c.at;
	if (left->prev != NONE)
		push_pair(t, b, left->prev);
	push_pair(t, b, c.at);
}

static int merge_word(const struct tokenizer *t, struct bytepair_scratch *b,
		      const unsigned char *word, size_t len, struct token_list *list)
{
	int32_t n = (int32_t)len;
	int r = reserve(b, len);

	if (r < 0)
		return r;
	for (int32_t i = 0; i < n; i++)
		b->symbols[i] = (struct symbol){.prev = i - 1,
						.next = i + 1 < n ? i + 1 : NONE,
						.id = t->byte_ids[word[i]]};
	b->heap_n = 0;
	for (int32_t i = 0; i + 1 < n; i++)
		push_pair(t, b, i);
	while (b->heap_n)
		apply(t, b, heap_pop(b));
	for (int32_t i = 0; i != NONE && r >= 0; i = b->symbols[i].next)
		r = token_push(list, b->symbols[i].id);
	if (len > KEPT_BYTES)
		free_room(b);
	return r;
}

static int put_cached(const struct cached_word *slot, struct token_list *list)
{
	int r = 0;

	for (size_t i = 0; i < slot->n && r >= 0; i++)
		r = token_push(list, slot->ids[i]);
	return r;
}

static int put_word(const struct tokenizer *t, struct bytepair_scratch *b,
		    const unsigned char *word, size_t len, struct token_list *list)
{
	struct cached_word *slot;
	size_t from = list->n, n;
	int r;

	if (len > CACHED_BYTES)
		return merge_word(t, b, word, len, list);
	slot = &b->cache[hash_word(word, len) & (CACHE_SLOTS - 1)];
	if (slot->len == len && memcmp(slot->bytes, word, len) == 0)
		return put_cached(slot, list);
	r = merge_word(t, b, word, len, list);
	n = list->n - from;
	if (r < 0 || n > CACHED_PIECES)
		return r;
	slot->len = (uint8_t)len;
	slot->n = (uint8_t)n;
	memcpy(slot->bytes, word, len);
	memcpy(slot->ids, list->ids + from, n * sizeof(*slot->ids));
	return 0;
}

/* Room for n bytes in b->text; its content is lost. */
static int reserve_text(struct bytepair_scratch *b, size_t n)
{
	if (n <= b->text_cap)
		return 0;
	free(b->text);
	b->text = malloc(n);
	b->text_cap = b->text ? n : 0;
	return b->text ? 0 : -ENOMEM;
}

/* Put a word with ill-formed sequences, each of which counts as U+FFFD. */
static int put_mended(const struct tokenizer *t, struct bytepair_scratch *b,
		      const unsigned char *word, size_t len, struct token_list *list)
{
	OWN(freep) unsigned char *mended = malloc(3 * len); /* U+FFFD has three bytes */
	size_t n = 0, bad;
	uint32_t cp;

	if (!mended)
		return -ENOMEM;
	for (size_t at = 0; at < len;) {
		at += utf8_decode(word + at, len - at, &cp, &bad);
		n += utf8_encode(cp, mended + n);
	}
	return put_word(t, b, mended, n, list);
}

static int put_words(const struct tokenizer *t, struct tokenizer_scratch *scratch,
		     const unsigned char *s, size_t len, size_t limit, struct token_list *list)
{
	struct bytepair_scratch *b = scratch->bytepair;
	size_t at = 0, n, invalid;
	int r = 0;

	for (; r >= 0 && at < len && list->n <= limit; at += n) {
		n = word_length(s + at, len - at, &invalid);
		scratch->invalid += invalid;
		r = invalid ? put_mended(t, b, s + at, n, list) : put_word(t, b, s + at, n, list);
	}
	return r;
}

int bytepair_text(const struct tokenizer *t, struct tokenizer_scratch *scratch,
		  const unsigned char *s, size_t len, size_t limit, struct token_list *list)
{
	struct bytepair_scratch *b = prepare(t, scratch);

	if (!b)
		return -ENOMEM;
	if (!len || !t->prefix_space || *s == ' ')
		return put_words(t, scratch, s, len, limit, list);
	if (reserve_text(b, len + 1) < 0)
		return -ENOMEM;
	*b->text = ' ';
	memcpy(b->text + 1, s, len);
	return put_words(t, scratch, b->text, len + 1, limit, list);
}
