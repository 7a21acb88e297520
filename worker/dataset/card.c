/* SPDX-License-Identifier: MIT */
/* Combines the three files and finds class names in them, as datasets/load.py
 * (LocalDatasetModuleFactory), info.py and features.py do, with the pattern of
 * huggingface_hub/repocard.py. */
#include "worker/dataset/card.h"

#include "base/encoding.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/dataset/card_yaml.h"
#include "worker/dataset/configs.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#define README	 "README.md"
#define SETTINGS ".huggingface.yaml"
#define LEGACY	 "dataset_infos.json"
#define REMEDY	 "correct it, or remove it and name the classes in dataset.labels"

/* ---- the files ---- */

/* 1 if the file exists. */
static int read_part(const char *dir, const char *name, struct buf *ret, struct err *reterr)
{
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), dir, name))
		return err_errno(reterr, ENAMETOOLONG, "read %s", dir);
	if (!path_exists(AT_FDCWD, path))
		return 0;
	r = roots_read(path, ret, reterr);
	if (r == -ERR_LIMIT)
		return err_set(reterr, ERR_LIMIT, "%s is larger than %u MiB; " REMEDY, path,
			       CARD_MAX >> 20);
	return r < 0 ? r : 1;
}

static size_t line_end(const char *s)
{
	return s[0] == '\r' && s[1] == '\n' ? 2 : s[0] == '\r' || s[0] == '\n';
}

/* The YAML between two lines of "---" at the head. NULL: there is none. */
static const char *front_matter(const char *text, size_t *ret_len)
{
	const char *start = text, *p;

	if (strncmp(start, UTF8_MARK, strlen(UTF8_MARK)) == 0)
		start += strlen(UTF8_MARK);
	while (isspace((unsigned char)*start))
		start++;
	if (strncmp(start, "---", 3) != 0 || !line_end(start + 3))
		return NULL;
	start += 3 + line_end(start + 3);
	for (p = start; *p; p++) {
		size_t n = line_end(p);

		if (!n || strncmp(p + n, "---", 3) != 0)
			continue;
		n += 3;
		n += strspn(p + n, " \t");
		if (p[n] && p[n] != '\n' && strncmp(p + n, "\r\n", 2) != 0)
			continue;
		*ret_len = (size_t)(p - start);
		return start;
	}
	return NULL;
}

static int bad_card(const char *dir, const char *name, int r, struct err *reterr)
{
	struct err e = *reterr;

	if (r != -ERR_INVALID && r != -ERR_LIMIT)
		return r;
	return err_set(reterr, -r, "the data set's card %s/%s cannot be read (%.200s); " REMEDY,
		       dir, name, e.msg);
}

/* Replace keys by those of one file's YAML. */
static int add_yaml(const char *dir, const char *name, bool whole, json_t *card, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(CARD_MAX);
	OWN(json_decrefp) json_t *yaml = NULL;
	const char *start;
	size_t len;
	int r = read_part(dir, name, &text, reterr);

	if (r <= 0)
		return r;
	len = text.len;
	start = whole ? buf_str(&text) : front_matter(buf_str(&text), &len);
	if (!start)
		return 0;
	r = card_yaml_parse(start, len, &yaml, reterr);
	if (r >= 0 && !json_is_object(yaml) && !json_is_null(yaml))
		r = err_set(reterr, ERR_INVALID, "the card is %s, but must be a mapping",
			    json_type_name(yaml));
	if (r < 0)
		return bad_card(dir, name, r, reterr);
	return json_is_object(yaml) && json_object_update(card, yaml) < 0
		       ? err_errno(reterr, ENOMEM, "read %s", dir)
		       : 0;
}

/* The YAML of both files. */
static int read_yaml(const char *dir, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *card = json_object();
	int r = card ? add_yaml(dir, README, false, card, reterr)
		     : err_errno(reterr, ENOMEM, "read %s", dir);

	if (r >= 0)
		r = add_yaml(dir, SETTINGS, true, card, reterr);
	if (r >= 0)
		*ret = TAKE(card);
	return r;
}

int card_configs(const char *dir, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *card = NULL;
	int r = read_yaml(dir, &card, reterr);

	if (r >= 0)
		*ret = json_incref(json_object_get(card, "configs"));
	return r;
}

/* ---- which configuration ---- */

/* `dataset_info` is one object or a list of them. NULL: it has none of that name. */
static const json_t *find_info(const json_t *infos, const char *config)
{
	const json_t *found = NULL;

	if (json_is_object(infos))
		return !config || str_eq(config_name(infos), config) ? infos : NULL;
	if (!config)
		return json_array_size(infos) == 1 ? json_array_get(infos, 0) : NULL;
	for (size_t i = 0; i < json_array_size(infos); i++)
		if (str_eq(config_name(json_array_get(infos, i)), config))
			found = json_array_get(infos, i);
	return found;
}

/* ---- class names ---- */

