/* SPDX-License-Identifier: MIT */
/*
 * Reads the names of the classes in the order of their ids. A name that is no text is written as
 * JSON.
 */
#include "worker/model/id2label.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"

#include <limits.h>

static json_t *name_of(const json_t *value)
{
	OWN(freep) char *text = NULL;

	if (json_is_string(value))
		return json_incref((json_t *)value);
	if (json_is_boolean(value))
		return json_string(json_is_true(value) ? "True" : "False");
	if (!json_is_number(value))
		return NULL;
	text = json_text(value);
	return text ? json_string(text) : NULL;
}

int id2label_read(const json_t *config, json_t **ret, struct err *reterr)
{
	const json_t *id2label = json_object_get(config, "id2label");
	size_t n = json_object_size(id2label);
	OWN(json_decrefp) json_t *names = json_array();

	*ret = NULL;
	if (id2label && !json_is_null(id2label) && !json_is_object(id2label))
		return err_set(reterr, ERR_INVALID, "\"id2label\" must be an object, not %s",
			       json_type_name(id2label));
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		char key[24];
		json_t *name;

		snprintf(key, sizeof(key), "%zu", i);
		name = name_of(json_object_get(id2label, key));
		if (!name)
			return err_set(reterr, ERR_INVALID,
				       "\"id2label\" has %zu classes but no name for \"%s\"", n,
				       key);
		if (json_array_append_new(names, name) < 0)
			return err_errno(reterr, ENOMEM, "read the labels");
	}
	*ret = TAKE(names);
	return 0;
}

int id2label_load(const char *dir, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *config = NULL;
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), dir, "config.json"))
		return err_errno(reterr, ENAMETOOLONG, "read the labels in %s", dir);
	r = roots_read_json(path, CONFIG_JSON_MAX, &config, reterr);
	if (r >= 0)
		r = err_ctx(reterr, id2label_read(config, ret, reterr), "%s", path);
	if (r >= 0 && !*ret)
		r = err_set(reterr, ERR_INVALID,
			    "%s names no classes, because it has no \"id2label\"", path);
	return r < 0 ? r : 0;
}
