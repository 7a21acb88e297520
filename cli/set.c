/* SPDX-License-Identifier: MIT */
/*
 * Walk the path to the parent of the value, then set the value.
 */
#include "cli/set.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define SET_PART_MAX 128

/* Index of the element `part`: a number, or the "name" of an object; -1: none. */
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
			       "the list has no element '%s'; give an index or a name", part);
	return err_set(reterr, ERR_INVALID,
		       "the file has %s where the path looks up '%s'; correct the path",
		       json_type_name(at), part);
}

/* Go to the child of `at`, borrowed. A missing key of an object becomes a new empty object. */
static int step(json_t *at, const char *part, json_t **ret, struct err *reterr)
{
	int64_t index;

	*ret = NULL;
	if (json_is_object(at)) {
		if (!json_object_get(at, part) && json_object_set_new(at, part, json_object()) < 0)
			return err_errno(reterr, ENOMEM, "set a value");
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

/* Copy the next part of the path before `end` into `part`; *path then points past it. Parts are
 * separated by '.', or by '/' in a JSON pointer (RFC 6901), which begins with '/'. */
static int next_part(const char **path, const char *end, bool pointer, char part[SET_PART_MAX])
{
	const char *separators = pointer ? "/" : ".", *p = *path + (**path == *separators);
	size_t n = strcspn(p, separators), used = 0;

	if (p + n > end)
		n = (size_t)(end - p);
	if (n == 0 || n >= SET_PART_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		bool escaped = pointer && p[i] == '~' && (p[i + 1] == '0' || p[i + 1] == '1');

		part[used++] = escaped ? (p[i + 1] == '0' ? '~' : '/') : p[i];
		i += escaped;
	}
	part[used] = '\0';
	*path = p + n;
	return 0;
}

int set_apply(json_t *root, const char *assignment, struct err *reterr)
{
	const char *equals = strchr(assignment, '='), *p = assignment;
	bool pointer = *assignment == '/';
	OWN(json_decrefp) json_t *value = NULL;
	char part[SET_PART_MAX];
	json_t *at = root;
	int r;

	if (!equals || equals == assignment)
		return err_set(
			reterr, ERR_INVALID,
			"'%s' is not PATH=VALUE, as in jobs.train.hyperparameters.epochs=3 or "
			"/jobs/0/hyperparameters/epochs=3",
			assignment);
	if (json_parse(equals + 1, strlen(equals + 1), &value, NULL) < 0)
		value = json_string(equals + 1);
	if (!value)
		return err_set(reterr, ERR_INVALID,
			       "the value of '%s' is not UTF-8 text; write it as UTF-8",
			       assignment);
	for (;;) {
		if (*assignment == '.' || next_part(&p, equals, pointer, part) < 0)
			return err_set(
				reterr, ERR_INVALID,
				"a part of the path of '%s' is empty or has more than %d bytes",
				assignment, SET_PART_MAX - 1);
		if (p == equals)
			return put(at, part, value, reterr);
		r = step(at, part, &at, reterr);
		if (r < 0)
			return r;
	}
}
