/* SPDX-License-Identifier: MIT */
/*
 * tokenizer_load() and the small getters. A directory with tokenizer.json is read from it, else
 * from the vocabulary of its class with that class's defaults. In both cases tokenizer_config.json
 * takes precedence.
 */
#include "worker/tokenizer/load.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

static size_t trimmed(const char *s, size_t len)
{
	size_t n;

	while (len && (n = space_before((const unsigned char *)s, len)) > 0)
		len -= n;
	return len;
}

static int parse_vocab_txt(struct loading *l, const char *path, struct err *reterr)
{
	const char *p = buf_str(&l->text), *end = p + l->text.len;
	size_t lines = 0;

	if (!str_utf8_valid(p, l->text.len))
		return err_set(reterr, ERR_CORRUPT, "%s is not valid UTF-8", path);
	for (const char *q = p; q < end; q++)
		lines += *q == '\n';
	if (!l->text.len || lines >= TOKENIZER_IDS_MAX)
		return err_set(reterr, ERR_CORRUPT, "%s is empty or has too many lines", path);
	l->vocab = calloc(lines + 1, sizeof(*l->vocab));
	if (!l->vocab)
		return err_errno(reterr, ENOMEM, "load %s", path);
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		l->vocab[l->vocab_n] = (struct trie_key){
			.bytes = p, .len = trimmed(p, len), .value = (int32_t)l->vocab_n};
		l->vocab_n++;
		p += len + 1;
	}
	return 0;
}

static int load_vocab_txt(struct loading *l, struct err *reterr)
{
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), l->dir, FILE_VOCAB))
		return err_errno(reterr, ENAMETOOLONG, "read %s", l->dir);
	r = roots_read(path, &l->text, reterr);
	if (r == -ENOENT)
		return err_set(reterr, ENOENT,
			       "%s has neither tokenizer.json nor vocab.txt; name a directory with "
			       "a BERT tokenizer",
			       l->dir);
	return r < 0 ? r : parse_vocab_txt(l, path, reterr);
}

static int check_unknown(const struct loading *l, struct err *reterr)
{
	if (l->t->special.unk >= 0 || l->t->byte_level)
		return 0;
	return load_refuse(l, l->json ? FILE_TOKENIZER : FILE_VOCAB, reterr,
			   "unk_token '%s' is not in the vocabulary", l->unk);
}

/* Build the trie of all entries, for words that start, and that of the entries with the prefix, for
 * words that continue. */
static int build_tries(struct loading *l, struct err *reterr)
{
	size_t prefix = strlen(l->prefix), n = 0;
	OWN(freep) struct trie_key *rest = calloc(l->vocab_n, sizeof(*rest));

	if (!rest)
		return err_errno(reterr, ENOMEM, "load %s", l->dir);
	for (size_t i = 0; i < l->vocab_n && !l->t->byte_level; i++) {
		const struct trie_key *k = &l->vocab[i];

		if (k->len < prefix || memcmp(k->bytes, l->prefix, prefix) != 0)
			continue;
		rest[n++] = (struct trie_key){
			.bytes = k->bytes + prefix, .len = k->len - prefix, .value = k->value};
	}
	if (trie_build(&l->t->continued, rest, n) < 0 ||
	    trie_build(&l->t->whole, l->vocab, l->vocab_n) < 0)
		return err_errno(reterr, ENOMEM, "load %s", l->dir);
	return 0;
}

/* Count the distinct texts of the vocabulary, which build_tries() has sorted. */
static void count_vocab(struct loading *l)
{
	const struct trie_key *k = l->vocab;

	l->distinct_n = 0;
	for (size_t i = 0; i < l->vocab_n; i++) {
		if (!i || k[i].len != k[i - 1].len ||
		    memcmp(k[i].bytes, k[i - 1].bytes, k[i].len) != 0)
			l->distinct_n++;
		if ((size_t)k[i].value >= l->t->vocab_size)
			l->t->vocab_size = (size_t)k[i].value + 1;
	}
}

static void loading_done(struct loading *l)
{
	free(l->vocab);
	free(l->merges);
	json_decref(l->json);
	json_decref(l->vocab_bpe);
	json_decref(l->model);
	json_decref(l->config);
	json_decref(l->map);
	json_decref(l->added);
	json_decref(l->own);
	token_defs_done(&l->decoder);
	token_defs_done(&l->extra);
	buf_done(&l->text);
}

