/* SPDX-License-Identifier: MIT */
/*
 * Replaces the data directory at the beginning of a text by "data:" and back, also in every text of
 * a JSON value.
 */
#include "storage/paths.h"

#include "base/json_put.h"
#include "base/own.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>

#define MARK	 "data:"
#define MARK_LEN 5

bool path_pack(const char *dir, const char *text, struct buf *out)
{
	size_t n = strlen(dir);

	if (strncmp(text, dir, n) == 0 && text[n] == '/')
		buf_printf(out, MARK "%s", text + n);
	else if (str_starts(text, MARK "/") || str_starts(text, MARK ":"))
		buf_printf(out, MARK ":%s", text + MARK_LEN);
	else
		return false;
	return true;
}

bool path_unpack(const char *dir, const char *text, struct buf *out)
{
	if (str_starts(text, MARK "/"))
		buf_printf(out, "%s%s", dir, text + MARK_LEN);
	else if (str_starts(text, MARK ":"))
		buf_printf(out, MARK "%s", text + MARK_LEN + 1);
	else
		return false;
	return true;
}

/* True if the text has no U+0000. A text with U+0000 is neither a path nor a stored form of one,
 * and stays unchanged. */
static bool is_whole(const json_t *j)
{
	return json_is_string(j) && !memchr(json_string_value(j), '\0', json_string_length(j));
}

/* True if at least one text of `j` would change. */
static bool any_changes(const json_t *j, const char *dir)
{
	OWN(buf_done) struct buf out = BUF_INIT(SIZE_MAX);
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(j))
		return is_whole(j) && path_unpack(dir, json_string_value(j), &out);
	json_array_foreach((json_t *)j, i, value)
		if (any_changes(value, dir))
			return true;
	json_object_foreach((json_t *)j, key, value)
		if (any_changes(value, dir))
			return true;
	return false;
}

/* Returns a new reference that replaces `j`, which is taken over; NULL if memory is out. */
static json_t *changed(json_t *j, const char *dir)
{
	OWN(buf_done) struct buf out = BUF_INIT(SIZE_MAX);
	json_t *value, *now;
	size_t i;

	if (is_whole(j) && path_unpack(dir, json_string_value(j), &out)) {
		json_decref(j);
		return json_string(buf_str(&out));
	}
	for (i = 0; i < json_array_size(j); i++) {
		now = changed(json_incref(json_array_get(j, i)), dir);
		if (!now || json_array_set_new(j, i, now) < 0)
			goto fail;
	}
	for (void *at = json_object_iter(j); at; at = json_object_iter_next(j, at)) {
		value = json_object_iter_value(at);
		now = changed(json_incref(value), dir);
		if (!now || json_object_iter_set_new(j, at, now) < 0)
			goto fail;
	}
	return j;
fail:
	json_decref(j);
	return NULL;
}

static bool replace_path(const void *dir, const char *text, size_t len, struct buf *out)
{
	OWN(buf_done) struct buf packed = BUF_INIT(SIZE_MAX);

	if (memchr(text, '\0', len) || !path_pack(dir, text, &packed))
		return false;
	json_put_string(out, buf_str(&packed), packed.len);
	out->failed |= packed.failed;
	return true;
}

void paths_put(const char *dir, const json_t *j, struct buf *out)
{
	json_put_replaced(out, j, replace_path, dir);
}

json_t *paths_unpack(const char *dir, json_t *j)
{
	return any_changes(j, dir) ? changed(j, dir) : j;
}
