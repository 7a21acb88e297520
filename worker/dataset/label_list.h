/* SPDX-License-Identifier: MIT */
/* A label that is a list, of several classes a row: its elements, as values. */
#pragma once

#include "base/json.h"
#include "worker/dataset/label_value.h"

#define LABEL_LIST_MAX 10000 /* elements */

struct label_list {
	struct label_value *items; /* their texts are borrowed from where they came from */
	size_t n, cap;
	json_t *parsed; /* of label_list_parse() */
};

/* Add an element, for the caller to fill. NULL: no memory. */
struct label_value *label_list_add(struct label_list *l);
/* Take over a JSON list, whose texts are borrowed. 0, -ENOMEM; -ERR_LIMIT; -ERR_INVALID: an element
 * is no text, number or boolean. */
int label_list_read(struct label_list *l, const json_t *array);
/* The same from its text, as a cell of a CSV file has it. -ERR_INVALID: it is no JSON list, too. */
int label_list_parse(struct label_list *l, const char *text, size_t len);
void label_list_done(struct label_list *l);
