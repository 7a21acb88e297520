/* SPDX-License-Identifier: MIT */
/*
 * From what a source says about a row's class to an index. Names come, in this order, from the
 * job's `labels`, from the source itself (ClassLabel, class folders), or from the values: text
 * values are sorted and become the names; integers stay integers and have no names. An integer in
 * the data is a class index, or stands for the source's own name of that class when that name is
 * known; a text that is no name but an integer is an index too.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/dataset/source.h"

#define LABELS_MAX 10000

struct labels {
	char **names; /* NULL while the classes are integers without names */
	size_t names_n;
	bool fixed;	 /* names are given: nothing may be added */
	int64_t largest; /* the largest index seen, -1 at first */
	size_t *by_name; /* indices of names, sorted by name, for look-ups; NULL: to be made */
};

/* From the job's list of names; each a string, at least two, all different. */
int labels_from_spec(struct labels *l, const json_t *names, struct err *reterr) MUSTCHECK;
/* From the source's own names, if nothing is fixed yet and it has any. */
int labels_from_source(struct labels *l, const struct source *s, struct err *reterr) MUSTCHECK;
/* The index of a row's class. While names are being found it is provisional: pass it through
 * labels_settle()'s map. */
int labels_index(struct labels *l, const struct source *s, const struct source_row *row,
		 int32_t *ret, struct err *reterr) MUSTCHECK;
/* All rows are seen: sort the names that were found. *ret_map[provisional] is the final index, to
 * be freed by the caller; NULL when indices are final already. */
int labels_settle(struct labels *l, int32_t **ret_map, struct err *reterr) MUSTCHECK;
/* How many classes there are. */
size_t labels_count(const struct labels *l);
void labels_done(struct labels *l);
