/* SPDX-License-Identifier: MIT */
/*
 * Reads metrics from log lines by the `metric_definitions` of a spec: names and regular expressions
 * whose first group is a number. Without them the defaults for transformers' Trainer, versions 4
 * and 5, apply. The worker of a script job and the daemon's SageMaker logs both call this, so that
 * both targets read the same metrics. Only this file uses PCRE2, whose syntax agrees with Python's
 * for such expressions.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_METRICS_MAX		64
#define LOG_METRICS_LINE_MAX	65536 /* longer lines are looked at up to here */
/* Work allowed for one expression: steps from one start in a line, memory for going back, and CPU
 * time for a whole line. */
#define LOG_METRICS_MATCH_STEPS 200000
#define LOG_METRICS_HEAP_KIB	8192
#define LOG_METRICS_LINE_US	(250 * USEC_PER_MSEC)

struct log_metrics;

/* `definitions`: an array of {"name","regex"}; NULL, null or empty selects the defaults.
 * -ERR_INVALID: the message names the expression that does not compile or has no group. */
int log_metrics_new(const json_t *definitions, struct log_metrics **ret,
		    struct err *reterr) MUSTCHECK;
/* -ERR_INVALID if the expression does not compile or has no group; the message says which. */
int log_metrics_check(const char *regex, struct err *reterr) MUSTCHECK;
void log_metrics_free(struct log_metrics *m);
void log_metrics_freep(struct log_metrics **m);
/* Names of expressions that are given up; static until log_metrics_free(). */
struct slow_metrics {
	const char *names[LOG_METRICS_MAX];
	size_t n;
};

/* What one line (without its end) says: a new object of numbers, NULL when it says nothing. An
 * expression that takes too long on a line is not used again; its name is added to *slow, once. If
 * *stop (may be NULL) becomes true, it returns within some 0.2 s with what was found so far. Never
 * call it on a thread that must not wait. */
json_t *log_metrics_read(struct log_metrics *m, const char *line, size_t len,
			 const _Atomic bool *stop, struct slow_metrics *slow);
