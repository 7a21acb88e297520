/* SPDX-License-Identifier: MIT */
/* Short, sortable, URL-safe ids: a kind letter, 48 bits of milliseconds and 50 random bits in
 * lower-case Crockford base 32: "r01jd3k9x2m7q4v8c5tz". Ids of one process increase. Any thread. */
#pragma once

#include <stdbool.h>

#define ID_LEN 21 /* including the NUL */

void id_new(char kind, char buf[ID_LEN]);
/* Checks only the form: letter, length, alphabet. */
bool id_valid(char kind, const char *id);
