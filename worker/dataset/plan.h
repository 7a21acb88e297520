/* SPDX-License-Identifier: MIT */
/*
 * The meaning of a preprocess job's `dataset` object: its sources and columns, and, after one pass
 * over them, the part and label of each row. Memory: 5 bytes a row, 9 for numbers, 13 and 4 for
 * each class of the row for several classes a row. A bad row has no label or an empty text; the
 * job's `on_bad_row` refuses it or leaves it out.
 */
#pragma once

#include "worker/dataset/dataset.h"
#include "worker/dataset/label_sets.h"
#include "worker/dataset/labels.h"
#include "worker/dataset/source.h"
#include "worker/dataset/split.h"
#include "worker/worker.h"

struct plan_source;

/* Rows of one kind, of all sources. */
struct plan_count {
	int64_t rows, first;		  /* the first one's number */
	const struct plan_source *source; /* where the first one is */
};

struct plan_source {
	const struct source_kind *kind;
	char *path;
	char *spare;			       /* read instead if no row has a label; NULL: none */
	struct split_group files, spare_files; /* of `path` and `spare`, if they are "DIR/SPLIT" */
	const char *field;		       /* "/dataset", "/dataset/train" or "/dataset/test" */
	enum split_part only;		       /* SPLIT_NONE: this source is split in two */
	char delimiter; /* found in a CSV header, if the file's name means another one; else 0 */
	int64_t rows, bad;
	struct plan_count invalid_utf8;
	uint8_t *part;	/* per row: enum split_part */
	int32_t *label; /* per row; PLAN_EMPTY_TEXT or LABEL_NONE: a bad row; 0 for a number or for
			 * `sets` */
	float *target;	/* per row; NULL unless the labels are numbers */
	struct label_sets sets; /* empty unless a row has several classes */
};

#define PLAN_EMPTY_TEXT (-2)

struct plan {
	struct source_columns columns;
	enum dataset_kind kind;
	struct plan_source sources[2];
	size_t sources_n;
	struct labels labels;
	struct label_rows rows;	       /* of several classes a row */
	int64_t train_rows, test_rows; /* negative until known: the spec does not give it */
	uint64_t seed;
	bool skip_bad;
	struct plan_count invalid_utf8, empty, unlabelled;
};

/* Read the `dataset` object of w->spec, which is borrowed for the plan's life. */
int plan_init(struct plan *p, const struct worker *w, struct err *reterr) MUSTCHECK;
/* Read everything once: count, decide the labels, then the parts. -ERR_CANCELLED on a stop. */
int plan_scan(struct plan *p, const struct worker *w, struct err *reterr) MUSTCHECK;
void plan_done(struct plan *p);

/* ---- plan_scan.c and plan_parts.c ---- */

/* Rows of the source that are not bad. */
static inline int64_t plan_usable(const struct plan_source *ps)
{
	return ps->rows - ps->bad;
}
/* Fill `part` of each source by train_rows, test_rows and seed, after the labels are decided. */
int plan_decide_parts(struct plan *p, struct err *reterr) MUSTCHECK;
/* Warn about classes that only rows of the test set have, after the parts are decided. -ENOMEM. */
int plan_report_untrained(const struct plan *p, struct report *report,
			  struct err *reterr) MUSTCHECK;
