/* SPDX-License-Identifier: MIT */
/*
 * Reads CSV (RFC 4180) record by record: quoted fields with newlines and "", LF, CRLF or CR ends, a
 * byte order mark, gzip. Leniencies: a quote inside an unquoted field is an ordinary character,
 * blank lines are skipped, and the last line needs no end.
 */
#pragma once

#include "base/buf.h"
#include "worker/dataset/input.h"

#define CSV_RECORD_MAX (64u << 20)
#define CSV_FIELDS_MAX 4096

enum csv_state {
	CSV_FIELD_START,
	CSV_PLAIN,
	CSV_QUOTED,
	CSV_QUOTE_SEEN
};

struct csv_dialect {
	char delimiter;
	bool no_quotes; /* '"' is a character like any other */
	bool is_fixed;	/* no option of the user sets it, so messages name none */
};

struct csv {
	struct input in;
	struct csv_dialect dialect;
	enum csv_state state;
	bool skip_lf;			   /* the last record ended with CR */
	bool quoted;			   /* this record has a quoted field */
	struct buf bytes;		   /* all fields of the record, one after the other */
	size_t *ends;			   /* CSV_FIELDS_MAX: where each ends in bytes */
	size_t n;			   /* fields of the record */
	int64_t line;			   /* where the parser is, from 1 */
	int64_t record_line;		   /* where the record began */
	int64_t quote_line;		   /* where the open quote is */
	bool quoted_end, quoted_delimiter; /* within the open quote: an end of line, a delimiter */
	int64_t doubtful, doubtful_line;   /* quoted fields with both; the first one's line */
};

int csv_open(struct csv *c, const char *path, struct csv_dialect dialect,
	     struct err *reterr) MUSTCHECK;
/* The same for bytes in memory, which are copied. `name` is borrowed and stands in messages. */
int csv_open_bytes(struct csv *c, const char *name, const char *bytes, size_t len,
		   struct csv_dialect dialect, struct err *reterr) MUSTCHECK;
/* 1: csv_field() gives the c->n fields of a record; 0: the end. -ERR_INVALID: malformed, with the
 * line and the remedy. -ERR_LIMIT: a record beyond CSV_RECORD_MAX or CSV_FIELDS_MAX. */
int csv_next(struct csv *c, struct err *reterr) MUSTCHECK;
/* Borrowed until the next csv_next(). */
const char *csv_field(const struct csv *c, size_t i, size_t *ret_len);
void csv_close(struct csv *c);
