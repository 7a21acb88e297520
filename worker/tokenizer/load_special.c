/* SPDX-License-Identifier: MIT */
/*
 * Special tokens: the seven that each tokenizer may have, those with names of the model's own, and
 * the list of extra ones. Their order is the one in which transformers adds them
 * (PreTrainedTokenizerBase.__init__).
 */
#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/load.h"

/* The defaults of BertTokenizer and of RobertaTokenizer. */
static const struct {
	const char *name, *of_bert, *of_roberta;
} standard[] = {
	{"bos_token", NULL, "<s>"},	    {"eos_token", NULL, "</s>"},
	{"unk_token", "[UNK]", "<unk>"},    {"sep_token", "[SEP]", "</s>"},
	{"pad_token", "[PAD]", "<pad>"},    {"cls_token", "[CLS]", "<s>"},
	{"mask_token", "[MASK]", "<mask>"},
};

bool loading_is_standard(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(standard); i++)
		if (str_eq(standard[i].name, key))
			return true;
	return false;
}

const struct token_def *loading_named(const struct loading *l, const char *name)
{
	for (size_t i = 0; i < l->named_n; i++)
		if (str_eq(l->named[i].name, name))
			return l->named[i].is_set ? &l->named[i].token : NULL;
	return NULL;
}

static bool is_token(const json_t *v)
{
	return json_is_string(v) || json_object_get(v, KEY_MADE) ||
	       str_eq(json_get_str(v, "__type", NULL), "AddedToken");
}

/* A string, or an AddedToken. */
static int parse_token(const struct loading *l, const char *key, const json_t *v,
		       struct token_def *ret, struct err *reterr)
{
	const char *file = json_object_get(l->map, key) ? FILE_SPECIAL : FILE_CONFIG;

	*ret = token_def_text(json_string_value(v));
	if (json_is_string(v) || (is_token(v) && token_def_parse(v, ret)))
		return 0;
	return load_refuse(l, file, reterr,
			   "%s is %s; only a text or an AddedToken with content and flags is "
			   "supported",
			   key,
			   json_is_object(v) ? "an object of another kind" : json_type_name(v));
}

/* Set the value of a new or existing name. */
static int put_named(struct loading *l, const char *name, const struct token_def *token,
		     struct err *reterr)
{
	size_t i = 0;

	while (i < l->named_n && !str_eq(l->named[i].name, name))
		i++;
	if (i == TOKENIZER_NAMED_MAX)
		return load_refuse(
			l, FILE_CONFIG, reterr,
			"the file names more than %d special tokens; no more are supported",
			TOKENIZER_NAMED_MAX);
	if (i == l->named_n)
		l->named_n++;
	l->named[i] = (struct named_token){.name = name, .is_set = token != NULL};
	if (token)
		l->named[i].token = *token;
	return 0;
}

/* NULL for the generic class, which has none. */
static const char *default_of(const struct loading *l, size_t i)
{
	if (!l->family)
		return NULL;
	if (l->family->unknown && str_eq(standard[i].name, "unk_token"))
		return l->family->unknown;
	return l->family->double_frame ? standard[i].of_roberta : standard[i].of_bert;
}

static bool takes_space(const struct loading *l, const char *name)
{
	return l->family && l->family->mask_takes_space && str_eq(name, "mask_token");
}

/* The value in the files, else the class's default. An added token with the same text provides the
 * flags. */
static int set_standard(struct loading *l, size_t i, struct err *reterr)
{
	const char *name = standard[i].name, *own = default_of(l, i);
	const json_t *v = json_object_get(l->config, name);
	const json_t *padding = json_object_get(l->json, "padding");
	const struct token_def *added;
	struct token_def token;
	int r;

	if (!v && own) {
		token = token_def_text(own);
		token.lstrip = takes_space(l, name);
		return put_named(l, name, &token, reterr);
	}
	if (!v && !l->family && str_eq(name, "pad_token"))
		v = json_object_get(padding, name);
	if (!v || json_is_null(v))
		return put_named(l, name, NULL, reterr);
	r = parse_token(l, name, v, &token, reterr);
	if (r >= 0 && json_is_string(v))
		token.lstrip = takes_space(l, name);
	added = r < 0 ? NULL : token_defs_find(&l->decoder, token.content);
	return r < 0 ? r : put_named(l, name, added ? added : &token, reterr);
}

