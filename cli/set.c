/* SPDX-License-Identifier: MIT */
/*
 * --set: walk to the parent of the value by the dotted path, then put the value there.
 */
#include "cli/set.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define SET_PART_MAX 128

/* Index of the element that `part` means: a number, or the "name" of an object; -1: none. */
static int64_t element_index(const json_t *list, const char *part)
{
	const json_t *item;
	int64_t index;
	size_t i;

	if (str_to_i64(part, &index) == 0)
		return index >= 0 && (size_t)index < json_array_size(list) ? index : -1;
	json_array_foreach(list, i, item)
		if (str_eq(json_get_str(item, "name", NULL), part))
			return (int64_t)i;
	return -1;
}

static int refuse(const json_t *at, const char *part, struct err *reterr)
{
	if (json_is_array(at))
		return err_set(reterr, ERR_INVALID,
			       "--set: the list has no element '%s'; use its index or its name",
			       part);
	return err_set(reterr, ERR_INVALID, "--set: there is %s where '%s' should be looked up",
		       json_type_name(at), part);
}

/* The child of `at`, borrowed; an object gets a new empty object for a key that it lacks. */
static int step(json_t *at, const char *part, json_t **ret, struct err *reterr)
{
	int64_t index;

	*ret = NULL;
	if (json_is_object(at)) {
		if (!json_object_get(at, part) && json_object_set_new(at, part, json_object()) < 0)
			return err_errno(reterr, ENOMEM, "--set");
		*ret = json_object_get(at, part);
	} else if (json_is_array(at)) {
		index = element_index(at, part);
		*ret = index < 0 ? NULL : json_array_get(at, (size_t)index);
	}
	return *ret ? 0 : refuse(at, part, reterr);
}

static int put(json_t *at, const char *part, json_t *value, struct err *reterr)
{
	int64_t index;

	if (json_is_object(at) && json_object_set(at, part, value) == 0)
		return 0;
	if (json_is_array(at)) {
		index = element_index(at, part);
		if (index >= 0 && json_array_set(at, (size_t)index, value) == 0)
			return 0;
	}
	return refuse(at, part, reterr);
}

int set_apply(json_t *root, const char *assignment, struct err *reterr)
{
	const char *equals = strchr(assignment, '='), *p = assignment;
	OWN(json_decrefp) json_t *value = NULL;
	char part[SET_PART_MAX];
	json_t *at = root;
	size_t n;
	int r;

	if (!equals || equals == assignment)
		return err_set(reterr, ERR_INVALID, "--set needs PATH=VALUE, not '%s'", assignment);
	if (json_parse(equals + 1, strlen(equals + 1), &value, NULL) < 0)
		value = json_string(equals + 1);
	if (!value)
		return err_set(reterr, ERR_INVALID, "--set: the value of '%s' is not UTF-8 text",
			       assignment);
	for (;; p += n + 1) {
		n = strcspn(p, ".=");
		if (n == 0 || n >= sizeof(part))
			return err_set(reterr, ERR_INVALID,
				       "--set: a part of the path of '%s' is empty or too long",
				       assignment);
		snprintf(part, sizeof(part), "%.*s", (int)n, p);
		if (p + n == equals)
			return put(at, part, value, reterr);
		r = step(at, part, &at, reterr);
		if (r < 0)
			return r;
	}
}
