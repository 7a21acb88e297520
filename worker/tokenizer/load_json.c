/* SPDX-License-Identifier: MIT */
/*
 * Reads tokenizer.json of `tokenizers`. Only what BERT needs is supported. Anything that would give
 * other ids is refused, never ignored. BertTokenizer of transformers 5 uses the vocabulary alone
 * and builds the rest itself; earlier versions use the whole file. If the two differ, the file is
 * refused.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/load.h"

#include <string.h>

static int unsupported(const struct loading *l, const char *what, const char *found,
		       const char *needed, struct err *reterr)
{
	return load_refuse(l, FILE_TOKENIZER, reterr, "%s is '%s'; only %s is supported", what,
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
	if (l->family && !l->t->clean_text)
		return unsupported(l, "normalizer/clean_text", "false",
				   "true, which BertTokenizer takes,", reterr);
	return check_type(l, "pre_tokenizer", "BertPreTokenizer", reterr);
}

int load_vocab(struct loading *l, const char *file, const json_t *vocab, struct err *reterr)
{
	json_t *value;
	const char *key;

	if (!json_is_object(vocab) || !json_object_size(vocab))
		return err_set(reterr, ERR_CORRUPT, "%s/%s has no %s", l->dir, file,
			       l->json ? "model.vocab" : "vocabulary");
	l->vocab = calloc(json_object_size(vocab), sizeof(*l->vocab));
	if (!l->vocab)
		return err_errno(reterr, ENOMEM, "load %s/%s", l->dir, file);
	json_object_foreach((json_t *)vocab, key, value) {
		json_int_t id = json_integer_value(value);

		if (!json_is_integer(value) || id < 0 || id >= TOKENIZER_IDS_MAX)
			return err_set(reterr, ERR_CORRUPT,
				       "%s/%s: the id of '%s' is not a number below %d", l->dir,
				       file, key, TOKENIZER_IDS_MAX);
		l->vocab[l->vocab_n++] =
			(struct trie_key){.bytes = key, .len = strlen(key), .value = (int32_t)id};
	}
	return 0;
}

/* BertTokenizer takes these three from its arguments; the file must have the same values. */
static int check_model_of_bert(const struct loading *l, const json_t *model, struct err *reterr)
{
	const struct token_def *unk = loading_named(l, "unk_token");
	const char *own = json_get_str(model, "unk_token", "[UNK]");

	if (l->t->word_chars_max != WORD_CHARS_DEFAULT)
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "model/max_input_chars_per_word is %zu; BertTokenizer takes %d",
				   l->t->word_chars_max, WORD_CHARS_DEFAULT);
	if (!str_eq(l->prefix, PREFIX_DEFAULT))
		return load_refuse(
			l, FILE_TOKENIZER, reterr,
			"model/continuing_subword_prefix is '%s'; BertTokenizer takes '%s'",
			l->prefix, PREFIX_DEFAULT);
	if (unk && !str_eq(unk->content, own))
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "model/unk_token is '%s'; BertTokenizer takes unk_token '%s'",
				   own, unk->content);
	return 0;
}

static int load_model(struct loading *l, struct err *reterr)
{
	const json_t *model = json_object_get(l->json, "model");
	int64_t chars = json_get_int(model, "max_input_chars_per_word", WORD_CHARS_DEFAULT);
	int r = check_type(l, "model", "WordPiece", reterr);

	if (r < 0)
		return r;
	if (!str_copy(l->prefix, sizeof(l->prefix),
		      json_get_str(model, "continuing_subword_prefix", PREFIX_DEFAULT)) ||
	    chars < 1)
		return err_set(reterr, ERR_CORRUPT, "%s/tokenizer.json: 'model' is not valid",
			       l->dir);
	l->t->word_chars_max = (size_t)chars;
	l->unk = json_get_str(model, "unk_token", "[UNK]");
	r = l->family ? check_model_of_bert(l, model, reterr) : 0;
	return r < 0 ? r : load_vocab(l, FILE_TOKENIZER, json_object_get(model, "vocab"), reterr);
}

/* An item of a template: the name of a special token or of a sequence, and its type id. */
static const char *template_item(const json_t *template, size_t i, const char *kind, int type_id)
{
	const json_t *item = json_object_get(json_array_get(template, i), kind);

	return json_get_int(item, "type_id", -1) == type_id ? json_get_str(item, "id", "") : "";
}

