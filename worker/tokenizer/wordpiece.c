/* SPDX-License-Identifier: MIT */
/*
 * BertPreTokenizer and WordPiece: cut at white space, isolate punctuation, then take the longest
 * piece again and again; a word that cannot be covered, or is too long, is one [UNK].
 */
#include "base/own.h"
#include "worker/tokenizer/internal.h"
#include "worker/tokenizer/unicode.h"

#define LIST_FIRST_CAP 512

static int token_reserve(struct token_list *list, size_t more)
{
	size_t cap = list->cap ? list->cap : LIST_FIRST_CAP;
	int32_t *ids;

	if (list->n + more <= list->cap)
		return 0;
	while (cap < list->n + more)
		cap *= 2;
	ids = realloc(list->ids, cap * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	list->ids = ids;
	list->cap = cap;
	return 0;
}

int token_push(struct token_list *list, int32_t id)
{
	if (token_reserve(list, 1) < 0)
		return -ENOMEM;
	list->ids[list->n++] = id;
	return 0;
}

static int put_word(const struct tokenizer *t, const unsigned char *word, size_t len, size_t chars,
		    struct token_list *list)
{
	const struct trie *trie = &t->whole;
	size_t from = list->n, at = 0, n;
	int32_t id = t->special.unk;

	if (token_reserve(list, len) < 0)
		return -ENOMEM;
	for (; at < len && chars <= t->word_chars_max; at += n) {
		n = trie_longest(trie, word + at, len - at, &id);
		if (!n)
			break;
		list->ids[list->n++] = id;
		trie = &t->continued;
	}
	if (at < len) {
		list->ids[from] = t->special.unk;
		list->n = from + 1;
	}
	return 0;
}

static enum word_class class_of(uint32_t cp)
{
	unsigned flags = unicode_flags_of(cp);

	if (flags & UNICODE_SPACE)
		return WORD_SPACE;
	return flags & UNICODE_PUNCT ? WORD_PUNCT : WORD_CHAR;
}

int wordpiece_text(const struct tokenizer *t, const unsigned char *s, size_t len, size_t limit,
		   struct token_list *list)
{
	size_t word = 0, chars = 0, at = 0;
	int r = 0;

	while (r >= 0 && at < len && list->n <= limit) {
		enum word_class class;
		size_t n = 1, bad;
		uint32_t cp;

		if (s[at] < 0x80) {
			class = t->ascii_class[s[at]];
		} else {
			n = utf8_decode(s + at, len - at, &cp, &bad);
			class = class_of(cp);
		}
		if (class == WORD_CHAR) {
			chars++;
			at += n;
			continue;
		}
		if (chars)
			r = put_word(t, s + word, at - word, chars, list);
		if (r >= 0 && class == WORD_PUNCT)
			r = put_word(t, s + at, n, 1, list);
		at += n;
		word = at;
		chars = 0;
	}
	if (r >= 0 && chars && list->n <= limit)
		r = put_word(t, s + word, len - word, chars, list);
	return r;
}
