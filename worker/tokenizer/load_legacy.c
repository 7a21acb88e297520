/* SPDX-License-Identifier: MIT */
/*
 * The settings as transformers collects them before it calls the tokenizer's class: the keys of
 * tokenizer_config.json, special_tokens_map.json put over them, and the added tokens of all files
 * (PreTrainedTokenizerBase._from_pretrained). `added_tokens_decoder` in tokenizer_config.json turns
 * the other three sources off.
 */
#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/load.h"

#include <string.h>

#define KEY_DECODER "added_tokens_decoder"

/* As Python's `not v`. */
static bool is_falsy(const json_t *v)
{
	return !v || json_is_null(v) || json_is_false(v) ||
	       (json_is_array(v) && !json_array_size(v)) ||
	       (json_is_object(v) && !json_object_size(v)) ||
	       (json_is_string(v) && !json_string_length(v)) ||
	       (json_is_number(v) && !(json_number_value(v) < 0 || json_number_value(v) > 0));
}

/* Special tokens with names of the model's own ("image_token") go to one object. */
static int collect_own_names(struct loading *l, struct err *reterr)
{
	OWN(json_decrefp) json_t *own = json_object();
	json_t *extra, *value;
	const char *key;
	void *next;
	int bad = own ? 0 : -1;

	json_object_foreach_safe(l->config, next, key, value)
	{
		if (loading_is_standard(key) || !str_ends(key, "_token") || !json_is_string(value))
			continue;
		bad |= json_object_set(own, key, value);
		json_object_del(l->config, key);
	}
	l->own = json_copy(own);
	extra = json_object_get(l->config, KEY_EXTRA);
	if (json_is_object(extra)) {
		bad |= json_object_update(own, extra);
		json_object_del(l->config, KEY_EXTRA);
	}
	if (json_object_size(own))
		bad |= json_object_set(l->config, KEY_OWN, own);
	return bad || !l->own ? err_errno(reterr, ENOMEM, "load the tokenizer of %s", l->dir) : 0;
}

static int rename_additional(struct loading *l, struct err *reterr)
{
	json_t *more = json_object_get(l->config, KEY_ADDITIONAL);

	if (!more || !is_falsy(json_object_get(l->config, KEY_EXTRA)))
		return 0;
	if (json_object_set(l->config, KEY_EXTRA, more) < 0)
		return err_errno(reterr, ENOMEM, "load the tokenizer of %s", l->dir);
	json_object_del(l->config, KEY_ADDITIONAL);
	return 0;
}

/* A new reference: {"content", flags} as a special AddedToken. */
static json_t *special_token(const json_t *v)
{
	json_t *made = json_copy((json_t *)v);

	if (json_object_set_new(made, "special", json_true()) < 0 ||
	    json_object_set_new(made, KEY_MADE, json_true()) < 0)
		json_decref(TAKE(made));
	return made;
}

/* A new reference: the existing list, then the list of special_tokens_map.json. */
static json_t *longer_list(const json_t *have, const json_t *more)
{
	json_t *list = json_is_array(have) ? json_copy((json_t *)have) : json_array(), *item;
	size_t i;

	json_array_foreach(more, i, item)
		if (json_array_append_new(list, json_is_object(item) ? special_token(item)
								     : json_incref(item)) < 0)
			break;
	if (i == json_array_size(more))
		return list;
	json_decref(list);
	return NULL;
}

static int merge_special_map(struct loading *l, struct err *reterr)
{
	json_t *value;
	const char *key;
	int bad = 0;

	json_object_foreach(l->map, key, value) {
		bool is_extra = str_eq(key, KEY_EXTRA);
		json_t *have = json_object_get(l->config, key), *set;

		if (is_extra && json_is_array(value))
			set = longer_list(have, value);
		else if (!is_extra && json_is_object(value))
			set = special_token(value);
		else
			set = json_incref(value);
		bad |= json_object_set_new(l->config, key, set);
	}
	value = json_object_get(l->config, KEY_EXTRA);
	if (json_is_object(value)) {
		const json_t *have = json_object_get(l->config, KEY_OWN);
		OWN(json_decrefp) json_t *own = have ? json_copy((json_t *)have) : json_object();

		bad |= json_object_update(own, value);
		bad |= json_object_set(l->config, KEY_OWN, own);
		json_object_del(l->config, KEY_EXTRA);
	}
	return bad ? err_errno(reterr, ENOMEM, "load %s/" FILE_SPECIAL, l->dir) : 0;
}

