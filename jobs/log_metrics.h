/* SPDX-License-Identifier: MIT */
/*
 * Metrics out of a log: `metric_definitions` of a spec (name and regular expression whose first
 * group is a number), or those that read the lines of transformers' Trainer, version 4 and 5. Used
 * by the worker that runs a script here and for the logs of SageMaker, so that both targets read
 * the same. The one user of PCRE2, whose language is Python's for all that such expressions use.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

#define LOG_METRICS_MAX		64
#define LOG_METRICS_LINE_MAX	65536  /* longer lines are looked at up to here */
#define LOG_METRICS_MATCH_STEPS 200000 /* work allowed for one expression on one line */

struct log_metrics;

/* `definitions`: array of {"name","regex"}, NULL, null or empty for the defaults. -ERR_INVALID
 * names the expression that does not compile or has no group. */
int log_metrics_new(const json_t *definitions, struct log_metrics **ret,
		    struct err *reterr) MUSTCHECK;
/* -ERR_INVALID: that expression does not compile or has no group; the message says which. */
int log_metrics_check(const char *regex, struct err *reterr) MUSTCHECK;
void log_metrics_free(struct log_metrics *m);
void log_metrics_freep(struct log_metrics **m);
/* What one line (without its end) says: a new object of numbers, NULL when it says nothing. An
 * expression that takes too long on a line is not used again; its name goes to *ret_slow (static
 * until log_metrics_free), else NULL. */
json_t *log_metrics_read(struct log_metrics *m, const char *line, size_t len,
			 const char **ret_slow);
