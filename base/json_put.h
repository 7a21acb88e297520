/* SPDX-License-Identifier: MIT */
/* Appends JSON text to a buffer: values, strings, whole numbers. If memory is out, the buffer has
 * failed. Any thread. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

enum json_keys {
	JSON_KEYS_SORTED,
	JSON_KEYS_IN_ORDER
};

/* Append `j` as json_text() or json_line() writes it, without a final newline. */
void json_put(struct buf *out, const json_t *j, enum json_keys keys);
/* Replaces the strings of a value, but not the keys of its objects: appends the JSON of another
 * text for `s`, or returns false if the string stays. */
typedef bool (*json_text_fn)(const void *userdata, const char *s, size_t len, struct buf *out);
/* As json_put() with sorted keys. */
void json_put_replaced(struct buf *out, const json_t *j, json_text_fn replace,
		       const void *userdata);
/* Append a string in quotes. `s` is valid UTF-8 and may contain U+0000. */
void json_put_string(struct buf *out, const char *s, size_t len);
void json_put_int(struct buf *out, int64_t v);
