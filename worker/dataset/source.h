/* SPDX-License-Identifier: MIT */
/*
 * A source of labelled texts: rows one after the other, in bounded memory. Kinds: CSV and JSONL
 * (plain or gzip), Parquet, a folder with such files, a folder of class folders, a saved Hugging
 * Face data set. Every text
 * comes out as valid UTF-8: an ill-formed sequence is replaced by U+FFFD.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "worker/dataset/label_list.h"
#include "worker/dataset/split_names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_TEXT_MAX (64u << 20) /* bytes of one row */

struct source_columns {
	const char *text, *pair, *label; /* names; pair may be NULL */
	char delimiter;			 /* of CSV; 0: found in the header */
	bool no_quotes;			 /* of CSV: quotes are plain characters */
	bool label_lists;		 /* True if a label may be a list */
	const char *config;		 /* of the data set (configs.h); NULL: the default */
	bool config_chosen; /* True if the path has the files of no other configuration */
};

struct source_row {
	int64_t number; /* from 1, as people count the rows of this source */
	/* NULL: a null, or (of pair) no such column was requested; both borrowed until the next
	 * row */
	const char *text, *pair;
	size_t text_len, pair_len;
	struct label_value label; /* its text is borrowed until the next */
	const struct label_list
		*list;	   /* the label, if it is a list; else NULL; borrowed likewise */
	bool invalid_utf8; /* True if something was replaced */
};

struct source;

/* A kind of source. open() fills s->state. Its texts may be ill-formed UTF-8. */
struct source_kind {
	const char *name;
	int (*open)(struct source *s, struct err *reterr);
	int (*next)(struct source *s, struct source_row *row, struct err *reterr);
	double (*fraction)(const struct source *s);
	void (*close)(struct source *s);
};

struct source {
	const struct source_kind *kind;
	char *path;
	const struct split_group *files; /* of a "DIR/SPLIT"; borrowed */
	const char *field; /* JSON pointer of the object that names the columns, for errors */
	struct source_columns columns;
	void *state;
	int64_t rows;	    /* given so far */
	char **label_names; /* known from the source itself, or NULL */
	size_t label_names_n;
	char delimiter; /* found in a CSV header, if the file's name means another one; else 0 */
	int64_t doubtful, doubtful_line; /* csv.h, unless the delimiter is a comma */
	const char *doubtful_path;	 /* of a "DIR/SPLIT": the file of that line */
	struct buf text, pair;		 /* repaired copies */
	struct label_list list;		 /* of the current row */
};

extern const struct source_kind source_csv, source_jsonl, source_folder;
extern const struct source_kind source_parquet, source_saved;
/* The path is "DIR/SPLIT", and `files` are those of that split (data_tree.h). */
extern const struct source_kind source_parquet_tree, source_csv_tree, source_jsonl_tree;

/* `files`, `field` ("/dataset" or "/dataset/train") and the columns are borrowed for the source's
 * life. Only a "DIR/SPLIT" has `files`. Errors point at field/path, field/text_column and so on. */
int source_open(const struct source_kind *kind, const char *path, const struct split_group *files,
		const char *field, const struct source_columns *columns, struct source **ret,
		struct err *reterr) MUSTCHECK;
/* 1: a row. 0: the end. -ERR_INVALID, -ERR_CORRUPT: with the path and the row's number. */
int source_next(struct source *s, struct source_row *row, struct err *reterr) MUSTCHECK;
/* The part that is read, 0 to 1; 0 if unknown. */
double source_fraction(const struct source *s);
void source_closep(struct source **s);

/* True if the file's name ends in `suffix` or in that and .gz, in any case. */
bool source_is_named(const char *path, const char *suffix);
/* For the kinds: report that a column is missing, and list the columns. `key` is the field of
 * `dataset` that names the column. */
int source_no_column(const char *path, const char *key, const char *column,
		     const char *const *there, size_t n, struct err *reterr);
/* For the kinds: report that a column is there twice. */
int source_twice(const char *path, const char *key, const char *column, struct err *reterr);
/* For the kinds: report that the list of labels of this row has more than LABEL_LIST_MAX elements.
 */
int source_long_list(const struct source *s, const struct source_row *row, struct err *reterr);
/* For the kinds: keep a copy of one class name. 0 or -ENOMEM. */
int source_add_label_name(struct source *s, const char *name);
/* Append s with ill-formed sequences replaced. True if there were any. */
bool utf8_repair(const char *s, size_t len, struct buf *out);
