/* SPDX-License-Identifier: MIT */
/*
 * tokenizer_config.json and config.json of transformers: which class reads this directory, and the
 * flags that class takes instead of tokenizer.json's normaliser.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/model/family.h"
#include "worker/model/id2label.h"
#include "worker/tokenizer/load.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

#define FILE_MODEL	"config.json"
#define CLASS_GENERIC	"PreTrainedTokenizerFast"
#define LENGTH_SENSIBLE 1e9 /* transformers writes 1e30 for "no limit" */

int load_refuse(const struct loading *l, const char *file, struct err *reterr, const char *fmt, ...)
{
	char what[ERR_MSG_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(what, sizeof(what), fmt, ap);
	va_end(ap);
	str_utf8_mask(what);
	return err_set(reterr, ERR_UNSUPPORTED,
		       "%s/%s: %s. The engine would make other token ids than AutoTokenizer; train "
		       "the model with a script",
		       l->dir, file, what);
}

int load_object(const struct loading *l, const char *file, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(CONFIG_JSON_MAX);
	char path[PATH_MAX];
	json_error_t je;
	int r;

	if (!path_join(path, sizeof(path), l->dir, file))
		return err_errno(reterr, ENAMETOOLONG, "read %s", l->dir);
	r = roots_read(path, &text, reterr);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = json_loadb(buf_str(&text), text.len, JSON_DECODE_INT_AS_REAL, &je);
	if (!*ret)
		return err_set(reterr, ERR_CORRUPT, "%s is not valid JSON at line %d", path,
			       je.line);
	if (!json_is_object(*ret))
		return err_set(reterr, ERR_CORRUPT, "%s is %s, not a JSON object", path,
			       json_type_name(*ret));
	return 0;
}

/* *ret stays NULL when the field is missing, null or empty, as in transformers. */
static int get_text(const struct loading *l, const char *file, const json_t *j, const char *key,
		    const char **ret, struct err *reterr)
{
	const json_t *v = json_object_get(j, key);

	if (!v || json_is_null(v) || (json_is_string(v) && !json_string_length(v)))
		return 0;
	if (!json_is_string(v))
		return load_refuse(l, file, reterr, "%s is %s, not a text", key, json_type_name(v));
	*ret = json_string_value(v);
	return 0;
}

static void set_family(struct loading *l, const struct model_family *family)
{
	l->family = family;
	l->t->has_type_ids = !family || family->has_type_ids;
	l->t->byte_level = family && family->byte_level;
	l->t->double_frame = family && family->double_frame;
}

static int use_class(struct loading *l, const char *file, const char *class, struct err *reterr)
{
	const struct model_family *family = family_of_tokenizer(class);
	OWN(buf_done) struct buf known = BUF_INIT(ERR_MSG_MAX);

	set_family(l, family);
	if (family || str_eq(class, CLASS_GENERIC) || str_eq(class, "TokenizersBackend"))
		return 0;
	family_put_tokenizers(&known, CLASS_GENERIC);
	return load_refuse(l, file, reterr, "tokenizer_class is '%s'; %s are supported", class,
			   buf_str(&known));
}

/* Find the class by its name, else by the type of the model. Without both, tokenizer.json is taken
 * unchanged. */
static int choose_class(struct loading *l, struct err *reterr)
{
	const char *class = NULL, *own = NULL, *type = NULL;
	OWN(buf_done) struct buf known = BUF_INIT(ERR_MSG_MAX);
	const struct model_family *family;
	int r = get_text(l, FILE_CONFIG, l->config, "tokenizer_class", &class, reterr);

	if (r >= 0)
		r = get_text(l, FILE_MODEL, l->model, "tokenizer_class", &own, reterr);
	if (r >= 0)
		r = get_text(l, FILE_MODEL, l->model, "model_type", &type, reterr);
	if (r < 0)
		return r;
	family = family_find(type);
	if (type && !family) {
		family_put_types(&known);
		return load_refuse(l, FILE_MODEL, reterr, "model_type is '%s'; %s are supported",
				   type, buf_str(&known));
	}
	if (class || own)
		return use_class(l, class ? FILE_CONFIG : FILE_MODEL, class ? class : own, reterr);
	set_family(l, family || l->json ? family : &family_bert);
	return 0;
}

/* Keys with which transformers behaves differently. */
static int check_keys(const struct loading *l, struct err *reterr)
{
	static const char *const refused[] = {"vocab",
					      "init_inputs",
					      "post_processor",
					      "tokenizer_object",
					      "tokenizer_truncation",
					      "tokenizer_padding",
					      "fast_tokenizer_files",
					      "split_special_tokens"};
	const json_t *map = json_object_get(l->config, "auto_map");

	if (json_is_object(map))
		map = json_object_get(map, "AutoTokenizer");
	if (map && !json_is_null(map))
		return load_refuse(l, FILE_CONFIG, reterr,
				   "auto_map names a tokenizer with its own code");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const json_t *v = json_object_get(l->config, refused[i]);

		if (v && !json_is_null(v) && !json_is_false(v) &&
		    !(json_is_array(v) && !json_array_size(v)))
			return load_refuse(l, FILE_CONFIG, reterr, "%s is set", refused[i]);
	}
	return 0;
}

