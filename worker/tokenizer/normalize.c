/* SPDX-License-Identifier: MIT */
/*
 * BertNormalizer: clean the text, isolate ideographs, decompose and strip accents, lower-case;
 * all four in one pass. ASCII goes through a table; other characters through the property flags.
 * Canonical order matters only among the combining characters that survive (Mn is stripped), so
 * only these wait in `pending` until the next starter.
 */
#include "base/own.h"
#include "worker/tokenizer/internal.h"
#include "worker/tokenizer/unicode.h"

/* Output bytes for one input byte, at worst: U+0390 has 2 and becomes three characters of at most
 * 3 bytes; longer forms and ideographs with their spaces grow less. */
#define GROWTH_MAX    6
#define DOTTED_I      0x130
#define COMBINING_DOT 0x307
#define PENDING_CP(x) ((uint32_t)((x)&0x1FFFFF))
#define PENDING_KEY(class, index, cp) \
	((uint64_t)(class) << 56 | (uint64_t)(index) << 21 | (uint64_t)(cp))

void normalize_tables(struct tokenizer *t)
{
	for (unsigned c = 0; c < 128; c++) {
		unsigned flags = unicode_flags_of(c);

		t->ascii[c] = (unsigned char)c;
		if (t->lowercase && c >= 'A' && c <= 'Z')
			t->ascii[c] = (unsigned char)(c + ('a' - 'A'));
		if (t->clean_text && (flags & UNICODE_SPACE))
			t->ascii[c] = ' ';
		if (t->clean_text && (flags & UNICODE_DROP))
			t->ascii[c] = ASCII_DROP;
		t->ascii_class[c] = WORD_CHAR;
		if (flags & UNICODE_SPACE)
			t->ascii_class[c] = WORD_SPACE;
		else if (flags & UNICODE_PUNCT)
			t->ascii_class[c] = WORD_PUNCT;
	}
}

static void put(struct tokenizer_scratch *s, uint32_t cp)
{
	s->norm_n += utf8_encode(cp, s->norm + s->norm_n);
}

static void put_lower(const struct tokenizer *t, struct tokenizer_scratch *s, uint32_t cp)
{
	if (!t->lowercase || !(unicode_flags_of(cp) & UNICODE_LOWERS)) {
		put(s, cp);
	} else if (cp == DOTTED_I) { /* the only character with a longer lower case */
		put(s, 'i');
		put(s, COMBINING_DOT);
	} else {
		put(s, unicode_lower(cp));
	}
}

static int pending_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The key holds class, arrival and character, so this sort is stable within a class. */
static void flush(const struct tokenizer *t, struct tokenizer_scratch *s)
{
	if (s->pending_n > 1)
		qsort(s->pending, s->pending_n, sizeof(*s->pending), pending_compare);
	for (size_t i = 0; i < s->pending_n; i++)
		put_lower(t, s, PENDING_CP(s->pending[i]));
	s->pending_n = 0;
}

static void put_stripped(const struct tokenizer *t, struct tokenizer_scratch *s, uint32_t cp)
{
	unsigned flags = unicode_flags_of(cp);

	if (!(flags & UNICODE_REORDERS))
		flush(t, s);
	if (flags & UNICODE_MARK)
		return;
	if (flags & UNICODE_REORDERS) {
		s->pending[s->pending_n] = PENDING_KEY(unicode_class(cp), s->pending_n, cp);
		s->pending_n++;
	} else {
		put_lower(t, s, cp);
	}
}

static void put_char(const struct tokenizer *t, struct tokenizer_scratch *s, uint32_t cp)
{
	uint32_t parts[UNICODE_DECOMPOSED_MAX];
	size_t n;

	if (!t->strip_accents) {
		put_lower(t, s, cp);
	} else if (unicode_flags_of(cp) & UNICODE_DECOMPOSES) {
		n = unicode_decompose(cp, parts);
		for (size_t i = 0; i < n; i++)
			put_stripped(t, s, parts[i]);
	} else {
		put_stripped(t, s, cp);
	}
}

static void put_space(const struct tokenizer *t, struct tokenizer_scratch *s)
{
	flush(t, s);
	put(s, ' ');
}

static void normalize_wide(const struct tokenizer *t, struct tokenizer_scratch *s, uint32_t cp)
{
	unsigned flags = unicode_flags_of(cp);
	bool isolate = t->ideographs && (flags & UNICODE_IDEOGRAPH);

	if (t->clean_text && (flags & UNICODE_DROP))
		return;
	if (t->clean_text && (flags & UNICODE_SPACE)) {
		put_space(t, s);
		return;
	}
	if (isolate)
		put_space(t, s);
	put_char(t, s, cp);
	if (isolate)
		put_space(t, s);
}

static int reserve(struct tokenizer_scratch *s, size_t len)
{
	size_t norm = s->norm_n + len * GROWTH_MAX + 8;

	if (norm > s->norm_cap) {
		unsigned char *p = realloc(s->norm, norm);

		if (!p)
			return -ENOMEM;
		s->norm = p;
		s->norm_cap = norm;
	}
	if (len + UNICODE_DECOMPOSED_MAX > s->pending_cap) {
		size_t cap = len + UNICODE_DECOMPOSED_MAX;
		uint64_t *p = realloc(s->pending, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->pending = p;
		s->pending_cap = cap;
	}
	return 0;
}

int normalize_block(const struct tokenizer *t, struct tokenizer_scratch *scratch,
		    const unsigned char *s, size_t len)
{
	size_t at = 0;

	if (reserve(scratch, len) < 0)
		return -ENOMEM;
	while (at < len) {
		unsigned char c = s[at] < 0x80 ? t->ascii[s[at]] : 0;
		uint32_t cp;
		size_t bad;

		if (s[at] >= 0x80) {
			at += utf8_decode(s + at, len - at, &cp, &bad);
			scratch->invalid += bad;
			normalize_wide(t, scratch, cp);
			continue;
		}
		at++;
		if (c == ASCII_DROP)
			continue;
		if (scratch->pending_n)
			flush(t, scratch);
		scratch->norm[scratch->norm_n++] = c;
	}
	flush(t, scratch);
	return 0;
}

size_t space_at(const unsigned char *s, size_t len)
{
	uint32_t cp;
	size_t n, bad;

	if (!len)
		return 0;
	n = utf8_decode(s, len, &cp, &bad);
	return unicode_flags_of(cp) & UNICODE_SPACE ? n : 0;
}

size_t space_before(const unsigned char *s, size_t at)
{
	size_t start = at;

	while (start && at - start < 4) {
		start--;
		if ((s[start] & 0xC0) != 0x80)
			break;
	}
	return start < at && space_at(s + start, at - start) == at - start ? at - start : 0;
}
