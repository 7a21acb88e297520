/* SPDX-License-Identifier: MIT */
/* Recognises by its first bytes a file that is no text of data in UTF-8. */
#pragma once

#include <stddef.h>

/* "UTF-16, little-endian", "a zip archive, …": what the file is and how to make a text of it, for
 * "FILE is %s". NULL: the bytes may be UTF-8. */
const char *encoding_problem(const char *bytes, size_t len);
