/* SPDX-License-Identifier: MIT */
/*
 * Paths as the database holds them. The data directory can be moved, so a text that is a path below
 * it is stored as "data:/executions/…", relative to wherever the database lies when it is read. The
 * connection (db.h) does this for every JSON value, at any depth, and for DB_PATH; nothing above it
 * sees such a text. A text that looks like one by itself is stored with one more colon.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>

/* Append to *out what is stored for `text`; false: the text itself, nothing is appended. `dir` has
 * no slash at its end. */
bool path_pack(const char *dir, const char *text, struct buf *out);
/* The reverse, of a text that was read. */
bool path_unpack(const char *dir, const char *text, struct buf *out);
/* All texts of a value, object keys excepted: a new reference, the same value when nothing changes;
 * NULL: out of memory. Stored values are unpacked in place. */
json_t *paths_pack(const char *dir, const json_t *j);
json_t *paths_unpack(const char *dir, json_t *j);