/* The text of a token as Python's str() writes it at this point; NULL for a value that is no token
 * yet. */
static const char *text_of(const json_t *v)
{
	if (json_is_object(v) && json_object_get(v, KEY_MADE))
		return json_get_str(v, "content", NULL);
	return json_string_value(v);
}

static bool is_special(const struct loading *l, const char *token)
{
	json_t *extra = json_object_get(l->config, KEY_EXTRA), *value;
	const char *key;
	size_t i;

	json_object_foreach(l->config, key, value) {
		if (loading_is_standard(key) && str_eq(text_of(value), token))
			return true;
	}
	json_array_foreach(extra, i, value) {
		if (str_eq(text_of(value), token))
			return true;
	}
	return false;
}

/* {"[USER]": 30522} */
static int merge_added_file(struct loading *l, struct err *reterr)
{
	json_t *index;
	const char *key;
	int r = load_object(l, FILE_ADDED, &l->added, reterr);

	if (r < 0)
		return r;
	json_object_foreach(l->added, key, index) {
		struct token_def token = {.content = key, .index = json_number_value(index)};

		if (!json_is_number(index))
			return err_set(reterr, ERR_CORRUPT,
				       "%s/" FILE_ADDED ": the id of '%s' is %s, not a number",
				       l->dir, key, json_type_name(index));
		token.special = is_special(l, key);
		token.normalized = !token.special;
		r = token_defs_set(&l->decoder, token, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "%s/" FILE_ADDED, l->dir);
	}
	return 0;
}

static int merge_tokenizer_json(struct loading *l, struct err *reterr)
{
	json_t *added = json_object_get(l->json, "added_tokens"), *item;
	const char *type = json_get_str(json_object_get(l->json, "model"), "type", "");
	size_t i;

	if (!json_is_array(added) && (str_eq(type, "WordPiece") || str_eq(type, "BPE")))
		return err_set(reterr, ERR_CORRUPT, "%s/" FILE_TOKENIZER " has no added_tokens",
			       l->dir); /* another type is refused as such */
	json_array_foreach(added, i, item) {
		const json_t *id = json_object_get(item, "id");
		struct token_def token;
		int r;

		if (!token_def_parse(item, &token) || !json_is_integer(id) ||
		    json_integer_value(id) < 0 || json_integer_value(id) >= TOKENIZER_IDS_MAX)
			return err_set(reterr, ERR_CORRUPT,
				       "%s/" FILE_TOKENIZER
				       ": added_tokens/%zu has no valid id, content and flags",
				       l->dir, i);
		token.index = (double)json_integer_value(id);
		r = token_defs_set(&l->decoder, token, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "%s/" FILE_TOKENIZER, l->dir);
	}
	return 0;
}

/* {"30522": {"content": "[USER]", …}} */
static int read_decoder(struct loading *l, json_t *decoder, struct err *reterr)
{
	json_t *value;
	const char *key;

	if (!json_is_object(decoder))
		return err_set(reterr, ERR_CORRUPT,
			       "%s/" FILE_CONFIG ": " KEY_DECODER " is %s, not an object", l->dir,
			       json_type_name(decoder));
	json_object_foreach(decoder, key, value) {
		struct token_def token;
		int64_t id;
		int r;

		if (str_to_i64(key, &id) < 0 || id < 0 || id >= TOKENIZER_IDS_MAX ||
		    !token_def_parse(value, &token))
			return err_set(
				reterr, ERR_CORRUPT,
				"%s/" FILE_CONFIG ": " KEY_DECODER
				"/%s is not an id below %d with a token that has content and flags",
				l->dir, key, TOKENIZER_IDS_MAX);
		token.index = (double)id;
		r = token_defs_set(&l->decoder, token, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "%s/" FILE_CONFIG, l->dir);
	}
	return 0;
}

int load_legacy(struct loading *l, struct err *reterr)
{
	json_t *decoder = json_object_get(l->config, KEY_DECODER);
	int r = rename_additional(l, reterr);

	if (r >= 0)
		r = collect_own_names(l, reterr);
	if (r < 0)
		return r;
	if (decoder)
		return read_decoder(l, decoder, reterr);
	r = load_object(l, FILE_SPECIAL, &l->map, reterr);
	if (r >= 0 && l->map)
		r = merge_special_map(l, reterr);
	if (r >= 0)
		r = merge_added_file(l, reterr);
	return r >= 0 && l->json ? merge_tokenizer_json(l, reterr) : r;
}
