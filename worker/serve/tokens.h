/* SPDX-License-Identifier: MIT */
/* Texts as one ragged batch of tokens. */
#pragma once

#include "base/err.h"
#include "worker/model/classifier.h"
#include "worker/serve/payload.h"
#include "worker/tokenizer/tokenizer.h"

struct tokens {
	struct token_batch batch; /* points into what follows */
	int32_t *ids;
	int8_t *type_ids;
	int64_t *offsets;
	size_t cap;
};

/* Encode each row, cut to max_length tokens. Call tokens_done() also after a failure. */
int tokens_make(struct tokens *t, const struct tokenizer *tokenizer,
		struct tokenizer_scratch *scratch, const struct payload_row *rows, size_t n,
		size_t max_length, struct err *reterr) MUSTCHECK;
void tokens_done(struct tokens *t);
