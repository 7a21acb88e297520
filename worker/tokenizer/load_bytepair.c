/* SPDX-License-Identifier: MIT */
/*
 * Loads byte-level BPE as RobertaTokenizer does: vocabulary and merges of tokenizer.json, else of
 * vocab.json and merges.txt. transformers 5 takes only these two from tokenizer.json and builds the
 * rest itself; earlier versions take the whole file. If the two differ, the file is refused.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/tokenizer/load.h"
#include "worker/tokenizer/unicode.h"

#include <limits.h>
#include <string.h>

#define CLASS		"RobertaTokenizer"
#define VERSION_LINE	"#version" /* lines of merges.txt that begin with it are no merges */
#define BYTE_CHAR_FIRST 256	   /* the first character that stands for an unprintable byte */

static const char *merges_file(const struct loading *l)
{
	return l->json ? FILE_TOKENIZER : FILE_MERGES;
}

static int check_parts(const struct loading *l, struct err *reterr)
{
	const json_t *before = json_object_get(l->json, "pre_tokenizer");
	const json_t *normalizer = json_object_get(l->json, "normalizer");
	const char *type = json_get_str(before, "type", "none");

	if (!str_eq(type, "ByteLevel"))
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "pre_tokenizer is '%s'; " CLASS " takes ByteLevel", type);
	if (!json_get_bool(before, "use_regex", true))
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "pre_tokenizer/use_regex is false; " CLASS " takes true");
	if (normalizer && !json_is_null(normalizer))
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "normalizer is '%s'; " CLASS " takes none",
				   json_get_str(normalizer, "type", "unknown"));
	return 0;
}

/* True for the values with which `tokenizers` does nothing. */
static bool is_unset(const json_t *v)
{
	return !v || json_is_null(v) || json_is_false(v) ||
	       (json_is_string(v) && !json_string_length(v));
}

static int check_model(const struct loading *l, const json_t *model, struct err *reterr)
{
	static const char *const refused[] = {"dropout", "continuing_subword_prefix",
					      "end_of_word_suffix", "byte_fallback",
					      "ignore_merges"};
	const char *type = json_get_str(model, "type", "none");

	if (!str_eq(type, "BPE"))
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "model/type is '%s'; " CLASS " takes BPE", type);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (!is_unset(json_object_get(model, refused[i])))
			return load_refuse(l, FILE_TOKENIZER, reterr,
					   "model/%s is set; " CLASS " takes none", refused[i]);
	return 0;
}

/* Read the ids that the file puts around a text; load_added() compares them with those of the
 * vocabulary, which RobertaTokenizer takes. */
static int read_frame(struct loading *l, struct err *reterr)
{
	const json_t *post = json_object_get(l->json, "post_processor");
	const char *type = json_get_str(post, "type", "none");

	if (!post || json_is_null(post))
		return 0; /* RobertaTokenizer makes the template itself */
	if (!str_eq(type, "RobertaProcessing"))
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "post_processor is '%s'; " CLASS " takes RobertaProcessing",
				   type);
	l->cls_id = load_pair_id(json_object_get(post, "cls"));
	l->sep_id = load_pair_id(json_object_get(post, "sep"));
	if (l->cls_id >= 0 && l->sep_id >= 0)
		return 0;
	return err_set(reterr, ERR_CORRUPT,
		       "%s/" FILE_TOKENIZER ": post_processor has no valid cls and sep", l->dir);
}

static int bad_merge(const struct loading *l, size_t number, struct err *reterr)
{
	return err_set(reterr, ERR_CORRUPT,
		       "%s/%s: merge %zu is not two pieces with a space between", l->dir,
		       merges_file(l), number);
}

/* "a b" */
static int add_merge(struct loading *l, const char *line, size_t len, struct err *reterr)
{
	const char *space = memchr(line, ' ', len);
	size_t left = space ? (size_t)(space - line) : len;
	struct merge_text *m = &l->merges[l->merges_n];

	if (!space || memchr(space + 1, ' ', len - left - 1))
		return bad_merge(l, l->merges_n, reterr);
	*m = (struct merge_text){line, space + 1, left, len - left - 1};
	l->merges_n++;
	return 0;
}

/* ["a", "b"], or "a b" in older files. */
static int add_json_merge(struct loading *l, const json_t *item, struct err *reterr)
{
	const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);

	if (json_is_string(item))
		return add_merge(l, json_string_value(item), json_string_length(item), reterr);
	if (json_array_size(item) != 2 || !json_is_string(left) || !json_is_string(right))
		return bad_merge(l, l->merges_n, reterr);
	l->merges[l->merges_n++] =
		(struct merge_text){json_string_value(left), json_string_value(right),
				    json_string_length(left), json_string_length(right)};
	return 0;
}

static int new_merges(struct loading *l, size_t n, struct err *reterr)
{
	l->merges = calloc(n + 1, sizeof(*l->merges));
	return l->merges ? 0 : err_errno(reterr, ENOMEM, "load the tokenizer of %s", l->dir);
}

static int read_json_merges(struct loading *l, const json_t *list, struct err *reterr)
{
	json_t *item;
	size_t i;
	int r;

	if (!json_is_array(list))
		return err_set(reterr, ERR_CORRUPT, "%s/" FILE_TOKENIZER " has no model.merges",
			       l->dir);
	r = new_merges(l, json_array_size(list), reterr);
	json_array_foreach(list, i, item) {
		if (r >= 0)
			r = add_json_merge(l, item, reterr);
	}
	return r;
}

