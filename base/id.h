/* SPDX-License-Identifier: MIT */
/* Short, sortable, URL-safe ids: a kind letter, 48 bits of milliseconds and 50 random bits in
 * Crockford's base 32, lower case: "r01jd3k9x2m7q4v8c5tz". Ids made by one process increase. */
#pragma once

#include <stdbool.h>

#define ID_LEN 21 /* with the NUL */

void id_new(char kind, char buf[ID_LEN]);
/* Shape only: the letter, the length, the alphabet. */
bool id_valid(char kind, const char *id);
