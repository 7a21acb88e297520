/* SPDX-License-Identifier: MIT */
/* Small text helpers. No allocation unless stated. Any thread. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Text into an array of a fixed size. Half a value is a wrong value, so nothing is cut without a
 * word: the compiler refuses str_copy() and str_format() if the caller does not look at the result,
 * and tests/source refuses snprintf() in the same way. For a value that
 * - comes from outside: str_copy(), str_format(). The caller refuses it if it does not fit;
 * - is an array itself, or a literal: str_assign(). The compiler proves that it fits;
 * - was bounded before: str_must_copy(), str_must_format(). They assert that it fits;
 * - is words for people: str_excerpt(), str_excerptf(). They show the cut. */
#define STR_CHECKED	       __attribute__((warn_unused_result))
#define STR_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Copy, cut to size. Returns true if all of src fits. */
bool str_copy(char *dst, size_t size, const char *src) STR_CHECKED;
/* As str_copy(), of a printf format. */
bool str_format(char *dst, size_t size, const char *fmt, ...) STR_CHECKED STR_PRINTF(3, 4);
void str_must_copy(char *dst, size_t size, const char *src);
void str_must_format(char *dst, size_t size, const char *fmt, ...) STR_PRINTF(3, 4);
/* Copy array `src` to array `dst`, which is at least as large. */
#define str_assign(dst, src)                                                          \
	do {                                                                          \
		_Static_assert(STR_IS_ARRAY(dst) && STR_IS_ARRAY(src), "not arrays"); \
		_Static_assert(sizeof(src) <= sizeof(dst), "the source may not fit"); \
		str_must_copy(dst, sizeof(dst), src);                                 \
	} while (0)
#define STR_IS_ARRAY(a) (!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])))
/* As str_copy(), for UTF-8 text for people: cuts between characters and ends a cut text with "…"
 * (without it if size is below 4). */
bool str_excerpt(char *dst, size_t size, const char *src);
bool str_excerptf(char *dst, size_t size, const char *fmt, ...) STR_PRINTF(3, 4);
bool str_vexcerptf(char *dst, size_t size, const char *fmt, va_list ap) STR_PRINTF(3, 0);
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
