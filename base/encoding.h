/* SPDX-License-Identifier: MIT */
/* Recognises by its first bytes a text, of data or JSON, that is not in UTF-8. */
#pragma once

#include <stddef.h>

#define UTF8_MARK "\xEF\xBB\xBF" /* the byte order mark of UTF-8, 3 bytes */

/* "UTF-16, little-endian", "a zip archive, …": what the file is and how to make a text of it, for
 * "FILE is %s". NULL: the bytes may be UTF-8. */
const char *encoding_problem(const char *bytes, size_t len);
