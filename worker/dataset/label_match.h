/* SPDX-License-Identifier: MIT */
/* The classes of one list of names in another: those of data in those of a model. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if somebody chose the names: LABEL_0, LABEL_1, … are none (transformers writes them). */
bool label_names_are_chosen(char *const *names, size_t n);
/* Fill ids[from_n]: where in `to` each name of `from` is, exactly, else without regard to case if
 * exactly one name of each side is the same then, else -1. -ENOMEM. */
int label_names_match(char *const *from, size_t from_n, char *const *to, size_t to_n, int32_t *ids);
