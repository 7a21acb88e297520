/* SPDX-License-Identifier: MIT */
/*
 * Follows the file TRAINYARD_METRICS, to which the script appends JSON lines. The script owns the
 * file: it may be absent, replaced, cut, huge, still growing, or not a file at all. Each turn opens
 * the file beneath the work directory and reads a bounded part. One thread.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "worker/report.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define METRICS_FILE_PATH	"output/metrics.jsonl" /* below the work directory */
#define METRICS_FILE_MAX	(INT64_C(256) << 20)   /* bytes that are read */
#define METRICS_FILE_TURN	(256 << 10)	       /* bytes of one turn */
/* A point has at most three times the bytes of its line, so an event (EVENT_LINE_MAX) holds it. */
#define METRICS_FILE_LINE_MAX	16384
#define METRICS_FILE_END_MAX_US (10 * USEC_PER_SEC) /* for what is left at the script's end */

/* One point. `step`: -1 if the line gives none. `epoch`: NaN if the line gives none. Takes over
 * `values`, an object of numbers (json_any_number) that has at least one. */
typedef void (*metrics_file_fn)(void *userdata, int64_t step, double epoch, json_t *values);

struct metrics_file {
	int work_at;
	struct report *report; /* gets the warnings */
	metrics_file_fn fn;
	void *userdata;
	int64_t offset; /* of the next byte */
	dev_t dev;
	ino_t ino;
	struct buf line;  /* an unfinished line */
	bool is_skipping; /* True until the end of a line that is too long */
	bool is_given_up; /* True after an error, or at METRICS_FILE_MAX; a warning was given */
};

void metrics_file_init(struct metrics_file *m, int work_at, struct report *report,
		       metrics_file_fn fn, void *userdata);
/* Read at most METRICS_FILE_TURN bytes. Never waits for the script. True if more bytes are left. */
bool metrics_file_turn(struct metrics_file *m);
/* Read the rest after the script's end, with an unfinished last line. Takes at most
 * METRICS_FILE_END_MAX_US, even if a process still writes. */
void metrics_file_end(struct metrics_file *m);
void metrics_file_done(struct metrics_file *m);
