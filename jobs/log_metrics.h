/* SPDX-License-Identifier: MIT */
/*
 * Reads metrics from log lines by the `metric_definitions` of a spec: names and regular expressions
 * whose first group is a number. Without them the defaults for transformers' Trainer, versions 4
 * and 5, apply. The worker of a script job and the daemon's SageMaker logs both call this, so that
 * both targets read the same metrics. Only this file uses PCRE2, whose syntax agrees with Python's
 * for such expressions.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

#define LOG_METRICS_MAX		64
#define LOG_METRICS_LINE_MAX	65536  /* bytes; the rest of a longer line is ignored */
#define LOG_METRICS_MATCH_STEPS 200000 /* limit of work for one expression on one line */

struct log_metrics;

/* `definitions`: an array of {"name","regex"}; NULL, null or empty selects the defaults.
 * -ERR_INVALID: the message names the expression that does not compile or has no group. */
int log_metrics_new(const json_t *definitions, struct log_metrics **ret,
		    struct err *reterr) MUSTCHECK;
/* -ERR_INVALID if the expression does not compile or has no group; the message says which. */
int log_metrics_check(const char *regex, struct err *reterr) MUSTCHECK;
void log_metrics_free(struct log_metrics *m);
void log_metrics_freep(struct log_metrics **m);
/* Read the metrics of one line, without its line end. Returns a new object of numbers, or NULL if
 * the line has none. An expression that exceeds the limit is not used again: *ret_slow is its name
 * (valid until log_metrics_free), else NULL. */
json_t *log_metrics_read(struct log_metrics *m, const char *line, size_t len,
			 const char **ret_slow);
