/* SPDX-License-Identifier: MIT */
/*
 * Paths as the database stores them. The data directory can be moved, so a path below it is stored
 * as "data:/executions/…", relative to the database's current directory. The connection (db.h)
 * converts every JSON value, at any depth, and every DB_PATH; no caller sees the stored form. A
 * text that already begins with such a prefix is stored with one more colon.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>

/* Append the stored form of `text` to *out. Returns false, and appends nothing, if the stored form
 * is `text` itself. `dir` does not end with a slash. */
bool path_pack(const char *dir, const char *text, struct buf *out);
/* The reverse of path_pack(), for a text from the database. */
bool path_unpack(const char *dir, const char *text, struct buf *out);
/* Append a value as compact JSON text in which all strings, but not object keys, have their stored
 * form. */
void paths_put(const char *dir, const json_t *j, struct buf *out);
/* Convert all strings of a value from the database. Returns a new reference (the same value if
 * nothing changes), or NULL if memory is out. Changes the value in place. */
json_t *paths_unpack(const char *dir, json_t *j);