static bool template_is_bert(const json_t *post, const char *cls, const char *sep)
{
	const json_t *single = json_object_get(post, "single"),
		     *pair = json_object_get(post, "pair");

	return json_array_size(single) == 3 && json_array_size(pair) == 5 &&
	       str_eq(template_item(single, 0, "SpecialToken", 0), cls) &&
	       str_eq(template_item(single, 1, "Sequence", 0), "A") &&
	       str_eq(template_item(single, 2, "SpecialToken", 0), sep) &&
	       str_eq(template_item(pair, 0, "SpecialToken", 0), cls) &&
	       str_eq(template_item(pair, 1, "Sequence", 0), "A") &&
	       str_eq(template_item(pair, 2, "SpecialToken", 0), sep) &&
	       str_eq(template_item(pair, 3, "Sequence", 1), "B") &&
	       str_eq(template_item(pair, 4, "SpecialToken", 1), sep);
}

/* The one id that the file gives to a token of the template, -1: none, or several. */
static int32_t template_id(const json_t *post, const char *name)
{
	const json_t *token = json_object_get(json_object_get(post, "special_tokens"), name);
	const json_t *ids = json_object_get(token, "ids"), *id = json_array_get(ids, 0);
	json_int_t value = json_integer_value(id);

	return json_array_size(ids) == 1 && json_is_integer(id) && value >= 0 &&
			       value < TOKENIZER_IDS_MAX
		       ? (int32_t)value
		       : -1;
}

int32_t load_pair_id(const json_t *pair)
{
	json_int_t value = json_integer_value(json_array_get(pair, 1));

	return json_is_integer(json_array_get(pair, 1)) && value >= 0 && value < TOKENIZER_IDS_MAX
		       ? (int32_t)value
		       : -1;
}

/* Read the tokens around a text, with their ids. False: the template is not that of the class. */
static bool read_template(struct loading *l, const json_t *post, const char **ret_cls,
			  const char **ret_sep)
{
	const char *type = json_get_str(post, "type", "");
	const json_t *single = json_object_get(post, "single"), *cls = json_object_get(post, "cls"),
		     *sep = json_object_get(post, "sep");

	if (str_eq(type, l->t->double_frame ? "RobertaProcessing" : "BertProcessing")) {
		*ret_cls = json_string_value(json_array_get(cls, 0));
		*ret_sep = json_string_value(json_array_get(sep, 0));
		l->cls_id = load_pair_id(cls);
		l->sep_id = load_pair_id(sep);
	} else if (str_eq(type, "TemplateProcessing") && !l->t->double_frame) {
		*ret_cls = template_item(single, 0, "SpecialToken", 0);
		*ret_sep = template_item(single, 2, "SpecialToken", 0);
		l->cls_id = template_id(post, *ret_cls);
		l->sep_id = template_id(post, *ret_sep);
		if (!template_is_bert(post, *ret_cls, *ret_sep))
			return false;
	}
	return *ret_cls && *ret_sep && l->cls_id >= 0 && l->sep_id >= 0;
}

static int load_template(struct loading *l, struct err *reterr)
{
	const json_t *post = json_object_get(l->json, "post_processor");
	const struct token_def *named_cls = loading_named(l, "cls_token"),
			       *named_sep = loading_named(l, "sep_token");
	const char *cls = NULL, *sep = NULL;

	if (l->family && (!post || json_is_null(post)))
		return 0; /* the class makes the template itself */
	if (!read_template(l, post, &cls, &sep))
		return unsupported(l, "post_processor", json_get_str(post, "type", "none"),
				   l->t->double_frame
					   ? "RobertaProcessing"
					   : "the BERT template [CLS] A [SEP] B [SEP] with one id "
					     "each",
				   reterr);
	if (!l->family || !named_cls || !named_sep ||
	    (str_eq(named_cls->content, cls) && str_eq(named_sep->content, sep)))
		return 0;
	return load_refuse(l, FILE_TOKENIZER, reterr,
			   "post_processor has '%s' and '%s'; %s takes cls_token '%s' and "
			   "sep_token '%s'",
			   cls, sep, l->family->tokenizer, named_cls->content, named_sep->content);
}

int load_tokenizer_json(struct loading *l, struct err *reterr)
{
	int r = load_model(l, reterr);

	if (r >= 0)
		r = load_normalizer(l, reterr);
	return r < 0 ? r : load_template(l, reterr);
}
