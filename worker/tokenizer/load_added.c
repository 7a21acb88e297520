/* SPDX-License-Identifier: MIT */
/*
 * Ids of added tokens. No file decides them: `tokenizers` gives a token its id of the vocabulary,
 * else the next free one, in the order in which the tokens are added. And transformers
 * adds what the files list in a fixed order (TokenizersBackend.__init__, AddedVocabulary).
 */
#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/load.h"

#include <string.h>

struct known_id {
	const char *content;
	int32_t id;
};

/* AddedVocabulary. */
struct vocabulary {
	struct loading *l;
	struct token_defs tokens; /* `index` is the id; one for each id, with its newest flags */
	struct known_id *ids;
	size_t ids_n;
};

static void vocabulary_done(struct vocabulary *v)
{
	token_defs_done(&v->tokens);
	free(v->ids);
}

/* The id of a text in the vocabulary, -1 if it is missing. */
static int32_t loading_find(const struct loading *l, const char *token)
{
	size_t len = strlen(token);
	int32_t id = -1;

	for (size_t i = 0; i < l->vocab_n; i++)
		if (l->vocab[i].len == len && memcmp(l->vocab[i].bytes, token, len) == 0 &&
		    l->vocab[i].value > id)
			id = l->vocab[i].value;
	return id;
}

static int32_t id_of(const struct vocabulary *v, const char *content)
{
	for (size_t i = 0; i < v->ids_n; i++)
		if (str_eq(v->ids[i].content, content))
			return v->ids[i].id;
	return loading_find(v->l, content);
}

static int32_t next_id(const struct vocabulary *v)
{
	int32_t most = -1;

	for (size_t i = 0; i < v->ids_n; i++)
		if (v->ids[i].id > most)
			most = v->ids[i].id;
	return most >= (int32_t)v->l->distinct_n ? most + 1 : (int32_t)v->l->distinct_n;
}

static struct token_def *token_of(const struct vocabulary *v, int32_t id)
{
	for (size_t i = 0; i < v->tokens.n; i++)
		if ((int32_t)v->tokens.items[i].index == id)
			return &v->tokens.items[i];
	return NULL;
}

static bool is_known(const struct vocabulary *v, const struct token_def *token)
{
	for (size_t i = 0; i < v->tokens.n; i++)
		if (token_def_equal(&v->tokens.items[i], token))
			return true;
	return false;
}

static int remember_id(struct vocabulary *v, const char *content, int32_t id, struct err *reterr)
{
	struct known_id *grown;

	for (size_t i = 0; i < v->ids_n; i++)
		if (str_eq(v->ids[i].content, content))
			return 0;
	grown = realloc(v->ids, (v->ids_n + 1) * sizeof(*grown));
	if (!grown)
		return err_errno(reterr, ENOMEM, "load the added tokens");
	grown[v->ids_n++] = (struct known_id){content, id};
	v->ids = grown;
	return 0;
}

static int add_one(struct vocabulary *v, struct token_def token, struct err *reterr)
{
	int32_t id = id_of(v, token.content);
	struct token_def *known;
	int r;

	if (id < 0)
		id = next_id(v);
	r = remember_id(v, token.content, id, reterr);
	if (r < 0)
		return r;
	token.index = id;
	known = token_of(v, id);
	if (!known)
		return token_defs_add(&v->tokens, token, reterr);
	*known = token;
	return 0;
}

static int add_all(struct vocabulary *v, const struct token_defs *tokens, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < tokens->n && r >= 0; i++)
		if (*tokens->items[i].content && !is_known(v, &tokens->items[i]))
			r = add_one(v, tokens->items[i], reterr);
	return r;
}

/* Add the tokens of tokenizer.json, with which the generic class starts. */
static int add_own_of_file(struct vocabulary *v, struct err *reterr)
{
	OWN(token_defs_done) struct token_defs tokens = {0};
	json_t *added = json_object_get(v->l->json, "added_tokens"), *item;
	size_t i;
	int r = 0;

	json_array_foreach(added, i, item) {
		struct token_def token;

		if (!token_def_parse(item, &token))
			return err_set(reterr, ERR_CORRUPT,
				       "%s/" FILE_TOKENIZER
				       ": added_tokens/%zu has no valid content and flags",
				       v->l->dir, i);
		r = token_defs_add(&tokens, token, reterr);
		if (r < 0)
			return r;
	}
	return add_all(v, &tokens, reterr);
}

