/* SPDX-License-Identifier: MIT */
/*
 * WordPiece and byte-level BPE, bit-exact with Hugging Face `tokenizers`. A tokenizer is loaded
 * once and never changes: any number of threads may encode with it, each with a scratch of its own.
 *
 * Invalid UTF-8: every ill-formed sequence counts as U+FFFD, which the normaliser of WordPiece
 * drops; the encoding says how many there were. BPE takes time proportional to n log n and memory
 * proportional to n for a word of n bytes.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tokenizer;
struct tokenizer_scratch; /* working memory of one thread */

struct tokenizer_special {
	int32_t pad, unk, cls, sep, mask; /* -1: the vocabulary has none */
};

/* The result of one call. The arrays belong to the scratch and live until its next use. */
struct encoding {
	/* [CLS] text [SEP] (pair [SEP]), or <s> text </s> (</s> pair </s>); never padded */
	const int32_t *ids;
	/* 0 for the first text, 1 for the pair and its [SEP]; all 0 with <s> and </s> */
	const int8_t *type_ids;
	size_t n;
	bool truncated;	     /* True if max_length cut the text */
	size_t invalid_utf8; /* ill-formed sequences in the part that was read */
};

/* Load from a model directory: tokenizer.json (vocabulary, normaliser, added tokens) if it exists,
 * else vocab.txt, or for BPE vocab.json and merges.txt; with the settings of tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json and config.json. The ids are those of
 * AutoTokenizer.from_pretrained of transformers 5, or the directory is refused. Blocks. -ENOENT:
 * the files of the vocabulary do not exist. -ERR_UNSUPPORTED: AutoTokenizer would make other ids
 * (the message names file and field). -ERR_CORRUPT: a file is invalid. -ERR_LIMIT: more added
 * tokens than TOKENIZER_ADDED_MAX. */
int tokenizer_load(const char *model_dir, struct tokenizer **ret, struct err *reterr) MUSTCHECK;
void tokenizer_free(struct tokenizer *t);
void tokenizer_freep(struct tokenizer **t);

struct tokenizer_scratch *tokenizer_scratch_new(void); /* NULL: no memory */
void tokenizer_scratch_free(struct tokenizer_scratch *s);
void tokenizer_scratch_freep(struct tokenizer_scratch **s);

/* Encode text[0..len), with pair[0..pair_len) unless pair is NULL, with special tokens, cut to
 * max_length by "longest_first" (0: no limit). Needs no terminating NUL. 0, -ENOMEM, or -EINVAL if
 * max_length leaves no room for the special tokens. */
int tokenizer_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text,
		     size_t len, const char *pair, size_t pair_len, size_t max_length,
		     struct encoding *ret) MUSTCHECK;

/* The number of special tokens around a text, or around a pair. */
size_t tokenizer_frame(const struct tokenizer *t, bool pair);
/* Highest id + 1, added tokens included. */
size_t tokenizer_vocab_size(const struct tokenizer *t);
/* Check that a model with ids 0 … rows - 1 has a row for every id that this tokenizer makes. 0, or
 * -ERR_UNSUPPORTED with the directory and the numbers. */
int tokenizer_check_rows(const struct tokenizer *t, const char *model_dir, int64_t rows,
			 struct err *reterr) MUSTCHECK;
const struct tokenizer_special *tokenizer_special(const struct tokenizer *t);
/* model_max_length of the settings; 0 if there is none. */
size_t tokenizer_model_max_length(const struct tokenizer *t);
/* True if the Python tokenizer of this directory returns token_type_ids (as BERT's does). */
bool tokenizer_has_type_ids(const struct tokenizer *t);

/* Copy the tokenizer files (tokenizer.json, tokenizer_config.json, vocab.txt, vocab.json,
 * merges.txt, special_tokens_map.json, added_tokens.json; those that exist) into an existing
 * directory. Not durable. -ENOENT if there is no tokenizer.json, vocab.txt or vocab.json. */
int tokenizer_copy_files(const char *from_model_dir, const char *to_dir,
			 struct err *reterr) MUSTCHECK;