static int read_tokenizer_json(struct loading *l, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(TOKENIZER_FILE_MAX);
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), l->dir, FILE_TOKENIZER))
		return err_errno(reterr, ENAMETOOLONG, "read %s", l->dir);
	r = roots_read(path, &text, reterr);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = json_parse(buf_str(&text), text.len, &l->json, NULL);
	if (r == -ERR_INVALID || (r >= 0 && !json_is_object(l->json)))
		return err_set(reterr, ERR_CORRUPT, "%s is not valid JSON", path);
	return r;
}

/* A family's class needs these arguments for its template, and for its word pieces. */
static int set_names(struct loading *l, struct err *reterr)
{
	static const char *const needed[] = {"cls_token", "sep_token", "unk_token"};
	const struct token_def *token = NULL;
	size_t n = l->t->byte_level ? 2 : ARRAY_LEN(needed); /* no byte is unknown */

	for (size_t i = 0; i < n && l->family; i++) {
		token = loading_named(l, needed[i]);
		if (!token)
			return load_refuse(l, FILE_CONFIG, reterr, "%s is null", needed[i]);
		if (i < 2 && !l->t->double_frame &&
		    (strpbrk(token->content, ": \t\n") || *token->content == '$'))
			return load_refuse(l, FILE_CONFIG, reterr,
					   "%s is '%s', which no template can have", needed[i],
					   token->content);
	}
	token = loading_named(l, "unk_token");
	if (l->family && token)
		l->unk = token->content;
	return 0;
}

static int load_model_files(struct loading *l, struct err *reterr)
{
	if (l->t->byte_level)
		return load_bytepair(l, reterr);
	return l->json ? load_tokenizer_json(l, reterr) : load_vocab_txt(l, reterr);
}

static int load_files(struct loading *l, struct err *reterr)
{
	int r = read_tokenizer_json(l, reterr);

	if (r >= 0)
		r = load_class(l, reterr);
	if (r >= 0)
		r = load_legacy(l, reterr);
	if (r >= 0)
		r = load_special(l, reterr);
	if (r >= 0)
		r = set_names(l, reterr);
	if (r >= 0)
		r = load_model_files(l, reterr);
	return r < 0 ? r : load_flags(l, reterr);
}

/* A new scratch has 0. */
static atomic_uint_fast64_t serials = 1;

int tokenizer_load(const char *model_dir, struct tokenizer **ret, struct err *reterr)
{
	OWN(tokenizer_freep) struct tokenizer *t = calloc(1, sizeof(*t));
	OWN(loading_done)
	struct loading l = {.t = t,
			    .dir = model_dir,
			    .text = BUF_INIT(TOKENIZER_FILE_MAX),
			    .prefix = PREFIX_DEFAULT,
			    .cls_id = -1,
			    .sep_id = -1};
	int r;

	if (!t)
		return err_errno(reterr, ENOMEM, "load the tokenizer of %s", model_dir);
	t->word_chars_max = WORD_CHARS_DEFAULT;
	t->serial = atomic_fetch_add(&serials, 1);
	r = load_files(&l, reterr);
	if (r >= 0)
		r = build_tries(&l, reterr);
	if (r >= 0 && t->byte_level)
		r = build_bytepair(&l, reterr);
	if (r < 0)
		return r;
	count_vocab(&l);
	normalize_tables(t);
	r = load_added(&l, reterr);
	if (r >= 0)
		r = check_unknown(&l, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(t);
	return 0;
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	trie_done(&t->whole);
	trie_done(&t->continued);
	added_done(&t->raw);
	added_done(&t->normalized);
	free(t->merges.slots);
	free(t);
}

void tokenizer_freep(struct tokenizer **t)
{
	tokenizer_free(*t);
}

size_t tokenizer_vocab_size(const struct tokenizer *t)
{
	return t->vocab_size;
}

int tokenizer_check_rows(const struct tokenizer *t, const char *model_dir, int64_t rows,
			 struct err *reterr)
{
	if (t->vocab_size <= (size_t)rows)
		return 0;
	return err_set(reterr, ERR_UNSUPPORTED,
		       "%s: the tokenizer makes ids up to %zu, but the model has %lld embedding "
		       "rows (vocab_size in config.json); resize the model's embeddings to the "
		       "tokenizer, or remove the added tokens from its files",
		       model_dir, t->vocab_size - 1, (long long)rows);
}

const struct tokenizer_special *tokenizer_special(const struct tokenizer *t)
{
	return &t->special;
}

size_t tokenizer_model_max_length(const struct tokenizer *t)
{
	return t->model_max_length;
}

bool tokenizer_has_type_ids(const struct tokenizer *t)
{
	return t->has_type_ids;
}
