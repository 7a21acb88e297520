/* SPDX-License-Identifier: MIT */
/* Reads the elements of a list from JSON; worker/dataset/source_table.c has those of Arrow. */
#include "worker/dataset/label_list.h"

#include "base/err.h"
#include "base/own.h"
#include "worker/dataset/json_numbers.h"

#include <stdlib.h>

void label_list_done(struct label_list *l)
{
	free(l->items);
	json_decref(l->parsed);
	*l = (struct label_list){0};
}

struct label_value *label_list_add(struct label_list *l)
{
	size_t want = l->cap ? l->cap * 2 : 16;
	struct label_value *items;

	if (l->n == l->cap) {
		items = realloc(l->items, want * sizeof(*items));
		if (!items)
			return NULL;
		l->items = items;
		l->cap = want;
	}
	l->items[l->n] = (struct label_value){.type = LABEL_NULL};
	return &l->items[l->n++];
}

static int read_item(struct label_value *v, const json_t *item)
{
	if (json_is_string(item))
		label_from_text(v, json_string_value(item), json_string_length(item), false);
	else if (json_is_integer(item))
		label_from_int(v, json_integer_value(item));
	else if (json_is_real(item))
		label_from_double(v, json_numbers_real(item));
	else if (json_is_boolean(item))
		label_from_bool(v, json_is_true(item));
	else if (!json_is_null(item))
		return -ERR_INVALID;
	return 0;
}

int label_list_read(struct label_list *l, const json_t *array)
{
	const json_t *item;
	size_t i;

	l->n = 0;
	if (json_array_size(array) > LABEL_LIST_MAX)
		return -ERR_LIMIT;
	json_array_foreach((json_t *)array, i, item) {
		struct label_value *v = label_list_add(l);
		int r = v ? read_item(v, item) : -ENOMEM;

		if (r < 0)
			return r;
	}
	return 0;
}

int label_list_parse(struct label_list *l, const char *text, size_t len)
{
	json_decref(TAKE(l->parsed));
	if (json_parse_nul(text, len, &l->parsed, NULL) < 0 || !json_is_array(l->parsed))
		return -ERR_INVALID;
	return label_list_read(l, l->parsed);
}
