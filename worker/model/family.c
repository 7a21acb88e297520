/* SPDX-License-Identifier: MIT */
/* The table of families. */
#include "worker/model/family.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

static const struct model_family *const families[] = {
	&family_bert, &family_distilbert, &family_electra, &family_mpnet, &family_roberta};

const struct model_family *family_find(const char *model_type)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (str_eq(families[i]->model_type, model_type))
			return families[i];
	return NULL;
}

const struct model_family *family_of_tokenizer(const char *class)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const char *name = families[i]->tokenizer;

		if (class && str_starts(class, name) &&
		    (!class[strlen(name)] || str_eq(class + strlen(name), "Fast")))
			return families[i];
	}
	return NULL;
}

int64_t family_max_tokens(const struct model_family *f, int64_t positions, int64_t pad_id)
{
	return f && f->positions_after_padding ? positions - (pad_id + 1) : positions;
}

/* Append one of `n` words of a sentence. */
static void put_word(struct buf *b, size_t i, size_t n, const char *word)
{
	const char *before = ", ";

	if (i == 0)
		before = "";
	else if (i + 1 == n)
		before = " and ";
	(void)!buf_printf(b, "%s%s", before, word);
}

void family_put_types(struct buf *b)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		put_word(b, i, ARRAY_LEN(families), families[i]->model_type);
}

void family_put_tokenizers(struct buf *b, const char *last)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		put_word(b, i, ARRAY_LEN(families) + 1, families[i]->tokenizer);
	put_word(b, ARRAY_LEN(families), ARRAY_LEN(families) + 1, last);
}
