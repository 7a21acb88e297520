/* SPDX-License-Identifier: MIT */
/* The classes of one list of names in another: those of data in those of a model. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if somebody chose the names: LABEL_0, LABEL_1, … are none (transformers writes them). */
bool label_names_are_chosen(char *const *names, size_t n);
/* Fill ids[from_n]: the place in `to` of each name of `from`, or -1. Case counts, unless exactly
 * one name of each side is the same without it. -ENOMEM. */
int label_names_match(char *const *from, size_t from_n, char *const *to, size_t to_n, int32_t *ids);
/* The same where only one side has chosen names; NULL is a side without any. If all of those names
 * are ids ("7", "LABEL_7") and lead to a class of the other side, they count: data of the classes 1
 * and 2 are the classes 1 and 2 of a model without names. Else the place in the list is the id. A
 * class of `from` for which `used` (NULL: all are) is false leads nowhere or anywhere. */
void label_names_match_ids(char *const *from, size_t from_n, char *const *to, size_t to_n,
			   const bool *used, int32_t *ids);
/* The id that a class name says: 7 of "7" and "LABEL_7"; -1: it says none. */
int32_t label_name_id(const char *name);
