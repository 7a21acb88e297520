/* SPDX-License-Identifier: MIT */
/* Loading a tokenizer: what its files say, before the tries are built. Inside worker/tokenizer. */
#pragma once

#include "base/json.h"
#include "worker/tokenizer/internal.h"

#define TOKENIZER_FILE_MAX (64u << 20)
#define TOKENIZER_IDS_MAX  (1 << 24) /* ids at or above this are refused */

struct loading {
	struct tokenizer *t;
	const char *dir;
	struct trie_key *vocab; /* borrows from `json` or `text` */
	size_t vocab_n;
	json_t *json;	 /* tokenizer.json */
	struct buf text; /* vocab.txt */
	char prefix[32]; /* continuing_subword_prefix */
	char unk[64], cls[64], sep[64], pad[64], mask[64];
};

/* Fill everything from l->json (tokenizer.json). -ERR_UNSUPPORTED, -ERR_CORRUPT, -ENOMEM. */
int load_tokenizer_json(struct loading *l, struct err *reterr) MUSTCHECK;
/* Lay tokenizer_config.json and config.json over it, where they exist. */
int load_tokenizer_config(struct loading *l, struct err *reterr) MUSTCHECK;
/* Id of a vocabulary entry or added token by its text, -1 if there is none. */
int32_t loading_find(const struct loading *l, const char *token);
