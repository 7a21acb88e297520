/* SPDX-License-Identifier: MIT */
/* A list of class names in the order of their ids, with a look-up by name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct label_names {
	char **items;
	size_t n;
	size_t *by_name; /* indices of items, sorted by code point */
};

/* Append a copy, unless the name exists. 1: added, 0: it exists, -ENOMEM. */
int label_names_add(struct label_names *l, const char *name, size_t len);
/* The name's id; -1: there is no such name. */
int32_t label_names_find(const struct label_names *l, const char *name, size_t len);
void label_names_done(struct label_names *l);
