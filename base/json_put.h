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
/* Append a string in quotes. `s` is valid UTF-8 and may contain U+0000. */
void json_put_string(struct buf *out, const char *s, size_t len);
void json_put_int(struct buf *out, int64_t v);
