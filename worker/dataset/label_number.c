/* SPDX-License-Identifier: MIT */
/* Sorts the numbers, whole ones before others, and searches them. */
#include "worker/dataset/label_number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct label_number {
	enum label_type type; /* LABEL_INT or LABEL_FLOAT */
	int64_t whole;	      /* of LABEL_INT */
	double real;	      /* of LABEL_FLOAT */
	int32_t id;
};

static int compare(const void *a, const void *b)
{
	const struct label_number *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->whole != y->whole)
		return x->whole < y->whole ? -1 : 1;
	return (x->real > y->real) - (x->real < y->real);
}

static struct label_number number_of(enum label_type type, int64_t number, const char *text)
{
	return (struct label_number){.type = type,
				     .whole = type == LABEL_INT ? number : 0,
				     .real = type == LABEL_FLOAT ? strtod(text, NULL) : 0};
}

int label_numbers_set(struct label_numbers *l, const struct label_names *names)
{
	label_numbers_done(l);
	l->items = calloc(names->n + 1, sizeof(*l->items));
	if (!l->items)
		return -ENOMEM;
	for (size_t i = 0; i < names->n; i++) {
		struct label_value v;

		label_from_text(&v, names->items[i], strlen(names->items[i]), false);
		if (v.type != LABEL_INT && v.type != LABEL_FLOAT)
			continue;
		l->items[l->n] = number_of(v.type, v.number, names->items[i]);
		l->items[l->n++].id = (int32_t)i;
	}
	qsort(l->items, l->n, sizeof(*l->items), compare);
	return 0;
}

int32_t label_numbers_find(const struct label_numbers *l, enum label_type type, int64_t number,
			   const char *text)
{
	struct label_number key = number_of(type, number, text);
	const struct label_number *at =
		l->n ? bsearch(&key, l->items, l->n, sizeof(key), compare) : NULL;

	if (!at)
		return -1;
	if ((at > l->items && !compare(at - 1, at)) ||
	    (at + 1 < l->items + l->n && !compare(at, at + 1)))
		return -1;
	return at->id;
}

void label_numbers_done(struct label_numbers *l)
{
	free(l->items);
	*l = (struct label_numbers){0};
}
