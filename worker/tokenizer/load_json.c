/* SPDX-License-Identifier: MIT */
/*
 * tokenizer.json (of `tokenizers`) and tokenizer_config.json (of transformers). Only what BERT
 * needs is understood; anything that would make other ids than ours is refused, never ignored.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/load.h"

#include <string.h>

static int unsupported(const struct loading *l, const char *what, const char *found,
		       const char *needed, struct err *reterr)
{
	return err_set(reterr, ERR_UNSUPPORTED,
		       "%s/tokenizer.json: its %s is '%s'; only %s is supported", l->dir, what,
		       found, needed);
}

static int check_type(const struct loading *l, const char *part, const char *needed,
		      struct err *reterr)
{
	const json_t *j = json_object_get(l->json, part);
	const char *type = json_get_str(j, "type", json_is_object(j) ? needed : "none");

	return str_eq(type, needed) ? 0 : unsupported(l, part, type, needed, reterr);
}

static int load_normalizer(struct loading *l, struct err *reterr)
{
	const json_t *n = json_object_get(l->json, "normalizer");
	int r = check_type(l, "normalizer", "BertNormalizer", reterr);

	if (r < 0)
		return r;
	l->t->clean_text = json_get_bool(n, "clean_text", true);
	l->t->ideographs = json_get_bool(n, "handle_chinese_chars", true);
	l->t->lowercase = json_get_bool(n, "lowercase", true);
	l->t->strip_accents = json_get_bool(n, "strip_accents", l->t->lowercase);
	return check_type(l, "pre_tokenizer", "BertPreTokenizer", reterr);
}

static int load_vocab(struct loading *l, const json_t *model, struct err *reterr)
{
	json_t *vocab = json_object_get(model, "vocab"), *value;
	const char *key;

	if (!json_is_object(vocab) || !json_object_size(vocab))
		return err_set(reterr, ERR_CORRUPT, "%s/tokenizer.json has no model.vocab", l->dir);
	l->vocab = calloc(json_object_size(vocab), sizeof(*l->vocab));
	if (!l->vocab)
		return err_errno(reterr, ENOMEM, "load %s/tokenizer.json", l->dir);
	json_object_foreach(vocab, key, value) {
		json_int_t id = json_integer_value(value);

		if (!json_is_integer(value) || id < 0 || id >= TOKENIZER_IDS_MAX)
			return err_set(reterr, ERR_CORRUPT,
				       "%s/tokenizer.json: the id of '%s' is not a number below %d",
				       l->dir, key, TOKENIZER_IDS_MAX);
		l->vocab[l->vocab_n++] =
			(struct trie_key){.bytes = key, .len = strlen(key), .value = (int32_t)id};
	}
	return 0;
}

static int load_model(struct loading *l, struct err *reterr)
{
	const json_t *model = json_object_get(l->json, "model");
	int64_t chars = json_get_int(model, "max_input_chars_per_word", 100);
	int r = check_type(l, "model", "WordPiece", reterr);

	if (r < 0)
		return r;
	if (!str_copy(l->prefix, sizeof(l->prefix),
		      json_get_str(model, "continuing_subword_prefix", "##")) ||
	    !str_copy(l->unk, sizeof(l->unk), json_get_str(model, "unk_token", "[UNK]")) ||
	    chars < 1)
		return err_set(reterr, ERR_CORRUPT, "%s/tokenizer.json: its model is not usable",
			       l->dir);
	l->t->word_chars_max = (size_t)chars;
	return load_vocab(l, model, reterr);
}

/* An item of a template: the name of a special token or of a sequence, and its type id. */
static const char *template_item(const json_t *template, size_t i, const char *kind, int type_id)
{
	const json_t *item = json_object_get(json_array_get(template, i), kind);

	return json_get_int(item, "type_id", -1) == type_id ? json_get_str(item, "id", "") : "";
}

