/* SPDX-License-Identifier: MIT */
/*
 * A table over one or several Arrow or Parquet files: batches one after the other. The schema is
 * that of the current file, because files may order their columns differently.
 */
#pragma once

#include "base/err.h"
#include "worker/arrow/arrow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	char **files;
	size_t files_n, file; /* file: the one being read */
	bool parquet;
	const char *const *select; /* read only these columns; borrowed, NULL: all */
	size_t select_n;
	struct arw_reader *reader;
	struct ArrowSchema schema;
	struct ArrowArray batch;
};

/* Open the first file and its schema. Takes over `files`, also on failure. */
int table_open(struct table *t, char **files, size_t files_n, bool parquet,
	       struct err *reterr) MUSTCHECK;
/* Call this before the first table_next(). */
int table_select(struct table *t, const char *const *columns, size_t n,
		 struct err *reterr) MUSTCHECK;
/* 1: t->batch (with t->schema) is the next batch that has rows. 0: the end. */
int table_next(struct table *t, struct err *reterr) MUSTCHECK;
/* Arrow's name for the type of that column, for messages. Returns buf. */
const char *table_type_name(const struct table *t, int64_t column, char *buf, size_t size);
void table_close(struct table *t);
