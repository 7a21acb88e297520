/* SPDX-License-Identifier: MIT */
/* Finds the classes of one list of names in another: those of the data in those of a model. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if somebody chose the names: LABEL_0, LABEL_1, … are none (transformers writes them). */
bool label_names_are_chosen(char *const *names, size_t n);
/* Fill ids[from_n] with the index in `to` of each name of `from`, or -1. Case counts, unless
 * exactly one name of each side is equal without it. -ENOMEM. */
int label_names_match(char *const *from, size_t from_n, char *const *to, size_t to_n, int32_t *ids);
/* The same if only one side has chosen names; a side without names is NULL. If all of those names
 * are ids ("7", "LABEL_7") of classes of the other side, these ids decide: data of the classes 1
 * and 2 are the classes 1 and 2 of a model without names. Otherwise the index in the list is the
 * id. If `used` (NULL: all are used) is false for a class of `from`, its result has no meaning. */
void label_names_match_ids(char *const *from, size_t from_n, char *const *to, size_t to_n,
			   const bool *used, int32_t *ids);
/* The id in a class name: 7 for "7" and "LABEL_7", in any case. -1: the name has no id. */
int32_t label_name_id(const char *name);
