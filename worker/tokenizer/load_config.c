/* SPDX-License-Identifier: MIT */
/*
 * tokenizer_config.json and config.json of transformers: which class reads this directory, the
 * flags that class takes instead of tokenizer.json's normaliser, the names of the special tokens.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/load.h"

#include <limits.h>
#include <string.h>

#define CONFIG_MAX	(16u << 20)
#define LENGTH_SENSIBLE 1e9 /* transformers writes 1e30 for "no limit" */

/* An optional file; *ret stays NULL when it is missing. Integers are read as reals, because
 * model_max_length is often larger than any integer type. */
static int read_optional(const char *dir, const char *name, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(CONFIG_MAX);
	char path[PATH_MAX];
	json_error_t je;
	int r;

	if (!path_join(path, sizeof(path), dir, name))
		return err_errno(reterr, ENAMETOOLONG, "read %s", dir);
	r = file_read(AT_FDCWD, path, &text, reterr);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = json_loadb(buf_str(&text), text.len, JSON_DECODE_INT_AS_REAL, &je);
	if (!*ret || !json_is_object(*ret))
		return err_set(reterr, ERR_CORRUPT, "%s is not a JSON object", path);
	return 0;
}

/* A special token is a string, or an object with "content". */
static int set_name(const struct loading *l, const json_t *config, const char *key, char *name,
		    size_t size, struct err *reterr)
{
	const json_t *j = json_object_get(config, key);
	const char *s = json_is_object(j) ? json_get_str(j, "content", NULL) : json_string_value(j);

	if (!s)
		return 0;
	if (!str_copy(name, size, s))
		return err_set(reterr, ERR_UNSUPPORTED,
			       "%s/tokenizer_config.json: %s is longer than %zu bytes", l->dir, key,
			       size - 1);
	return 0;
}

static int set_names(struct loading *l, const json_t *config, struct err *reterr)
{
	int r = 0;

	if (!l->json) /* tokenizer.json has said these three itself */
		r = set_name(l, config, "unk_token", l->unk, sizeof(l->unk), reterr);
	if (r >= 0)
		r = set_name(l, config, "cls_token", l->cls, sizeof(l->cls), reterr);
	if (r >= 0)
		r = set_name(l, config, "sep_token", l->sep, sizeof(l->sep), reterr);
	if (r >= 0)
		r = set_name(l, config, "pad_token", l->pad, sizeof(l->pad), reterr);
	if (r >= 0)
		r = set_name(l, config, "mask_token", l->mask, sizeof(l->mask), reterr);
	return r;
}

static bool takes_type_ids(const json_t *config, const json_t *model)
{
	const char *class = json_get_str(config, "tokenizer_class", NULL);
	json_t *inputs = json_object_get(config, "model_input_names"), *name;
	size_t i;

	if (json_is_array(inputs)) {
		json_array_foreach(inputs, i, name) {
			if (str_eq(json_string_value(name), "token_type_ids"))
				return true;
		}
		return false;
	}
	if (!class)
		return !str_eq(json_get_str(model, "model_type", ""), "distilbert");
	return !str_starts(class, "DistilBert");
}

/* The generic classes take tokenizer.json as it is; BERT's own build a normaliser from the flags of
 * tokenizer_config.json and their defaults, whatever tokenizer.json says. */
static bool class_has_flags(const struct loading *l, const json_t *config, const json_t *model)
{
	const char *class = json_get_str(config, "tokenizer_class", NULL);
	const char *type = json_get_str(model, "model_type", "");

	if (class)
		return !str_eq(class, "PreTrainedTokenizerFast") &&
		       !str_eq(class, "TokenizersBackend");
	return !l->json || str_eq(type, "bert") || str_eq(type, "distilbert");
}

static void set_flags(struct tokenizer *t, const json_t *config)
{
	t->clean_text = true;
	t->ideographs = json_get_bool(config, "tokenize_chinese_chars", true);
	t->lowercase = json_get_bool(config, "do_lower_case", true);
	t->strip_accents = json_get_bool(config, "strip_accents", t->lowercase);
}

static int check_side(const struct loading *l, const json_t *config, const char *key,
		      struct err *reterr)
{
	const char *side = json_get_str(config, key, "right");

	if (str_eq(side, "right"))
		return 0;
	return err_set(reterr, ERR_UNSUPPORTED,
		       "%s/tokenizer_config.json: %s is '%s'; only 'right' is supported", l->dir,
		       key, side);
}

int load_tokenizer_config(struct loading *l, struct err *reterr)
{
	OWN(json_decrefp) json_t *config = NULL, *model = NULL;
	struct tokenizer *t = l->t;
	double length;
	int r = read_optional(l->dir, "tokenizer_config.json", &config, reterr);

	if (r >= 0)
		r = read_optional(l->dir, "config.json", &model, reterr);
	if (r >= 0)
		r = check_side(l, config, "truncation_side", reterr);
	if (r >= 0)
		r = check_side(l, config, "padding_side", reterr);
	if (r >= 0)
		r = set_names(l, config, reterr);
	if (r < 0)
		return r;
	if (class_has_flags(l, config, model))
		set_flags(t, config);
	t->has_type_ids = takes_type_ids(config, model);
	length = json_get_num(config, "model_max_length", 0);
	t->model_max_length = length > 0 && length < LENGTH_SENSIBLE ? (size_t)length : 0;
	return 0;
}