/* transformers prefers these files to vocab.txt. */
static int check_other_files(const struct loading *l, struct err *reterr)
{
	static const char *const others[] = {"tokenizer.model", "tekken.json", "tiktoken.model"};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(others) && !l->json; i++)
		if (path_join(path, sizeof(path), l->dir, others[i]) && path_exists(AT_FDCWD, path))
			return load_refuse(l, others[i], reterr,
					   "there is such a file and no " FILE_TOKENIZER);
	return 0;
}

int load_class(struct loading *l, struct err *reterr)
{
	int r = load_object(l, FILE_CONFIG, &l->config, reterr);

	if (r >= 0)
		r = load_object(l, FILE_MODEL, &l->model, reterr);
	if (r < 0)
		return r;
	if (!l->config && !(l->config = json_object()))
		return err_errno(reterr, ENOMEM, "load the tokenizer of %s", l->dir);
	r = check_keys(l, reterr);
	if (r >= 0)
		r = check_other_files(l, reterr);
	if (r >= 0)
		r = choose_class(l, reterr);
	if (r < 0 || l->family || l->json)
		return r;
	return load_refuse(l, FILE_CONFIG, reterr,
			   "tokenizer_class is " CLASS_GENERIC " and there is no " FILE_TOKENIZER);
}

static int get_flag(const struct loading *l, const char *key, bool *ret, struct err *reterr)
{
	const json_t *v = json_object_get(l->config, key);

	if (v && !json_is_boolean(v))
		return load_refuse(l, FILE_CONFIG, reterr, "%s is %s, not true or false", key,
				   json_type_name(v));
	if (v)
		*ret = json_is_true(v);
	return 0;
}

/* The generic class takes tokenizer.json as it is; those of families build a normaliser or a
 * pre-tokenizer from the flags of tokenizer_config.json and their defaults, whatever tokenizer.json
 * says. */
static int set_flags(struct loading *l, struct err *reterr)
{
	struct tokenizer *t = l->t;
	int r;

	if (t->byte_level)
		return get_flag(l, "add_prefix_space", &t->prefix_space, reterr);
	t->clean_text = t->ideographs = t->lowercase = true;
	r = get_flag(l, "tokenize_chinese_chars", &t->ideographs, reterr);
	if (r >= 0)
		r = get_flag(l, "do_lower_case", &t->lowercase, reterr);
	t->strip_accents = t->lowercase;
	if (r < 0 || json_is_null(json_object_get(l->config, "strip_accents")))
		return r;
	return get_flag(l, "strip_accents", &t->strip_accents, reterr);
}

/* The side in the settings, else the one that tokenizer.json has for the same purpose. */
static int check_side(const struct loading *l, const char *key, const char *part,
		      struct err *reterr)
{
	const char *own = json_get_str(json_object_get(l->json, part), "direction", "Right");
	const json_t *v = json_object_get(l->config, key);

	if (!v && !str_eq(own, "Right"))
		return load_refuse(l, FILE_TOKENIZER, reterr,
				   "%s/direction is '%s'; only 'Right' is supported", part, own);
	if (!v || str_eq(json_string_value(v), "right"))
		return 0;
	return load_refuse(l, FILE_CONFIG, reterr, "%s is '%s'; only 'right' is supported", key,
			   json_is_string(v) ? json_string_value(v) : json_type_name(v));
}

static int set_length(struct loading *l, struct err *reterr)
{
	const char *key =
		json_object_get(l->config, "model_max_length") ? "model_max_length" : "max_len";
	const json_t *v = json_object_get(l->config, key);
	double length = json_number_value(v);

	if (!v || json_is_null(v) || (json_is_number(v) && length >= LENGTH_SENSIBLE))
		return 0;
	if (!json_is_number(v) || length < 1 || length > (double)(size_t)length)
		return load_refuse(l, FILE_CONFIG, reterr, "%s must be a whole number above 0",
				   key);
	l->t->model_max_length = (size_t)length;
	return 0;
}

static void set_input_names(struct loading *l)
{
	json_t *names = json_object_get(l->config, "model_input_names"), *name;
	size_t i;

	if (!json_is_array(names))
		return;
	l->t->has_type_ids = false;
	json_array_foreach(names, i, name) {
		if (str_eq(json_string_value(name), "token_type_ids"))
			l->t->has_type_ids = true;
	}
}

int load_flags(struct loading *l, struct err *reterr)
{
	int r = check_side(l, "truncation_side", "truncation", reterr);

	if (r >= 0)
		r = check_side(l, "padding_side", "padding", reterr);
	if (r >= 0)
		r = set_length(l, reterr);
	if (r >= 0 && l->family)
		r = set_flags(l, reterr);
	set_input_names(l);
	return r;
}