static bool template_is_bert(const struct loading *l, const json_t *post)
{
	const json_t *single = json_object_get(post, "single"),
		     *pair = json_object_get(post, "pair");

	return json_array_size(single) == 3 && json_array_size(pair) == 5 &&
	       str_eq(template_item(single, 0, "SpecialToken", 0), l->cls) &&
	       str_eq(template_item(single, 1, "Sequence", 0), "A") &&
	       str_eq(template_item(single, 2, "SpecialToken", 0), l->sep) &&
	       str_eq(template_item(pair, 0, "SpecialToken", 0), l->cls) &&
	       str_eq(template_item(pair, 1, "Sequence", 0), "A") &&
	       str_eq(template_item(pair, 2, "SpecialToken", 0), l->sep) &&
	       str_eq(template_item(pair, 3, "Sequence", 1), "B") &&
	       str_eq(template_item(pair, 4, "SpecialToken", 1), l->sep);
}

static int load_template(struct loading *l, struct err *reterr)
{
	const json_t *post = json_object_get(l->json, "post_processor");
	const json_t *single = json_object_get(post, "single");
	const char *type = json_get_str(post, "type", "none"), *cls = NULL, *sep = NULL;

	if (json_is_null(post) || !post)
		return 0; /* transformers adds the BERT template */
	if (str_eq(type, "BertProcessing")) {
		cls = json_string_value(json_array_get(json_object_get(post, "cls"), 0));
		sep = json_string_value(json_array_get(json_object_get(post, "sep"), 0));
	} else if (str_eq(type, "TemplateProcessing")) {
		cls = template_item(single, 0, "SpecialToken", 0);
		sep = template_item(single, 2, "SpecialToken", 0);
	}
	if (!cls || !sep || !str_copy(l->cls, sizeof(l->cls), cls) ||
	    !str_copy(l->sep, sizeof(l->sep), sep) ||
	    (str_eq(type, "TemplateProcessing") && !template_is_bert(l, post)))
		return unsupported(l, "post_processor", type,
				   "the BERT template [CLS] A [SEP] B [SEP]", reterr);
	return 0;
}

/* Added tokens that are matched in normalised text are normalised themselves. */
static int add_normalized(struct loading *l, const char *content, int32_t id, const json_t *token)
{
	struct tokenizer_scratch *s = tokenizer_scratch_new();
	int r = s ? normalize_block(l->t, s, (const unsigned char *)content, strlen(content))
		  : -ENOMEM;

	if (r >= 0)
		r = added_add(&l->t->normalized, (const char *)s->norm, s->norm_n, id,
			      json_get_bool(token, "lstrip", false),
			      json_get_bool(token, "rstrip", false));
	tokenizer_scratch_free(s);
	return r;
}

static int load_added_token(struct loading *l, const json_t *token, struct err *reterr)
{
	const char *content = json_get_str(token, "content", NULL);
	int64_t id = json_get_int(token, "id", -1);
	int r;

	if (!content || id < 0 || id >= TOKENIZER_IDS_MAX)
		return err_set(reterr, ERR_CORRUPT,
			       "%s/tokenizer.json: an added token has no usable id and content",
			       l->dir);
	if (json_get_bool(token, "single_word", false))
		return unsupported(l, "added token", content, "single_word: false", reterr);
	if ((size_t)id >= l->t->vocab_size)
		l->t->vocab_size = (size_t)id + 1;
	if (json_get_bool(token, "normalized", !json_get_bool(token, "special", false)))
		r = add_normalized(l, content, (int32_t)id, token);
	else
		r = added_add(&l->t->raw, content, strlen(content), (int32_t)id,
			      json_get_bool(token, "lstrip", false),
			      json_get_bool(token, "rstrip", false));
	return r < 0 ? err_errno(reterr, -r, "load %s/tokenizer.json", l->dir) : 0;
}

int load_tokenizer_json(struct loading *l, struct err *reterr)
{
	json_t *added = json_object_get(l->json, "added_tokens"), *token;
	size_t i;
	int r = load_model(l, reterr);

	if (r >= 0)
		r = load_normalizer(l, reterr);
	if (r >= 0)
		r = load_template(l, reterr);
	if (r < 0)
		return r;
	r = load_tokenizer_config(l, reterr);
	if (r < 0)
		return r;
	normalize_tables(l->t);
	json_array_foreach(added, i, token) {
		r = load_added_token(l, token, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}
