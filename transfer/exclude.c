/* SPDX-License-Identifier: MIT */
/* Matches a path, part by part, with each pattern. */
#include "transfer/exclude.h"

#include "base/str.h"

#include <string.h>

/* Match one name with one part of a pattern. Only the last star is remembered: linear time in
 * practice. */
static bool name_matches(const char *p, size_t p_len, const char *s, size_t s_len)
{
	size_t pi = 0, si = 0, star = p_len, star_si = 0;

	while (si < s_len) {
		if (pi < p_len && p[pi] == '*') {
			star = pi++;
			star_si = si;
		} else if (pi < p_len && (p[pi] == '?' || p[pi] == s[si])) {
			pi++;
			si++;
		} else if (star < p_len) {
			pi = star + 1;
			si = ++star_si;
		} else {
			return false;
		}
	}
	while (pi < p_len && p[pi] == '*')
		pi++;
	return pi == p_len;
}

/* Match the whole path, or a directory above it. */
static bool parts_match(const char *p, const char *s, int depth)
{
	size_t p_len = strcspn(p, "/"), s_len = strcspn(s, "/");

	if (depth > EXCLUDE_DEPTH_MAX)
		return false;
	if (!*p)
		return true; /* end of the pattern: this path or a directory above it is excluded */
	if (p_len == 2 && p[0] == '*' && p[1] == '*') {
		p += p_len + (p[p_len] == '/');
		if (!*p)
			return *s; /* "x/[two stars]": everything below x */
		for (; *s; s += s_len + (s[s_len] == '/'), s_len = strcspn(s, "/"))
			if (parts_match(p, s, depth + 1))
				return true;
		return false;
	}
	if (!*s || !name_matches(p, p_len, s, s_len))
		return false;
	return parts_match(p + p_len + (p[p_len] == '/'), s + s_len + (s[s_len] == '/'), depth + 1);
}

static bool one_matches(const char *pattern, const char *path)
{
	if (strchr(pattern, '/'))
		return parts_match(pattern + (*pattern == '/'), path, 0);
	for (size_t n = strcspn(path, "/"); *path; n = strcspn(path, "/")) {
		if (name_matches(pattern, strlen(pattern), path, n))
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}

bool exclude_matches(const json_t *patterns, const char *path)
{
	const json_t *item;
	size_t i;

	json_array_foreach(patterns, i, item) {
		const char *pattern = json_string_value(item);

		if (pattern && *pattern && one_matches(pattern, path))
			return true;
	}
	return false;
}
