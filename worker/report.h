/* SPDX-License-Identifier: MIT */
/*
 * The reports of a worker to the daemon: lines appended to work/events.ndjson (wire/event.h).
 * worker/main.c opens one report per process. Thread-safe.
 * A full disk never stops the work: the line is dropped, and the next one is tried again (the
 * failure line also goes to stderr). If the file is full (EVENT_FILE_MAX), frequent lines are
 * dropped, with the warning events_cut.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

struct report;

/* Open a report that writes nothing, for work without an execution. */
int report_open_silent(struct report **ret, struct err *reterr) MUSTCHECK;
int report_open(int work_at, struct report **ret, struct err *reterr) MUSTCHECK;
void report_close(struct report *r);
/* Report `done` of `total` units ("rows", "steps", "tokens"), at most once a second unless done ==
 * total. The rate and ETA are computed from the calls of one phase ("read", "tokenise",
 * "train"). */
void report_progress(struct report *r, const char *phase, const char *unit, int64_t done,
		     int64_t total);
/* Report metrics. Takes over the reference `values`, an object of numbers. */
void report_metric(struct report *r, int64_t step, double epoch, json_t *values);
/* Report a warning. `code` is a short snake_case name; the daemon counts and keeps one warning per
 * code. */
void report_warning(struct report *r, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Set "warnings" [{"code","detail","count"}] of `values` to the warnings so far, if any. An
 * existing "warnings" key is kept. */
void report_add_warnings(struct report *r, json_t *values);
void report_checkpoint(struct report *r, int64_t step, const char *path_in_work);
void report_ready(struct report *r);
/* Report the final values of this job. Takes over `values`. The warnings so far are added as by
 * report_add_warnings(). */
void report_result(struct report *r, json_t *values);
/* Write the only failure line. `code` is a name of jobs/reason.h ("data_missing", "oom", …); NULL:
 * report_code_of(e). */
void report_failure(struct report *r, const char *code, const struct err *e);
/* The reason code of an error: ENOSPC, EDQUOT, EFBIG → disk_full; ENOMEM, ERR_DEVICE_OOM → oom;
 * ERR_NUMERIC → nan_loss; ENOENT, ENOTDIR, EACCES, ERR_NOT_FOUND → data_missing; ERR_INVALID,
 * ERR_LIMIT → invalid_input; ERR_CORRUPT → data_corrupt; ERR_UNSUPPORTED → unsupported;
 * ERR_CANCELLED → cancelled; any other → internal. */
const char *report_code_of(const struct err *e);
