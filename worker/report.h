/* SPDX-License-Identifier: MIT */
/*
 * How a worker speaks to the daemon: lines appended to work/events.ndjson (wire/event.h). One
 * report per process, opened by worker/main.c. Thread-safe. A full disk never stops the work
 * here: the line is dropped and the next one tries again (the failure line goes to stderr too). Nor
 * does a full file (EVENT_FILE_MAX): what comes often is left out then, with the warning
 * events_cut.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

struct report;

/* One that says nothing, for work that is no execution's. */
int report_open_silent(struct report **ret, struct err *reterr) MUSTCHECK;
int report_open(int work_at, struct report **ret, struct err *reterr) MUSTCHECK;
void report_close(struct report *r);
/* done of total units ("rows", "steps", "tokens"), at most one line a second unless done == total;
 * the rate and ETA are computed here from the calls of one phase ("read", "tokenise", "train"). */
void report_progress(struct report *r, const char *phase, const char *unit, int64_t done,
		     int64_t total);
/* Takes over the reference `values` (an object of numbers). */
void report_metric(struct report *r, int64_t step, double epoch, json_t *values);
/* The daemon counts, shows and keeps these, one for each code, a short snake_case name. */
void report_warning(struct report *r, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Set "warnings" [{"code","detail","count"}] of `values` to those reported so far, if any. An
 * existing "warnings" key is kept. */
void report_add_warnings(struct report *r, json_t *values);
void report_checkpoint(struct report *r, int64_t step, const char *path_in_work);
void report_ready(struct report *r);
/* Takes over `values`: final values of this job. The warnings so far are added, as
 * report_add_warnings does. */
void report_result(struct report *r, json_t *values);
/* The one failure line. `code` is a name of jobs/reason.h ("data_missing", "oom", …); NULL takes it
 * from e->code (report_code_of). */
void report_failure(struct report *r, const char *code, const struct err *e);
/* The reason code for an error: ENOSPC, EDQUOT, EFBIG → disk_full, ENOMEM / ERR_DEVICE_OOM → oom,
 * ERR_NUMERIC → nan_loss, ENOENT, ENOTDIR, EACCES, ERR_NOT_FOUND → data_missing, ERR_INVALID and
 * ERR_LIMIT → invalid_input, ERR_CORRUPT → data_corrupt, ERR_UNSUPPORTED → unsupported,
 * ERR_CANCELLED → cancelled, else internal. */
const char *report_code_of(const struct err *e);
