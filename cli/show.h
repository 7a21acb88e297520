/* SPDX-License-Identifier: MIT */
/*
 * Printing for people: tables out of lists of JSON objects, times, durations, progress bars. All to
 * stdout. Text from the daemon never moves the cursor: control characters are shown as '?'.
 */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

#include <stdint.h>
#include <stdio.h>

enum show_as {
	SHOW_TEXT,     /* strings and numbers as they are */
	SHOW_TIME,     /* RFC 3339 → local "2026-01-02 03:04:05" */
	SHOW_AGE,      /* RFC 3339 → "3m" ago, or until */
	SHOW_TOOK,     /* the object's started_at … finished_at (or now) */
	SHOW_PROGRESS, /* {"done","total"} → "40%" */
	SHOW_REASON,   /* {"code","message"} → "code: message" */
	SHOW_BYTES,
};

struct show_column {
	const char *title;
	const char *key; /* "name", or "lease.ttl" for a member of a member */
	enum show_as as;
	int max; /* columns on a terminal; 0: no limit. Nothing is cut elsewhere. */
};

#define SHOW_CELL_MAX 4096

/* Columns of the terminal that `to` is; 0: it is none. */
int show_width(FILE *to);
/* A table of `items`; on a terminal its last column is cut to the width of that. `nothing` is said
 * instead when there are none. columns end with title NULL.
 */
void show_table(const json_t *items, const struct show_column *columns, const char *nothing);
/* The fields that say something (not absent, null, false or an empty object), one a line. */
void show_fields(const json_t *object, const struct show_column *columns);
/* A job's warnings, one a line: `to` gets TITLE, the job's name if not NULL, and the sentence. */
void show_warnings(FILE *to, const char *title, const char *name, const json_t *warnings);
/* One value as text into out[SHOW_CELL_MAX]; "-" when it is absent or null. */
void show_cell(char out[SHOW_CELL_MAX], const json_t *object, const struct show_column *column);
/* For --json: the value, pretty, to stdout. */
void show_json(const json_t *value);
/* The member at "a.b.c", borrowed, NULL when absent. */
const json_t *show_find(const json_t *object, const char *path);
/* "1h 02m", "3m 05s", "4.2s" into buf of at least 24 bytes; returns buf. */
char *show_duration(char *buf, int64_t us);
/* "[######    ]" of `width` columns between the brackets, into buf of width + 3 bytes. */
char *show_bar(char *buf, int width, double part);
