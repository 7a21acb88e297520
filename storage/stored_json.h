/* SPDX-License-Identifier: MIT */
/* Copies a stored JSON text into an answer without a tree of values. The readers and db_value.c
 * call this. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Append the text as json_put() writes its value: every text below the data directory unpacked
 * (paths.h), every real number in its shortest form. `dir` is the data directory; NULL leaves texts
 * unchanged. `text` ends with a NUL. Returns false, and appends nothing, if it is damaged or is not
 * as json_put() writes it: then parse it. */
bool stored_json_put(struct buf *out, const char *text, size_t len, const char *dir);
