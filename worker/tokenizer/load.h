/* SPDX-License-Identifier: MIT */
/*
 * Loads a tokenizer: the content of its files, before the tries are built. Inside worker/tokenizer.
 *
 * The reference is AutoTokenizer.from_pretrained of transformers 5 (tokenization_auto.py,
 * tokenization_utils_base.py, tokenization_utils_tokenizers.py, models/bert/tokenization_bert.py)
 * and the AddedVocabulary of `tokenizers`. The parts follow its steps: load_config (class and
 * flags), load_legacy (older files), load_special (special tokens), load_added (ids of added
 * tokens).
 */
#pragma once

#include "base/json.h"
#include "worker/model/family.h"
#include "worker/tokenizer/internal.h"
#include "worker/tokenizer/token_def.h"

#define TOKENIZER_FILE_MAX  (64u << 20)
#define TOKENIZER_IDS_MAX   (1 << 24) /* ids at or above this are refused */
#define TOKENIZER_NAMED_MAX 64	      /* named special tokens: unk_token and its like */

#define WORD_CHARS_DEFAULT 100	/* max_input_chars_per_word */
#define PREFIX_DEFAULT	   "##" /* continuing_subword_prefix */

#define FILE_TOKENIZER "tokenizer.json"
#define FILE_VOCAB     "vocab.txt"
#define FILE_VOCAB_BPE "vocab.json"
#define FILE_MERGES    "merges.txt"
#define FILE_CONFIG    "tokenizer_config.json"
#define FILE_SPECIAL   "special_tokens_map.json"
#define FILE_ADDED     "added_tokens.json"

#define KEY_EXTRA      "extra_special_tokens"
#define KEY_ADDITIONAL "additional_special_tokens"
#define KEY_OWN	       "model_specific_special_tokens"
/* An AddedToken that transformers has made already; in the files it is "__type": "AddedToken". */
#define KEY_MADE       "__added_token"

/* A merge as the file writes it: "a b". */
struct merge_text {
	const char *left, *right; /* borrowed from the JSON or `text` */
	size_t left_len, right_len;
};

/* "unk_token": "[UNK]" */
struct named_token {
	const char *name; /* borrowed from the JSON, or a literal */
	bool is_set;
	bool is_new; /* transformers 4 ignores the name */
	struct token_def token;
};

struct loading {
	struct tokenizer *t;
	const char *dir;
	struct trie_key *vocab; /* borrows from `json` or `text` */
	size_t vocab_n;
	size_t distinct_n; /* entries of the vocabulary with texts of their own */
	json_t *json;	   /* tokenizer.json; NULL: there is none */
	json_t *vocab_bpe; /* vocab.json; NULL: it is not used */
	struct buf text;   /* vocab.txt or merges.txt */
	struct merge_text *merges;
	size_t merges_n;
	char prefix[32]; /* continuing_subword_prefix */

	json_t *model;	/* config.json, NULL if it is missing */
	json_t *config; /* tokenizer_config.json, updated by what older files say */
	json_t *map;	/* special_tokens_map.json; NULL if it is missing or not used */
	json_t *added;	/* added_tokens.json, the same */
	json_t *own;	/* the values of tokenizer_config.json under names of the model's own */
	const struct model_family *family; /* whose class it is; NULL: PreTrainedTokenizerFast */
	struct token_defs decoder;	   /* added tokens by the files' ids */
	struct named_token named[TOKENIZER_NAMED_MAX];
	size_t named_n;
	struct token_defs extra; /* special tokens without a name */

	const char *unk;	/* of the word pieces */
	int32_t cls_id, sep_id; /* of the template */
};

/* -ERR_UNSUPPORTED: "DIR/FILE: <text>; <the remedy>". */
int load_refuse(const struct loading *l, const char *file, struct err *reterr, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Read an optional JSON object in the directory; *ret stays NULL if the file is missing. Integers
 * are read as reals, because model_max_length is often larger than any integer type. */
int load_object(const struct loading *l, const char *file, json_t **ret,
		struct err *reterr) MUSTCHECK;

/* Read config.json and tokenizer_config.json: find the class, and refuse what this engine cannot
 * do. */
int load_class(struct loading *l, struct err *reterr) MUSTCHECK;
/* After load_legacy: the class's flags, sides, length and input names. */
int load_flags(struct loading *l, struct err *reterr) MUSTCHECK;
/* special_tokens_map.json, added_tokens.json and the added tokens of tokenizer.json. */
int load_legacy(struct loading *l, struct err *reterr) MUSTCHECK;
/* l->named and l->extra. */
int load_special(struct loading *l, struct err *reterr) MUSTCHECK;
/* Give every added token its id, and fill the tokenizer's sets, special ids and l->cls_id. */
int load_added(struct loading *l, struct err *reterr) MUSTCHECK;
/* tokenizer.json: vocabulary, pre-tokenizer, and for the generic class normaliser and template. */
int load_tokenizer_json(struct loading *l, struct err *reterr) MUSTCHECK;

/* For a class with byte-level BPE: read the vocabulary and the merges of tokenizer.json, else of
 * vocab.json and merges.txt. */
int load_bytepair(struct loading *l, struct err *reterr) MUSTCHECK;
/* After load_bytepair, when the vocabulary's trie is built: fill t->byte_ids and t->merges. */
int build_bytepair(struct loading *l, struct err *reterr) MUSTCHECK;
/* Fill l->vocab from {"piece": id} in a file of the directory. */
int load_vocab(struct loading *l, const char *file, const json_t *vocab,
	       struct err *reterr) MUSTCHECK;
/* The id of ["[SEP]", 102]; -1 if it is not valid. */
int32_t load_pair_id(const json_t *pair);

/* unk_token and the six others that each tokenizer has. */
bool loading_is_standard(const char *key);
/* The named token, or NULL if it is not set. */
const struct token_def *loading_named(const struct loading *l, const char *name);
