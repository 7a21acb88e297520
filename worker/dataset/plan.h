/* SPDX-License-Identifier: MIT */
/*
 * What a preprocess job's `dataset` object means: which sources there are, which columns, and
 * after one pass over them which rows go where with which label. Memory: 5 bytes a row.
 */
#pragma once

#include "worker/dataset/labels.h"
#include "worker/dataset/source.h"
#include "worker/dataset/split.h"
#include "worker/worker.h"

struct plan_source {
	const struct source_kind *kind;
	char *path;
	const char *field;    /* "/dataset", "/dataset/train" or "/dataset/test" */
	enum split_part only; /* SPLIT_NONE: this source is split in two */
	int64_t rows;
	uint8_t *part;	/* per row: enum split_part */
	int32_t *label; /* per row */
};

struct plan {
	struct source_columns columns;
	struct plan_source sources[2];
	size_t sources_n;
	struct labels labels;
	int64_t train_rows, test_rows; /* negative until known: not asked for */
	uint64_t seed;
	int64_t invalid_rows,
		first_invalid; /* rows with ill-formed UTF-8; the first one's number */
	const char *first_invalid_path;
};

/* Read the `dataset` object of w->spec, which is borrowed for the plan's life. */
int plan_init(struct plan *p, const struct worker *w, struct err *reterr) MUSTCHECK;
/* Read everything once: count, map the labels, decide the parts. -ERR_CANCELLED on a stop. */
int plan_scan(struct plan *p, const struct worker *w, struct err *reterr) MUSTCHECK;
void plan_done(struct plan *p);
