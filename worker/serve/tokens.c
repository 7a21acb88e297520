/* SPDX-License-Identifier: MIT */
/* Tokenises the rows one after the other into one growing array. */
#include "worker/serve/tokens.h"

#include "base/own.h"

#include <string.h>

#define FIRST_TOKENS 256

static int reserve(struct tokens *t, size_t n)
{
	size_t cap = t->cap ? t->cap : FIRST_TOKENS;
	int32_t *ids;
	int8_t *types;

	while (cap < n)
		cap *= 2;
	if (cap == t->cap)
		return 0;
	ids = realloc(t->ids, cap * sizeof(*ids));
	t->ids = ids ? ids : t->ids;
	types = realloc(t->type_ids, cap);
	t->type_ids = types ? types : t->type_ids;
	if (!ids || !types)
		return -ENOMEM;
	t->cap = cap;
	return 0;
}

int tokens_make(struct tokens *t, const struct tokenizer *tokenizer,
		struct tokenizer_scratch *scratch, const struct payload_row *rows, size_t n,
		size_t max_length, struct err *reterr)
{
	size_t at = 0;

	*t = (struct tokens){.offsets = calloc(n + 1, sizeof(*t->offsets))};
	if (!t->offsets)
		return err_errno(reterr, ENOMEM, "tokenise the texts");
	for (size_t i = 0; i < n; i++) {
		struct encoding e;
		int r = tokenizer_encode(tokenizer, scratch, rows[i].text, rows[i].text_len,
					 rows[i].pair, rows[i].pair_len, max_length, &e);

		if (r >= 0)
			r = reserve(t, at + e.n);
		if (r < 0)
			return err_errno(reterr, -r, "tokenise the texts");
		memcpy(t->ids + at, e.ids, e.n * sizeof(*e.ids));
		memcpy(t->type_ids + at, e.type_ids, e.n);
		at += e.n;
		t->offsets[i + 1] = (int64_t)at;
	}
	t->batch = (struct token_batch){
		.ids = t->ids, .type_ids = t->type_ids, .offsets = t->offsets, .rows = n};
	return 0;
}

void tokens_done(struct tokens *t)
{
	free(t->ids);
	free(t->type_ids);
	free(t->offsets);
	*t = (struct tokens){0};
}
