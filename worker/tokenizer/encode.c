/* SPDX-License-Identifier: MIT */
/*
 * One encoding from text to ids. Added tokens are cut out; the rest is normalised and cut into
 * pieces block by block. Then both texts are truncated and framed with the special tokens.
 */
#include "base/own.h"
#include "worker/tokenizer/internal.h"

#include <string.h>

/* Normalising stops soon after there are enough tokens. So a text is handled in blocks that end at
 * a space, where the text before cannot affect the text after. */
#define BLOCK_BYTES 512

struct tokenizer_scratch *tokenizer_scratch_new(void)
{
	return calloc(1, sizeof(struct tokenizer_scratch));
}

void tokenizer_scratch_free(struct tokenizer_scratch *s)
{
	if (!s)
		return;
	free(s->norm);
	free(s->pending);
	free(s->parts[0].ids);
	free(s->parts[1].ids);
	free(s->out.ids);
	free(s->type_ids);
	bytepair_scratch_free(s->bytepair);
	free(s);
}

void tokenizer_scratch_freep(struct tokenizer_scratch **s)
{
	tokenizer_scratch_free(*s);
}

static int encode_words(const struct tokenizer *t, struct tokenizer_scratch *scratch,
			const unsigned char *s, size_t len, size_t limit, struct token_list *list)
{
	return t->byte_level ? bytepair_text(t, scratch, s, len, limit, list)
			     : wordpiece_text(t, s, len, limit, list);
}

/* Encode normalised text, which may contain added tokens. */
static int encode_normalized(const struct tokenizer *t, struct tokenizer_scratch *scratch,
			     const unsigned char *s, size_t len, size_t limit,
			     struct token_list *list)
{
	struct added_match m = {0};
	size_t at = 0;
	int r = 0;

	while (r >= 0 && list->n <= limit && added_find(&t->normalized, s, len, &m)) {
		r = encode_words(t, scratch, s + at, m.start - at, limit, list);
		if (r >= 0)
			r = token_push(list, m.id);
		at = m.end;
	}
	return r < 0 ? r : encode_words(t, scratch, s + at, len - at, limit, list);
}

static size_t block_end(const unsigned char *s, size_t len, size_t at)
{
	const unsigned char *space;

	if (len - at <= BLOCK_BYTES)
		return len;
	space = memchr(s + at + BLOCK_BYTES, ' ', len - at - BLOCK_BYTES);
	return space ? (size_t)(space - s) + 1 : len;
}

/* Encode raw text between two added tokens. */
static int encode_rest(const struct tokenizer *t, struct tokenizer_scratch *scratch,
		       const unsigned char *s, size_t len, size_t limit, struct token_list *list)
{
	size_t at = 0;
	int r = 0;

	if (t->byte_level) /* has no normaliser */
		return encode_normalized(t, scratch, s, len, limit, list);
	while (r >= 0 && at < len && list->n <= limit) {
		/* an added token may span any space of the normalised text */
		size_t end = t->normalized.n ? len : block_end(s, len, at);

		scratch->norm_n = 0;
		r = normalize_block(t, scratch, s + at, end - at);
		if (r >= 0)
			r = encode_normalized(t, scratch, scratch->norm, scratch->norm_n, limit,
					      list);
		at = end;
	}
	return r;
}

/* Make all tokens of one text, or at least limit + 1 of them. */
static int encode_text(const struct tokenizer *t, struct tokenizer_scratch *scratch,
		       const char *text, size_t len, size_t limit, struct token_list *list)
{
	const unsigned char *s = (const unsigned char *)text;
	struct added_match m = {0};
	size_t at = 0;
	int r = 0;

	list->n = 0;
	while (r >= 0 && list->n <= limit && added_find(&t->raw, s, len, &m)) {
		r = encode_rest(t, scratch, s + at, m.start - at, limit, list);
		if (r >= 0)
			r = token_push(list, m.id);
		at = m.end;
	}
	return r < 0 ? r : encode_rest(t, scratch, s + at, len - at, limit, list);
}

/* Truncate by "longest_first", exactly as the library computes it. */
static void truncate_pair(size_t *ret_a, size_t *ret_b, size_t room)
{
	bool swapped = *ret_a > *ret_b;
	size_t shorter = swapped ? *ret_b : *ret_a, longer;

	if (*ret_a + *ret_b <= room)
		return;
	longer = shorter > room || room - shorter < shorter ? shorter : room - shorter;
	if (shorter + longer > room) {
		shorter = room / 2;
		longer = shorter + room % 2;
	}
	*ret_a = swapped ? longer : shorter;
	*ret_b = swapped ? shorter : longer;
}

/* Cannot fail, because the space is reserved. */
static void put_part(struct tokenizer_scratch *s, const struct token_list *part, size_t n,
		     int32_t last, int8_t type)
{
	if (n)
		memcpy(s->out.ids + s->out.n, part->ids, n * sizeof(*part->ids));
	memset(s->type_ids + s->out.n, type, n + 1);
	s->out.n += n;
	s->out.ids[s->out.n++] = last;
}

static int reserve_out(struct tokenizer_scratch *s, size_t n)
{
	s->out.n = 0;
	if (n > s->out.cap) {
		int32_t *ids = realloc(s->out.ids, n * sizeof(*ids));

		if (!ids)
			return -ENOMEM;
		s->out.ids = ids;
		s->out.cap = n;
	}
	if (n > s->type_ids_cap) {
		int8_t *types = realloc(s->type_ids, n);

		if (!types)
			return -ENOMEM;
		s->type_ids = types;
		s->type_ids_cap = n;
	}
	return 0;
}

size_t tokenizer_frame(const struct tokenizer *t, bool pair)
{
	return 2 + (size_t)(pair ? 1 + t->double_frame : 0);
}

int tokenizer_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text,
		     size_t len, const char *pair, size_t pair_len, size_t max_length,
		     struct encoding *ret)
{
	size_t frame = tokenizer_frame(t, pair), room = SIZE_MAX - 1, a, b = 0;
	int r;

	if (max_length && max_length < frame)
		return -EINVAL;
	if (max_length)
		room = max_length - frame;
	s->invalid = 0;
	/* the longer text is cut first, so both texts of a pair are tokenised in full */
	r = encode_text(t, s, text, len, pair ? SIZE_MAX - 1 : room, &s->parts[0]);
	if (r >= 0 && pair)
		r = encode_text(t, s, pair, pair_len, SIZE_MAX - 1, &s->parts[1]);
	if (r < 0)
		return r;
	a = s->parts[0].n;
	if (pair) {
		b = s->parts[1].n;
		truncate_pair(&a, &b, room);
	} else if (a > room) {
		a = room;
	}
	if (reserve_out(s, a + b + frame) < 0)
		return -ENOMEM;
	s->out.ids[0] = t->special.cls;
	s->type_ids[0] = 0;
	s->out.n = 1;
	put_part(s, &s->parts[0], a, t->special.sep, 0);
	if (pair && t->double_frame)
		put_part(s, &s->parts[1], 0, t->special.sep, 0);
	if (pair)
		put_part(s, &s->parts[1], b, t->special.sep, !t->double_frame);
	*ret = (struct encoding){.ids = s->out.ids,
				 .type_ids = s->type_ids,
				 .n = s->out.n,
				 .invalid_utf8 = s->invalid};
	ret->truncated = a < s->parts[0].n || (pair && b < s->parts[1].n);
	return 0;
}
