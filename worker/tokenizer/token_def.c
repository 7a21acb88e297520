/* SPDX-License-Identifier: MIT */
/* Parses one token's definition, and keeps a list of them by content. */
#include "worker/tokenizer/token_def.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

int token_defs_add(struct token_defs *defs, struct token_def token, struct err *reterr)
{
	struct token_def *grown;

	if (defs->n >= TOKENIZER_ADDED_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "the tokenizer has more than %d added tokens; no more are supported",
			       TOKENIZER_ADDED_MAX);
	grown = realloc(defs->items, (defs->n + 1) * sizeof(*grown));
	if (!grown)
		return err_errno(reterr, ENOMEM, "load the added tokens");
	grown[defs->n++] = token;
	defs->items = grown;
	return 0;
}

int token_defs_set(struct token_defs *defs, struct token_def token, struct err *reterr)
{
	for (size_t i = 0; i < defs->n; i++) {
		struct token_def *have = &defs->items[i];

		if (have->index < token.index || have->index > token.index ||
		    !str_eq(have->content, token.content))
			continue;
		memmove(have, have + 1, (defs->n - i - 1) * sizeof(*have));
		defs->n--;
		break;
	}
	return token_defs_add(defs, token, reterr);
}

void token_defs_done(struct token_defs *defs)
{
	free(defs->items);
	*defs = (struct token_defs){0};
}

const struct token_def *token_defs_find(const struct token_defs *defs, const char *content)
{
	for (size_t i = defs->n; i > 0; i--)
		if (str_eq(defs->items[i - 1].content, content))
			return &defs->items[i - 1];
	return NULL;
}

struct token_def token_def_text(const char *content)
{
	return (struct token_def){.content = content, .special = true, .is_text = true};
}

/* An absent flag keeps what *ret has. */
static bool get_flag(const json_t *j, const char *key, bool *ret)
{
	const json_t *v = json_object_get(j, key);

	if (v && !json_is_boolean(v))
		return false;
	if (v)
		*ret = json_is_true(v);
	return true;
}

bool token_def_parse(const json_t *j, struct token_def *ret)
{
	*ret = (struct token_def){.content = json_get_str(j, "content", NULL)};
	if (!ret->content || !get_flag(j, "special", &ret->special))
		return false;
	ret->normalized = !ret->special;
	return get_flag(j, "single_word", &ret->single_word) &&
	       get_flag(j, "lstrip", &ret->lstrip) && get_flag(j, "rstrip", &ret->rstrip) &&
	       get_flag(j, "normalized", &ret->normalized);
}

bool token_def_equal(const struct token_def *a, const struct token_def *b)
{
	return str_eq(a->content, b->content) && a->single_word == b->single_word &&
	       a->lstrip == b->lstrip && a->rstrip == b->rstrip && a->normalized == b->normalized &&
	       a->special == b->special;
}
