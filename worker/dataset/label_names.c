/* SPDX-License-Identifier: MIT */
/* The list, and its index sorted by name. */
#include "worker/dataset/label_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_text(const char *a, size_t a_len, const char *b)
{
	size_t b_len = strlen(b);
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* The position of the name in by_name, or the one at which to insert it. */
static size_t lower_bound(const struct label_names *l, const char *name, size_t len,
			  bool *ret_found)
{
	size_t lo = 0, hi = l->n;

	*ret_found = false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = compare_text(name, len, l->items[l->by_name[mid]]);

		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int label_names_add(struct label_names *l, const char *name, size_t len)
{
	char **items;
	size_t *by_name, at;
	bool found;

	at = lower_bound(l, name, len, &found);
	if (found)
		return 0;
	items = realloc(l->items, (l->n + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	l->items = items;
	by_name = realloc(l->by_name, (l->n + 1) * sizeof(*by_name));
	if (!by_name)
		return -ENOMEM;
	l->by_name = by_name;
	items[l->n] = strndup(name, len);
	if (!items[l->n])
		return -ENOMEM;
	memmove(by_name + at + 1, by_name + at, (l->n - at) * sizeof(*by_name));
	by_name[at] = l->n++;
	return 1;
}

int32_t label_names_find(const struct label_names *l, const char *name, size_t len)
{
	bool found;
	size_t at = lower_bound(l, name, len, &found);

	return found ? (int32_t)l->by_name[at] : -1;
}

void label_names_done(struct label_names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	free(l->by_name);
	*l = (struct label_names){0};
}
