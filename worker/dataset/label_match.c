/* SPDX-License-Identifier: MIT */
/* Sorts the names, looks each name up exactly and without case, and reads ids from names. */
#include "worker/dataset/label_match.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/unicode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct name {
	const char *text;
	int32_t id;
};

/* The order of two names. */
typedef int (*order_fn)(const char *a, const char *b);

#define PLAIN_NAME "LABEL_" /* transformers' name of a class that has none */

bool label_names_are_chosen(char *const *names, size_t n)
{
	char plain[32];

	for (size_t i = 0; names && i < n; i++) {
		snprintf(plain, sizeof(plain), PLAIN_NAME "%zu", i);
		if (!str_eq(names[i], plain))
			return true;
	}
	return false;
}

static int without_case(const char *a, const char *b)
{
	const unsigned char *s = (const unsigned char *)a, *t = (const unsigned char *)b;
	size_t s_len = strlen(a), t_len = strlen(b), bad = 0;

	while (s_len && t_len) {
		uint32_t x, y;
		size_t n = utf8_decode(s, s_len, &x, &bad), m = utf8_decode(t, t_len, &y, &bad);

		x = unicode_lower(x);
		y = unicode_lower(y);
		if (x != y)
			return x < y ? -1 : 1;
		s += n;
		s_len -= n;
		t += m;
		t_len -= m;
	}
	return (s_len > 0) - (t_len > 0);
}

static int compare_exactly(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int c = strcmp(x->text, y->text);

	return c ? c : (x->id > y->id) - (x->id < y->id);
}

static int compare_without_case(const void *a, const void *b)
{
	return without_case(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static struct name *list_names(char *const *names, size_t n)
{
	struct name *list = calloc(n + 1, sizeof(*list));

	for (size_t i = 0; list && i < n; i++)
		list[i] = (struct name){.text = names[i], .id = (int32_t)i};
	return list;
}

/* The first name of the sorted list that is not below `text`. */
static size_t lower_bound(const struct name *list, size_t n, const char *text, order_fn order)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (order(list[mid].text, text) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The id of the only name of the list that equals `text` without case. -1: none or several do. */
static int32_t only_one(const struct name *list, size_t n, const char *text)
{
	size_t at = lower_bound(list, n, text, without_case);

	if (at == n || without_case(list[at].text, text) ||
	    (at + 1 < n && !without_case(list[at + 1].text, text)))
		return -1;
	return list[at].id;
}

int label_names_match(char *const *from, size_t from_n, char *const *to, size_t to_n, int32_t *ids)
{
	OWN(freep) struct name *ours = list_names(from, from_n), *theirs = list_names(to, to_n);

	if (!ours || !theirs)
		return -ENOMEM;
	qsort(theirs, to_n, sizeof(*theirs), compare_exactly);
	for (size_t i = 0; i < from_n; i++) {
		size_t at = lower_bound(theirs, to_n, from[i], strcmp);

		ids[i] = at < to_n && str_eq(theirs[at].text, from[i]) ? theirs[at].id : -1;
	}
	qsort(ours, from_n, sizeof(*ours), compare_without_case);
	qsort(theirs, to_n, sizeof(*theirs), compare_without_case);
	for (size_t i = 0; i < from_n; i++)
		if (ids[i] < 0 && only_one(ours, from_n, from[i]) == (int32_t)i)
			ids[i] = only_one(theirs, to_n, from[i]);
	return 0;
}

int32_t label_name_id(const char *name)
{
	int64_t id;

	if (strncasecmp(name, PLAIN_NAME, strlen(PLAIN_NAME)) == 0)
		name += strlen(PLAIN_NAME);
	if (name[0] < '0' || name[0] > '9' || (name[0] == '0' && name[1]) ||
	    str_to_i64(name, &id) < 0 || id > INT32_MAX)
		return -1;
	return (int32_t)id;
}

/* Set ids[i] to the id in from[i]. False if a used one has no id below to_n. */
static bool by_stated_id(char *const *from, size_t from_n, size_t to_n, const bool *used,
			 int32_t *ids)
{
	for (size_t i = 0; i < from_n; i++) {
		ids[i] = label_name_id(from[i]);
		if ((size_t)ids[i] >= to_n)
			ids[i] = -1;
		if (ids[i] < 0 && (!used || used[i]))
			return false;
	}
	return true;
}

/* Set ids[i] to the index at which `to` has the id i. False if a used one is missing. */
static bool by_place_of_id(size_t from_n, char *const *to, size_t to_n, const bool *used,
			   int32_t *ids)
{
	for (size_t i = 0; i < from_n; i++)
		ids[i] = -1;
	for (size_t k = 0; k < to_n; k++) {
		int32_t id = label_name_id(to[k]);

		if (id >= 0 && (size_t)id < from_n && ids[id] < 0)
			ids[id] = (int32_t)k;
	}
	for (size_t i = 0; i < from_n; i++)
		if (ids[i] < 0 && (!used || used[i]))
			return false;
	return true;
}

void label_names_match_ids(char *const *from, size_t from_n, char *const *to, size_t to_n,
			   const bool *used, int32_t *ids)
{
	bool matched = false;

	if (label_names_are_chosen(from, from_n))
		matched = by_stated_id(from, from_n, to_n, used, ids);
	else if (label_names_are_chosen(to, to_n))
		matched = by_place_of_id(from_n, to, to_n, used, ids);
	for (size_t i = 0; !matched && i < from_n; i++)
		ids[i] = i < to_n ? (int32_t)i : -1;
}
