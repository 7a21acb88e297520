/* SPDX-License-Identifier: MIT */
/* Reads the numbers at the end of a file's name, and searches its neighbours. */
#include "worker/dataset/shards.h"

#include "base/own.h"
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MIN 2 /* of a number; both have the same number of digits */
#define DIGITS_MAX 9

struct shard {
	size_t stem; /* bytes of the path before the number */
	int digits;
	long number, total;
};

static bool is_digits(const char *s, int n)
{
	for (int i = 0; i < n; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	return !isdigit((unsigned char)s[n]);
}

/* Read the last "-00001-of-00003" of the file's name. */
static bool parse(const char *path, struct shard *ret)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *of = NULL;

	for (const char *at = name; (at = strstr(at, "-of-")); at++)
		of = at;
	*ret = (struct shard){0};
	while (of && of - ret->digits > name && isdigit((unsigned char)of[-ret->digits - 1]))
		ret->digits++;
	if (ret->digits < DIGITS_MIN || ret->digits > DIGITS_MAX || !is_digits(of + 4, ret->digits))
		return false;
	ret->stem = (size_t)(of - path) - (size_t)ret->digits;
	if (path + ret->stem == name || path[ret->stem - 1] != '-')
		return false;
	ret->number = strtol(path + ret->stem, NULL, 10);
	ret->total = strtol(of + 4, NULL, 10);
	return true;
}

/* True if a path begins with `prefix`. */
static bool has(const char *const *paths, size_t n, const char *prefix)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(paths[middle], prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && str_starts(paths[low], prefix);
}

/* True if the shard of that number is missing, whose name is put into `missing`. */
static bool lacks(const char *path, const struct shard *s, long number, const char *const *paths,
		  size_t n, struct buf *missing)
{
	if (number < 0 || number >= s->total)
		return false;
	buf_clear(missing);
	buf_printf(missing, "%.*s%0*ld-of-%0*ld", (int)s->stem, path, s->digits, number, s->digits,
		   s->total);
	return buf_ok(missing) && !has(paths, n, buf_str(missing));
}

bool shards_gap(const struct split_groups *g, const char *const *paths, size_t n,
		struct buf *missing)
{
	struct shard s;

	for (size_t i = 0; i < g->n; i++) {
		for (size_t j = 0; j < g->items[i].n; j++) {
			const char *path = g->items[i].files[j];

			if (parse(path, &s) && (lacks(path, &s, s.number - 1, paths, n, missing) ||
						lacks(path, &s, s.number + 1, paths, n, missing)))
				return true;
		}
	}
	return false;
}
