/* SPDX-License-Identifier: MIT */
/* One added token as the files of transformers and `tokenizers` write it. Inside worker/tokenizer.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

#define TOKENIZER_ADDED_MAX 4096 /* added tokens, special ones included */

struct token_def {
	const char *content; /* borrowed from the JSON, or a literal */
	double index;	     /* the id that the file gives: only its order counts */
	bool single_word, lstrip, rstrip, normalized, special;
	bool is_text; /* a plain string in the file, without flags */
};

struct token_defs {
	struct token_def *items;
	size_t n;
};

/* -ENOMEM, or -ERR_LIMIT beyond TOKENIZER_ADDED_MAX. */
int token_defs_add(struct token_defs *defs, struct token_def token, struct err *reterr) MUSTCHECK;
/* The same, but replaces an entry that has the token's index and content. */
int token_defs_set(struct token_defs *defs, struct token_def token, struct err *reterr) MUSTCHECK;
void token_defs_done(struct token_defs *defs);
/* The last token with this content, or NULL. */
const struct token_def *token_defs_find(const struct token_defs *defs, const char *content);

/* A string as a token without flags. */
struct token_def token_def_text(const char *content);
/* Parse {"content", "single_word", "lstrip", "rstrip", "normalized", "special"}. An absent flag is
 * false; an absent `normalized` is the opposite of `special`. False: a member has the wrong
 * type. */
bool token_def_parse(const json_t *j, struct token_def *ret);
/* True if all parts that `tokenizers` compares agree. */
bool token_def_equal(const struct token_def *a, const struct token_def *b);