static int set_own(struct loading *l, const char *name, const json_t *v, bool is_new,
		   struct err *reterr)
{
	struct token_def token;
	int r = parse_token(l, name, v, &token, reterr);

	if (r >= 0 && loading_is_standard(name))
		return load_refuse(l, FILE_CONFIG, reterr, KEY_EXTRA " has a token named %s", name);
	if (r >= 0)
		r = put_named(l, name, &token, reterr);
	for (size_t i = 0; r >= 0 && i < l->named_n; i++)
		if (str_eq(l->named[i].name, name))
			l->named[i].is_new = is_new;
	return r;
}

static int set_all_own(struct loading *l, struct err *reterr)
{
	json_t *own = json_object_get(l->config, KEY_OWN), *v;
	const char *key;
	int r = 0;

	if (own && !json_is_object(own))
		return load_refuse(l, FILE_CONFIG, reterr, KEY_OWN " is %s, not an object",
				   json_type_name(own));
	json_object_foreach(l->config, key, v) {
		if (r >= 0 && str_ends(key, "_token") && !loading_is_standard(key) && is_token(v))
			r = set_own(l, key, v, true, reterr);
	}
	json_object_foreach(own, key, v) {
		if (r >= 0)
			r = set_own(l, key, v, json_object_get(l->own, key) != NULL, reterr);
	}
	return r;
}

static bool is_added_anyway(const struct loading *l, const char *content)
{
	if (token_defs_find(&l->decoder, content) || token_defs_find(&l->extra, content))
		return true;
	for (size_t i = 0; i < l->named_n; i++)
		if (l->named[i].is_set && !l->named[i].is_new &&
		    str_eq(l->named[i].token.content, content))
			return true;
	return false;
}

/* transformers 5 adds the token of "image_token": "<image>", transformers 4 does not. The ids are
 * the same only if another list has the token, too. */
static int check_own_names(const struct loading *l, struct err *reterr)
{
	for (size_t i = 0; i < l->named_n; i++) {
		const struct named_token *named = &l->named[i];
		bool in_map = json_object_get(l->map, named->name);

		if (named->is_new && !is_added_anyway(l, named->token.content))
			return load_refuse(l, in_map ? FILE_SPECIAL : FILE_CONFIG, reterr,
					   "%s is '%s', which transformers 5 adds as a token and 4 "
					   "does not",
					   named->name, named->token.content);
	}
	return 0;
}

static int set_extra(struct loading *l, struct err *reterr)
{
	const char *key = json_object_get(l->config, KEY_EXTRA) ? KEY_EXTRA : KEY_ADDITIONAL;
	json_t *extra = json_object_get(l->config, key), *v;
	size_t i;

	if (!extra || json_is_null(extra))
		return 0;
	if (!json_is_array(extra))
		return load_refuse(l, FILE_CONFIG, reterr, "%s is %s, not a list", key,
				   json_type_name(extra));
	json_array_foreach(extra, i, v) {
		struct token_def token;
		int r = parse_token(l, key, v, &token, reterr);

		if (r >= 0)
			r = token_defs_add(&l->extra, token, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int load_special(struct loading *l, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(standard) && r >= 0; i++)
		r = set_standard(l, i, reterr);
	if (r >= 0)
		r = set_all_own(l, reterr);
	if (r >= 0)
		r = set_extra(l, reterr);
	return r < 0 ? r : check_own_names(l, reterr);
}