static int by_index(const void *a, const void *b)
{
	const struct token_def *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

/* The decoder's tokens by their ids, the last of each id. */
static int list_decoder(const struct token_defs *decoder, struct token_defs *todo,
			struct err *reterr)
{

	for (size_t i = 0; i < decoder->n; i++) {
		size_t later = i + 1;
		int r;

		while (later < decoder->n &&
		       (decoder->items[later].index < decoder->items[i].index ||
			decoder->items[later].index > decoder->items[i].index))
			later++;
		if (later < decoder->n)
			continue;
		r = token_defs_add(todo, decoder->items[i], reterr);
		if (r < 0)
			return r;
	}
	if (todo->n)
		qsort(todo->items, todo->n, sizeof(*todo->items), by_index);
	return 0;
}

static bool is_listed(const struct vocabulary *v, const struct token_defs *todo, size_t decoder_n,
		      const struct token_def *token)
{
	for (size_t i = 0; i < v->tokens.n; i++)
		if (str_eq(v->tokens.items[i].content, token->content))
			return true;
	for (size_t i = 0; i < todo->n; i++) {
		const struct token_def *t = &todo->items[i];

		if (i < decoder_n ? str_eq(t->content, token->content)
				  : t->is_text == token->is_text && token_def_equal(t, token))
			return true;
	}
	return false;
}

static bool is_named(const struct loading *l, const char *content)
{
	for (size_t i = 0; i < l->named_n; i++)
		if (l->named[i].is_set && str_eq(l->named[i].token.content, content))
			return true;
	return false;
}

static int add_listed(struct vocabulary *v, struct err *reterr)
{
	OWN(token_defs_done) struct token_defs todo = {0};
	const struct loading *l = v->l;
	int r = list_decoder(&l->decoder, &todo, reterr);
	size_t n = todo.n;

	for (size_t i = 0; i < l->named_n && r >= 0; i++)
		if (l->named[i].is_set && !is_listed(v, &todo, n, &l->named[i].token))
			r = token_defs_add(&todo, l->named[i].token, reterr);
	for (size_t i = 0; i < l->extra.n && r >= 0; i++)
		if (!is_listed(v, &todo, n, &l->extra.items[i]))
			r = token_defs_add(&todo, l->extra.items[i], reterr);
	for (size_t i = 0; i < todo.n; i++)
		todo.items[i].special |= is_named(l, todo.items[i].content);
	return r < 0 ? r : add_all(v, &todo, reterr);
}

static void count_id(struct tokenizer *t, int32_t id)
{
	if (id >= 0 && (size_t)id >= t->vocab_size)
		t->vocab_size = (size_t)id + 1;
}

/* Refuse two tokens that match the same text, because `tokenizers` may take either one. */
static bool is_taken(const struct added_set *set, const char *pattern, size_t len)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->tokens[i].len == len && memcmp(set->tokens[i].content, pattern, len) == 0)
			return true;
	return false;
}

/* A token that is matched in normalised text is normalised itself. */
static int match_one(const struct loading *l, const struct token_def *token, struct err *reterr)
{
	OWN(tokenizer_scratch_freep) struct tokenizer_scratch *s = tokenizer_scratch_new();
	struct added_set *set = token->normalized ? &l->t->normalized : &l->t->raw;
	const char *file = l->json ? FILE_TOKENIZER : FILE_CONFIG, *pattern = token->content;
	size_t len = strlen(pattern);
	bool normalize = token->normalized && !l->t->byte_level;

	if (token->single_word)
		return load_refuse(l, file, reterr, "the added token '%s' has single_word: true",
				   token->content);
	if (!s || (normalize && normalize_block(l->t, s, (const unsigned char *)pattern, len) < 0))
		return err_errno(reterr, ENOMEM, "load the added tokens");
	if (normalize) {
		pattern = (const char *)s->norm;
		len = s->norm_n;
	}
	if (is_taken(set, pattern, len))
		return load_refuse(l, file, reterr,
				   "the added token '%s' is the same as another one when both are "
				   "normalised",
				   token->content);
	if (added_add(set, pattern, len, (int32_t)token->index, token->lstrip, token->rstrip) < 0)
		return err_errno(reterr, ENOMEM, "load the added tokens");
	return 0;
}

static int match_all(const struct vocabulary *v, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < v->tokens.n && r >= 0; i++) {
		count_id(v->l->t, (int32_t)v->tokens.items[i].index);
		r = match_one(v->l, &v->tokens.items[i], reterr);
	}
	return r;
}

static int32_t named_id(const struct vocabulary *v, const char *name)
{
	const struct token_def *token = loading_named(v->l, name);

	return token ? id_of(v, token->content) : -1;
}

static void fill_special(struct vocabulary *v)
{
	struct loading *l = v->l;
	bool own = l->family;

	l->t->special = (struct tokenizer_special){
		.pad = named_id(v, "pad_token"),
		.unk = l->unk ? loading_find(l, l->unk) : -1, /* the model's, not an added one */
		.cls = own ? named_id(v, "cls_token") : l->cls_id,
		.sep = own ? named_id(v, "sep_token") : l->sep_id,
		.mask = named_id(v, "mask_token")};
	count_id(l->t, l->t->special.cls);
	count_id(l->t, l->t->special.sep);
}

/* The id that the files give to a token of the template; -1: none. */
static int32_t id_of_files(const struct loading *l, const char *name, int32_t template_id)
{
	const struct token_def *token = loading_named(l, name);
	const struct token_def *listed =
		token ? token_defs_find(&l->decoder, token->content) : NULL;

	return l->json ? template_id : listed ? (int32_t)listed->index : -1;
}

/* transformers 4 puts the ids of the files around a text; a family's class of 5 takes those of the
 * vocabulary. */
static int check_template(const struct loading *l, const char *name, int32_t id,
			  int32_t template_id, struct err *reterr)
{
	int32_t stated = id_of_files(l, name, template_id);

	if (stated < 0 || stated == id)
		return 0;
	return load_refuse(l, l->json ? FILE_TOKENIZER : FILE_CONFIG, reterr,
			   "the file gives %s the id %d, but the vocabulary gives it %d", name,
			   stated, id);
}

int load_added(struct loading *l, struct err *reterr)
{
	OWN(vocabulary_done) struct vocabulary v = {.l = l};
	int r = l->family ? 0 : add_own_of_file(&v, reterr);

	if (r >= 0)
		r = add_listed(&v, reterr);
	if (r >= 0)
		r = match_all(&v, reterr);
	if (r < 0)
		return r;
	fill_special(&v);
	r = check_template(l, "cls_token", l->t->special.cls, l->cls_id, reterr);
	return r < 0 ? r : check_template(l, "sep_token", l->t->special.sep, l->sep_id, reterr);
}
