/* SPDX-License-Identifier: MIT */
/* Small text helpers. No allocation unless stated. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Copy, cut to size. Returns true if all of src fits. */
bool str_copy(char *dst, size_t size, const char *src);
/* As str_copy(), for UTF-8 text for people: cuts between characters and ends a cut text with "…"
 * (size at least 4). */
bool str_excerpt(char *dst, size_t size, const char *src);
/* The candidate with the smallest edit distance to `name`, if that is at most a third of its
 * length; else NULL. `candidates` has n strings; they and the result are borrowed. */
const char *str_nearest(const char *name, const char *const *candidates, size_t n);
/* Parse a whole string as a decimal integer. Returns 0, -EINVAL or -ERANGE. */
int str_to_i64(const char *s, int64_t *ret);
/* The byte of the two hexadecimal digits at `s`; -1 if there are not two digits. */
int str_hex_byte(const char *s);
int str_to_double(const char *s, double *ret);	   /* finite numbers only */
int str_to_any_double(const char *s, double *ret); /* also "nan", "inf" and similar */
/* A size with binary units: "9.2 GiB". buf has at least 24 bytes. Returns buf. */
char *str_bytes(char *buf, size_t size, int64_t bytes);
/* Parse "8GiB", "512MB", "1024" into bytes. Returns 0 or -EINVAL. */
int str_parse_bytes(const char *s, int64_t *ret);
bool str_utf8_valid(const char *s, size_t len);
/* Replace every byte that is not part of valid UTF-8 by '?'. */
void str_utf8_mask(char *s);
