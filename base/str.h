/* SPDX-License-Identifier: MIT */
/* Small text helpers. No allocation unless said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Copy and cut to size; true when all of src fitted. */
bool str_copy(char *dst, size_t size, const char *src);
/* The same for UTF-8 that people will read: cut between characters, and a cut text ends in "…"
 * (size of at least 4). */
bool str_excerpt(char *dst, size_t size, const char *src);
/* The candidate with the smallest edit distance to `name` (at most a third of its length), or
 * NULL. `candidates` is n strings, borrowed; so is the result. */
const char *str_nearest(const char *name, const char *const *candidates, size_t n);
/* Whole-string integer in base 10; 0 or -EINVAL / -ERANGE. */
int str_to_i64(const char *s, int64_t *ret);
/* The byte that the two hexadecimal digits at `s` say; -1: they are not two. */
int str_hex_byte(const char *s);
int str_to_double(const char *s, double *ret);	   /* finite numbers only */
int str_to_any_double(const char *s, double *ret); /* "nan", "inf" and the like, too */
/* "9.2 GiB" style with binary units. buf of at least 24 bytes; returns buf. */
char *str_bytes(char *buf, size_t size, int64_t bytes);
/* "8GiB", "512MB", "1024" → bytes; 0 or -EINVAL. */
int str_parse_bytes(const char *s, int64_t *ret);
bool str_utf8_valid(const char *s, size_t len);
/* Put '?' for every byte that is not part of valid UTF-8. */
void str_utf8_mask(char *s);
