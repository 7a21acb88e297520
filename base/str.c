/* SPDX-License-Identifier: MIT */
/*
 * Compares, copies and cuts text, parses numbers and sizes, checks UTF-8, and finds the nearest
 * name for a suggestion.
 */
#include "base/str.h"

#include "base/span.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAREST_NAME_MAX 64

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);
	size_t take = n < size ? n : size - 1;

	memcpy(dst, src, take);
	dst[take] = '\0';
	return take == n;
}

static bool vformat(char *dst, size_t size, const char *fmt, va_list ap) STR_PRINTF(3, 0);

/* True if the whole text fits. */
static bool vformat(char *dst, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(dst, size, fmt, ap);

	if (n < 0)
		*dst = '\0';
	return n >= 0 && (size_t)n < size;
}

bool str_format(char *dst, size_t size, const char *fmt, ...)
{
	va_list ap;
	bool fits;

	va_start(ap, fmt);
	fits = vformat(dst, size, fmt, ap);
	va_end(ap);
	return fits;
}

void str_must_copy(char *dst, size_t size, const char *src)
{
	bool fits = str_copy(dst, size, src);

	assert(fits);
}

void str_must_format(char *dst, size_t size, const char *fmt, ...)
{
	va_list ap;
	bool fits;

	va_start(ap, fmt);
	fits = vformat(dst, size, fmt, ap);
	va_end(ap);
	assert(fits);
}

/* Put "…" at the end of the cut text of size - 1 bytes, if there is room. */
static void mark_cut(char *dst, size_t size)
{
	static const char mark[] = "…";
	size_t n = size - sizeof(mark);

	if (size < sizeof(mark))
		return;
	for (int i = 0; i < 3 && n > 0 && ((unsigned char)dst[n] & 0xc0) == 0x80; i++)
		n--;
	memcpy(dst + n, mark, sizeof(mark));
}

bool str_excerpt(char *dst, size_t size, const char *src)
{
	bool fits = str_copy(dst, size, src);

	if (!fits)
		mark_cut(dst, size);
	return fits;
}

bool str_vexcerptf(char *dst, size_t size, const char *fmt, va_list ap)
{
	bool fits = vformat(dst, size, fmt, ap);

	if (!fits && *dst)
		mark_cut(dst, size);
	return fits;
}

bool str_excerptf(char *dst, size_t size, const char *fmt, ...)
{
	va_list ap;
	bool fits;

	va_start(ap, fmt);
	fits = str_vexcerptf(dst, size, fmt, ap);
	va_end(ap);
	return fits;
}

/* Levenshtein distance of strings up to NEAREST_NAME_MAX. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[NEAREST_NAME_MAX + 1];
	size_t i, j;

	for (j = 0; j <= m; j++)
		row[j] = j;
	for (i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= m; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

const char *str_nearest(const char *name, const char *const *candidates, size_t n)
{
	size_t len = strlen(name), best = len / 3 + 1;
	const char *found = NULL;

	if (len > NEAREST_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(candidates[i]);
		size_t d;

		if (m > NEAREST_NAME_MAX)
			continue;
		d = edit_distance(name, len, candidates[i], m);
		if (d < best || (d == best && !found)) {
			best = d;
			found = candidates[i];
		}
	}
	return found;
}

int str_to_i64(const char *s, int64_t *ret)
{
	char *end;
	long long v;

	if (!*s || isspace((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno)
		return -errno;
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int str_to_any_double(const char *s, double *ret)
{
	char *end;
	double v;

	if (!*s || isspace((unsigned char)*s))
		return -EINVAL;
	v = strtod(s, &end);
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int str_to_double(const char *s, double *ret)
{
	double v;

	if (str_to_any_double(s, &v) < 0 || !isfinite(v))
		return -EINVAL;
	*ret = v;
	return 0;
}

char *str_bytes(char *buf, size_t size, int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)bytes;
	size_t u = 0;

	while (fabs(v) >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1024;
		u++;
	}
	str_must_format(buf, size, u ? "%.1f %s" : "%.0f %s", v, units[u]);
	return buf;
}

int str_parse_bytes(const char *s, int64_t *ret)
{
	static const struct {
		const char *unit;
		double factor;
	} units[] = {
		{"", 1},	 {"B", 1},	   {"KB", 1e3},	     {"MB", 1e6},
		{"GB", 1e9},	 {"TB", 1e12},	   {"KiB", 1024.0},  {"MiB", 1048576.0},
		{"K", 1024.0},	 {"M", 1048576.0}, {"GiB", 1 << 30}, {"G", 1 << 30},
		{"TiB", 0x1p40}, {"T", 0x1p40},
	};
	char *end;
	double v;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	if (s[strspn(s, "0123456789.")] && strchr("eExXpP", s[strspn(s, "0123456789.")]))
		return -EINVAL; /* strtod would also accept exponents and hexadecimal digits */
	v = strtod(s, &end);
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		v *= units[i].factor;
		if (v > 0x1p62)
			return -EINVAL;
		*ret = (int64_t)v;
		return 0;
	}
	return -EINVAL;
}

bool str_utf8_valid(const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str, *end = s + len;

	while (s < end) {
		unsigned c = *s;
		size_t more;
		uint32_t cp;

		if (c < 0x80) {
			s += span_ascii((const char *)s, (size_t)(end - s));
			continue;
		}
		if (c >= 0xc2 && c <= 0xdf)
			more = 1, cp = c & 0x1f;
		else if ((c & 0xf0) == 0xe0)
			more = 2, cp = c & 0x0f;
		else if (c >= 0xf0 && c <= 0xf4)
			more = 3, cp = c & 0x07;
		else
			return false;
		if ((size_t)(end - s) <= more)
			return false;
		for (size_t i = 1; i <= more; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return false;
			cp = cp << 6 | (s[i] & 0x3f);
		}
		if ((more == 2 && (cp < 0x800 || (cp >= 0xd800 && cp <= 0xdfff))) ||
		    (more == 3 && (cp < 0x10000 || cp > 0x10ffff)))
			return false;
		s += more + 1;
	}
	return true;
}

void str_utf8_mask(char *s)
{
	while (*s) {
		size_t n = 1;

		while (n <= 4 && !str_utf8_valid(s, n) && s[n - 1])
			n++;
		if (n > 4 || !s[n - 1]) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

int str_hex_byte(const char *s)
{
	int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);

	return low < 0 ? -1 : high << 4 | low;
}
