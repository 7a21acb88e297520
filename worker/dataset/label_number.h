/* SPDX-License-Identifier: MIT */
/* Finds class names that are numbers, so that 1, 1.0 and the name "1.0" are the same class. */
#pragma once

#include "worker/dataset/label_names.h"
#include "worker/dataset/label_value.h"

struct label_number;

struct label_numbers {
	struct label_number *items; /* sorted */
	size_t n;
};

/* Collect the numbers among the names; replaces the previous content. -ENOMEM. */
int label_numbers_set(struct label_numbers *l, const struct label_names *names);
/* The id of the only name that is this number: `number` of LABEL_INT, `text` of LABEL_FLOAT. -1:
 * none or several are. */
int32_t label_numbers_find(const struct label_numbers *l, enum label_type type, int64_t number,
			   const char *text);
void label_numbers_done(struct label_numbers *l);
