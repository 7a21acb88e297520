/* SPDX-License-Identifier: MIT */
/*
 * What the files of worker/tokenizer share: the loaded tokenizer, a thread's scratch, and the
 * stages of one encoding (added tokens → normalise → split into words → pieces).
 */
#pragma once

#include "worker/tokenizer/tokenizer.h"
#include "worker/tokenizer/trie.h"

#define ASCII_DROP 0xFF /* in tokenizer.ascii: the character vanishes */

enum word_class {
	WORD_CHAR,
	WORD_SPACE,
	WORD_PUNCT
};

struct added_token {
	char *content; /* as it is matched: normalised if the token says so */
	size_t len;
	int32_t id;
	bool lstrip, rstrip;
};

/* Tokens that are cut out of the text before any other step. */
struct added_set {
	struct added_token *tokens;
	size_t n;
	bool first[256]; /* bytes that some token starts with */
	int only_first;	 /* the one such byte, or -1 */
};

/* Two adjacent pieces of a word that become one. */
struct merge {
	uint64_t pair; /* MERGE_PAIR */
	int32_t rank;  /* the lowest is merged first */
	int32_t id;    /* of the joined piece; -1: an empty slot */
};
#define MERGE_PAIR(left, right) ((uint64_t)(uint32_t)(left) << 32 | (uint32_t)(right))

/* An open hash table. */
struct merges {
	struct merge *slots;
	size_t mask;
};

struct tokenizer {
	struct trie whole;	     /* pieces that start a word */
	struct trie continued;	     /* pieces that go on, without their prefix */
	struct added_set raw;	     /* matched in the text as it came */
	struct added_set normalized; /* matched after normalisation */
	struct tokenizer_special special;
	size_t vocab_size;
	size_t model_max_length;
	size_t word_chars_max; /* a longer word becomes one [UNK] */
	bool clean_text, ideographs, strip_accents, lowercase;
	bool byte_level;   /* BPE of bytes: the fields from `merges` on, no normaliser, no tries */
	bool double_frame; /* True for <s> A </s></s> B </s> and type ids of 0, as RoBERTa */
	bool has_type_ids;
	unsigned char ascii[128];	/* normalised form of an ASCII character, or ASCII_DROP */
	unsigned char ascii_class[128]; /* enum word_class */
	struct merges merges;
	int32_t byte_ids[256];
	bool prefix_space; /* add_prefix_space */
	uint64_t serial;   /* no two tokenizers of a process have the same */
};

struct token_list {
	int32_t *ids;
	size_t n, cap;
};

struct tokenizer_scratch {
	unsigned char *norm; /* normalised text of one block */
	size_t norm_n, norm_cap;
	uint64_t *pending; /* characters that wait for their canonical order */
	size_t pending_n, pending_cap;
	struct token_list parts[2]; /* text and pair */
	struct token_list out;
	int8_t *type_ids;
	size_t type_ids_cap;
	size_t invalid;
	struct bytepair_scratch *bytepair;
};

/* Fill t->ascii and t->ascii_class from the flags. */
void normalize_tables(struct tokenizer *t);
/* Append the normalised form of s[0..len) to scratch->norm. 0 or -ENOMEM. */
int normalize_block(const struct tokenizer *t, struct tokenizer_scratch *scratch,
		    const unsigned char *s, size_t len);
/* Length of the white space character before s[at]; 0 if that is none. White space as Rust's
 * char::is_whitespace. */
size_t space_before(const unsigned char *s, size_t at);
size_t space_at(const unsigned char *s, size_t len);

/* One added token in a text; all 0 before the first search. */
struct added_match {
	size_t start, end; /* with its stripped white space */
	size_t next; /* where the search goes on; the stripped white space may be part of a token */
	int32_t id;
};
/* The next match after *m in s[0..len), leftmost longest. False: none. */
bool added_find(const struct added_set *set, const unsigned char *s, size_t len,
		struct added_match *m);
/* 0 or -ENOMEM. `content` is copied. */
int added_add(struct added_set *set, const char *content, size_t len, int32_t id, bool lstrip,
	      bool rstrip);
void added_done(struct added_set *set);

int token_push(struct token_list *list, int32_t id);
/* Split normalised text into words and append their pieces, stopping early once list->n > limit.
 * 0 or -ENOMEM. */
int wordpiece_text(const struct tokenizer *t, const unsigned char *s, size_t len, size_t limit,
		   struct token_list *list);

/* The length of the first match of GPT-2's pattern in s[0..len), len > 0, and the number of
 * ill-formed sequences in it. */
size_t word_length(const unsigned char *s, size_t len, size_t *ret_invalid);
/* As wordpiece_text(), for byte-level BPE on text as it came. */
int bytepair_text(const struct tokenizer *t, struct tokenizer_scratch *scratch,
		  const unsigned char *s, size_t len, size_t limit, struct token_list *list);
void bytepair_scratch_free(struct bytepair_scratch *b);
/* Room for n merges. 0 or -ENOMEM. */
int merges_new(struct merges *m, size_t n);
/* Add a merge; of equal pairs the last one counts. */
void merges_put(struct merges *m, int32_t left, int32_t right, int32_t rank, int32_t id);