static int no_names(const char *column, const char *what, struct err *reterr)
{
	return err_set(reterr, ERR_INVALID, "the class names of the column '%s' %s", column, what);
}

/* A name as Python's str() writes it, for every YAML value except floats and dates. */
static json_t *name_text(const json_t *name)
{
	char digits[24];

	if (json_is_boolean(name))
		return json_string(json_is_true(name) ? "True" : "False");
	if (!json_is_integer(name))
		return json_is_string(name) ? json_string(json_string_value(name)) : NULL;
	snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(name));
	return json_string(digits);
}

static int add_name(json_t *list, const json_t *name, const char *column, struct err *reterr)
{
	OWN(json_decrefp) json_t *text = name_text(name);

	if (!name)
		return no_names(column, "must have the ids 0, 1, 2 …, and one is missing", reterr);
	if (!text)
		return no_names(column, "must be texts; put them in quotes", reterr);
	return json_array_append(list, text) < 0 ? err_errno(reterr, ENOMEM, "read class names")
						 : 0;
}

/* A list of names, or names by their ids as texts. */
static int take_names(const json_t *names, const char *column, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *list = json_array();
	size_t n = json_is_object(names) ? json_object_size(names) : json_array_size(names);
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		char id[24];

		snprintf(id, sizeof(id), "%zu", i);
		r = add_name(list,
			     json_is_object(names) ? json_object_get(names, id)
						   : json_array_get(names, i),
			     column, reterr);
	}
	if (r >= 0)
		*ret = TAKE(list);
	return r;
}

/* `label` is the value of class_label. */
static int class_label(const json_t *label, const char *column, json_t **ret, struct err *reterr)
{
	const json_t *names = json_object_get(label, "names");

	if (!json_is_object(names) && !json_is_array(names))
		return no_names(column, "must be a list, or a mapping from their ids", reterr);
	return take_names(names, column, ret, reterr);
}

/* {"name": column, "dtype": {"class_label": …}}, or class_label beside the name. */
static int from_yaml(const json_t *features, const char *column, json_t **ret, bool *ret_decides,
		     struct err *reterr)
{
	static const char *const places[] = {"dtype", "list", "sequence"}; /* of lists by version */
	const json_t *feature = NULL, *label = NULL;

	for (size_t i = 0; i < json_array_size(features); i++)
		if (str_eq(json_get_str(json_array_get(features, i), "name", NULL), column))
			feature = json_array_get(features, i);
	if (!feature)
		return 0;
	*ret_decides = true;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!label)
			label = json_object_get(json_object_get(feature, places[i]), "class_label");
	if (!label)
		label = json_object_get(feature, "class_label");
	return label ? class_label(label, column, ret, reterr) : 0;
}

/* dataset_infos.json: {CONFIG: {"features": {COLUMN: {"_type": "ClassLabel", "names": []}}}}. */
static int from_legacy(const char *dir, const char *config, const char *column, json_t **ret,
		       bool *ret_decides, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(CARD_MAX);
	OWN(json_decrefp) json_t *infos = NULL;
	const json_t *info, *feature;
	int r = read_part(dir, LEGACY, &text, reterr);

	if (r <= 0)
		return r;
	r = json_parse(buf_str(&text), text.len, &infos, reterr);
	if (r < 0)
		return bad_card(dir, LEGACY, r, reterr);
	info = json_object_get(infos, config);
	if (json_object_size(infos) == 1) /* its only configuration has the name "default" */
		info = !config || str_eq(config, "default")
			       ? json_object_iter_value(json_object_iter(infos))
			       : NULL;
	feature = json_object_get(json_object_get(info, "features"), column);
	if (!feature)
		return 0;
	*ret_decides = true;
	if (json_is_object(json_object_get(feature, "feature"))) /* of a list */
		feature = json_object_get(feature, "feature");
	if (!str_eq(json_get_str(feature, "_type", ""), "ClassLabel"))
		return 0;
	r = class_label(feature, column, ret, reterr);
	return r < 0 ? bad_card(dir, LEGACY, r, reterr) : 0;
}

int card_class_names(const char *path, const char *config, const char *column, json_t **ret,
		     bool *ret_decides, struct err *reterr)
{
	OWN(freep) char *dir = strndup(path, (size_t)(strrchr(path, '/') - path));
	OWN(json_decrefp) json_t *card = NULL;
	const json_t *info, *entry;
	int r;

	*ret = NULL;
	*ret_decides = false;
	if (!dir)
		return err_errno(reterr, ENOMEM, "read %s", path);
	r = read_yaml(dir, &card, reterr);
	if (r < 0)
		return r;
	entry = config_find(json_object_get(card, "configs"), config);
	if (!config && entry)
		config = config_name(entry);
	info = find_info(json_object_get(card, "dataset_info"), config);
	if (!info)
		return from_legacy(dir, config, column, ret, ret_decides, reterr);
	r = from_yaml(json_object_get(info, "features"), column, ret, ret_decides, reterr);
	return r < 0 ? bad_card(dir, README, r, reterr) : 0;
}