static int load_from_json(struct loading *l, struct err *reterr)
{
	const json_t *model = json_object_get(l->json, "model");
	int r = check_model(l, model, reterr);

	if (r >= 0)
		r = check_parts(l, reterr);
	if (r >= 0)
		r = read_frame(l, reterr);
	if (r >= 0)
		r = load_vocab(l, FILE_TOKENIZER, json_object_get(model, "vocab"), reterr);
	return r < 0 ? r : read_json_merges(l, json_object_get(model, "merges"), reterr);
}

/* Parse merges.txt: one merge a line. */
static int parse_merges(struct loading *l, struct err *reterr)
{
	const char *p = buf_str(&l->text), *end = p + l->text.len;
	size_t lines = 1;
	int r;

	if (!str_utf8_valid(p, l->text.len))
		return err_set(reterr, ERR_CORRUPT, "%s/" FILE_MERGES " is not valid UTF-8",
			       l->dir);
	for (const char *q = p; q < end; q++)
		lines += *q == '\n';
	r = new_merges(l, lines, reterr);
	while (p < end && r >= 0) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((newline ? newline : end) - p), cut = len;

		if (cut && newline && p[cut - 1] == '\r')
			cut--;
		if (cut < strlen(VERSION_LINE) ||
		    memcmp(p, VERSION_LINE, strlen(VERSION_LINE)) != 0)
			r = add_merge(l, p, cut, reterr);
		p += len + 1;
	}
	return r;
}

static int load_from_files(struct loading *l, struct err *reterr)
{
	char vocab[PATH_MAX], merges[PATH_MAX];
	int r;

	if (!path_join(vocab, sizeof(vocab), l->dir, FILE_VOCAB_BPE) ||
	    !path_join(merges, sizeof(merges), l->dir, FILE_MERGES))
		return err_errno(reterr, ENAMETOOLONG, "read %s", l->dir);
	r = roots_read_json(vocab, TOKENIZER_FILE_MAX, &l->vocab_bpe, reterr);
	if (r >= 0)
		r = roots_read(merges, &l->text, reterr);
	if (r == -ENOENT)
		return err_set(reterr, ENOENT,
			       "%s has neither tokenizer.json nor both of " FILE_VOCAB_BPE
			       " and " FILE_MERGES "; name a directory with a RoBERTa tokenizer",
			       l->dir);
	if (r == -ERR_INVALID)
		return err_set(reterr, ERR_CORRUPT, "%s is not valid JSON", vocab);
	if (r >= 0)
		r = load_vocab(l, FILE_VOCAB_BPE, l->vocab_bpe, reterr);
	return r < 0 ? r : parse_merges(l, reterr);
}

int load_bytepair(struct loading *l, struct err *reterr)
{
	return l->json ? load_from_json(l, reterr) : load_from_files(l, reterr);
}

/* The id of a text in the vocabulary, -1 if it is missing. */
static int32_t find_piece(const struct loading *l, const char *text, size_t len)
{
	int32_t id = -1;

	return trie_longest(&l->t->whole, (const unsigned char *)text, len, &id) == len ? id : -1;
}

/* The character that stands for a byte in the vocabulary: itself if it is printable. */
static uint32_t char_of_byte(unsigned byte)
{
	static const unsigned char hidden[][2] = {{0, 32}, {127, 160}, {173, 173}};
	uint32_t next = BYTE_CHAR_FIRST;

	for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
		if (byte < hidden[i][0])
			return byte;
		if (byte <= hidden[i][1])
			return next + byte - hidden[i][0];
		next += hidden[i][1] - hidden[i][0] + 1u;
	}
	return byte;
}

/* `tokenizers` leaves out a byte that the vocabulary lacks, or takes unk_token, by version. */
static int set_bytes(struct loading *l, struct err *reterr)
{
	for (unsigned byte = 0; byte < ARRAY_LEN(l->t->byte_ids); byte++) {
		unsigned char text[4];
		size_t n = utf8_encode(char_of_byte(byte), text);

		l->t->byte_ids[byte] = find_piece(l, (const char *)text, n);
		if (l->t->byte_ids[byte] < 0)
			return load_refuse(l, l->json ? FILE_TOKENIZER : FILE_VOCAB_BPE, reterr,
					   "the vocabulary has no '%.*s' (byte %u); all 256 bytes "
					   "are needed",
					   (int)n, (const char *)text, byte);
	}
	return 0;
}

/* The id of the joined piece. `joined` is a buffer that the merges share. */
static int32_t find_joined(const struct loading *l, const struct merge_text *m, struct buf *joined)
{
	joined->len = 0;
	if (buf_put(joined, m->left, m->left_len) < 0 ||
	    buf_put(joined, m->right, m->right_len) < 0)
		return -1;
	return find_piece(l, buf_str(joined), joined->len);
}

int build_bytepair(struct loading *l, struct err *reterr)
{
	OWN(buf_done) struct buf joined = BUF_INIT(TOKENIZER_FILE_MAX);
	int r = set_bytes(l, reterr);

	if (r >= 0 && merges_new(&l->t->merges, l->merges_n) < 0)
		r = err_errno(reterr, ENOMEM, "load the tokenizer of %s", l->dir);
	for (size_t i = 0; i < l->merges_n && r >= 0; i++) {
		const struct merge_text *m = &l->merges[i];
		int32_t left = find_piece(l, m->left, m->left_len);
		int32_t right = find_piece(l, m->right, m->right_len);
		int32_t id = find_joined(l, m, &joined);

		if (left < 0 || right < 0 || id < 0)
			r = err_set(reterr, ERR_CORRUPT,
				    "%s/%s: merge %zu has a piece that is not in the vocabulary",
				    l->dir, merges_file(l), i);
		else
			merges_put(&l->t->merges, left, right, (int32_t)i, id);
	}
	trie_done(&l->t->whole); /* merging needs ids alone */
	return r;
}
