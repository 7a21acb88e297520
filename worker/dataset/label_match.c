/* SPDX-License-Identifier: MIT */
/* See label_match.h. */
#include "worker/dataset/label_match.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/unicode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct name {
	const char *text;
	int32_t id;
};

/* The order of two names. */
typedef int (*order_fn)(const char *a, const char *b);

bool label_names_are_chosen(char *const *names, size_t n)
{
	char plain[32];

	for (size_t i = 0; names && i < n; i++) {
		snprintf(plain, sizeof(plain), "LABEL_%zu", i);
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

/* The id of the one name of the list that is `text` but for case; -1: there is none or several. */
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
