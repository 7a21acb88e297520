/* SPDX-License-Identifier: MIT */
/*
 * Lines of work/events.ndjson. Workers write them, the daemon reads them. Each is one JSON object
 * of at most EVENT_LINE_MAX bytes with "v", "t" (the type) and "at" (wall clock, microseconds):
 *
 *   {"t":"progress","done":40,"total":320,"unit":"steps","rate":4,"eta_seconds":68,"phase":"train"}
 *   {"t":"metric","step":40,"epoch":0.25,"values":{"loss":0.61,"learning_rate":5e-05}}
 *   {"t":"warning","code":"invalid_utf8","message":"3 rows …"}
 *   {"t":"checkpoint","step":500,"path":"checkpoints/checkpoint-500"}
 *   {"t":"ready"}                                     an endpoint has answered a real request
 *   {"t":"result","values":{"eval_accuracy":0.86}}    final values, shown among the outputs
 *   {"t":"failure","code":"data_missing","message":"…","field":"/dataset/text_column"}
 *
 * A writer appends each line with one write(2). If the file reaches EVENT_FILE_MAX minus
 * EVENT_FILE_ENDS, the worker writes no more metrics, progress, warnings and checkpoints. A reader
 * ignores an incomplete last line and unknown types. `code` is a name of jobs/reason.h.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define EVENT_LINE_MAX	 65536
#define EVENT_FILE_MAX	 (INT64_C(1) << 30) /* bytes that the daemon reads */
#define EVENT_FILE_ENDS	 (1 << 20)	    /* bytes of these for result and failure */
/* Trainyard's own script in a SageMaker container has no event file. It prints metric, progress and
 * warning lines with this prefix, and the daemon reads them from its log. */
#define EVENT_LOG_PREFIX "trainyard-event "

enum event_type {
	EVENT_PROGRESS,
	EVENT_METRIC,
	EVENT_WARNING,
	EVENT_CHECKPOINT,
	EVENT_READY,
	EVENT_RESULT,
	EVENT_FAILURE,
	EVENT_UNKNOWN, /* from a newer version; skipped */
};

const char *event_type_str(enum event_type type);

/* Read the next whole line from data[0..len). Returns its length with the newline, or 0 if no line
 * is complete. -ERR_CORRUPT if a line is too long: skip *ret_skip bytes. */
int event_next(const char *data, size_t len, enum event_type *ret_type, json_t **ret_event,
	       size_t *ret_skip, struct err *reterr) MUSTCHECK;
