/* SPDX-License-Identifier: MIT */
/*
 * Which classes the rows have. Every row's value is kept first (labels_add). After the last row of
 * the training and the test data one decision gives each value its class (labels_decide,
 * label_rule.c). The order of the rows does not count:
 *
 * - Names given by the job's `labels`, else by the source (ClassLabel, class folders), decide. A
 *   value is looked up by its text, a number also as a number; whole numbers are ids if none of
 *   them is a name. A list of
 *   `labels` that has none of the source's names renames these one by one; the names of a model
 *   are matched with them by name (label_match.h), or by id if a side has no names.
 * - Else booleans are False and True. Whole numbers that are exactly 0 … n-1 stay ids without
 *   names. All other whole numbers, sorted as numbers, and texts, sorted by code point, become the
 *   names. Numbers that are not whole are refused.
 * - No label: null, empty, NaN; in CSV also NA, N/A, null, None and the other words of pandas; the
 *   job's `no_label`; and -1 where names lack it or where a whole split has nothing else.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/dataset/label_names.h"
#include "worker/dataset/label_number.h"
#include "worker/dataset/source.h"

#define LABELS_MAX	  10000
#define LABELS_VALUES_MAX 40000 /* different values, of all splits together */
#define LABELS_SPLITS	  2
#define LABEL_NONE	  (-1)

/* A value of one split. */
struct label_seen {
	size_t split;
	enum label_type type;
	int64_t number;
	char *text;
	int64_t rows, first; /* number of rows that have it; number of the first one */
	int32_t class;	     /* decided; LABEL_NONE: these rows have no label */
};

struct labels {
	struct label_names names;     /* empty: the classes are ids without names */
	struct label_numbers numbers; /* those among the names */
	struct label_names source;    /* class names of the first source that has any */
	bool given;		      /* the names are the job's `labels` */
	bool of_model; /* True if they are the classes of a model; set after labels_init */
	bool by_id;    /* decided: of the source and the model, one has no names, so ids decide */
	bool has_no_label;
	int64_t no_label;
	size_t classes; /* the number of classes, once decided */
	struct label_seen *values;
	size_t values_n, values_cap;
	int32_t *sorted;	    /* values in the order of their keys, for look-ups */
	char *paths[LABELS_SPLITS]; /* of the sources, for messages */
};

/* From `labels` (strings, at least two, all different) and `no_label` of the job's dataset. The
 * caller ends *l with labels_done, also on failure. */
int labels_init(struct labels *l, const json_t *dataset, struct err *reterr) MUSTCHECK;
/* Note an opened source: copies of its class names and its path. */
int labels_open(struct labels *l, const struct source *s, size_t split,
		struct err *reterr) MUSTCHECK;
/* Keep what a row says; *ret_value is its number. -ERR_INVALID: it cannot be a label. */
int labels_add(struct labels *l, const struct source *s, const struct source_row *row, size_t split,
	       int32_t *ret_value, struct err *reterr) MUSTCHECK;
/* True if any row of the split has a label. For use before the decision. */
bool labels_has_any(const struct labels *l, size_t split);
/* Forget the rows of a split that another source replaces. */
void labels_forget(struct labels *l, size_t split);
/* Give each value its class, after all rows are added. -ERR_INVALID with the row and the remedy. */
int labels_decide(struct labels *l, struct err *reterr) MUSTCHECK;
/* After labels_decide: an index, or LABEL_NONE. */
int32_t labels_class(const struct labels *l, int32_t value);
void labels_done(struct labels *l);

/* ---- labels.c and label_rule.c ---- */

/* True if the value's rows have no label. */
bool labels_is_none(const struct labels *l, const struct label_seen *v);
