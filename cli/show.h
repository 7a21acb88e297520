/* SPDX-License-Identifier: MIT */
/*
 * Printing for people, all to stdout: tables from lists of JSON objects, times, durations, progress
 * bars. Text from the daemon never moves the cursor: control characters are shown as '?'.
 */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

#include <stdint.h>
#include <stdio.h>

enum show_as {
	SHOW_TEXT,     /* strings and numbers unchanged */
	SHOW_TIME,     /* RFC 3339 → local "2026-01-02 03:04:05" */
	SHOW_AGE,      /* RFC 3339 → time since then or until then, "3m" */
	SHOW_TOOK,     /* the object's started_at … finished_at (or now) */
	SHOW_PROGRESS, /* {"done","total"} → "40%" */
	SHOW_REASON,   /* {"code","message"} → "code: message" */
	SHOW_BYTES,
};

#define SHOW_KEY_MAX 320 /* bytes of a column's key, "values." and a metric's name */

struct show_column {
	const char *title;
	const char *key; /* "name", or "lease.ttl" for a member of a member */
	enum show_as as;
	int max; /* columns on a terminal; 0: no limit. Without a terminal nothing is cut. */
};

#define SHOW_CELL_MAX 4096

/* Columns of the terminal behind `to`; 0: not a terminal. */
int show_width(FILE *to);
/* Print a table of `items`. On a terminal the last column is cut to its width. If the list is
 * empty, prints `nothing`. The last of `columns` has title NULL. */
void show_table(const json_t *items, const struct show_column *columns, const char *nothing);
/* Print the fields that have a value (not absent, null, false or an empty object), one per line. */
void show_fields(const json_t *object, const struct show_column *columns);
/* Print a job's warnings to `to`, one per line: TITLE, the job's name if not NULL, and the
 * sentence. */
void show_warnings(FILE *to, const char *title, const char *name, const json_t *warnings);
/* Write one value as text into out[SHOW_CELL_MAX]; "-": absent or null. */
void show_cell(char out[SHOW_CELL_MAX], const json_t *object, const struct show_column *column);
/* Print the value as indented JSON, for --json. */
void show_json(const json_t *value);
/* The member at "a.b.c", borrowed; NULL: absent. */
const json_t *show_find(const json_t *object, const char *path);
/* Write "1h 02m", "3m 05s" or "4.2s" into buf (at least 24 bytes). Returns buf. */
char *show_duration(char *buf, int64_t us);
/* Write "[######    ]" with `width` columns between the brackets into buf (width + 3 bytes).
 * Returns buf. */
char *show_bar(char *buf, int width, double part);
