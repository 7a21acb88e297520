/* SPDX-License-Identifier: MIT */
/*
 * Figures for Prometheus: histograms that any thread may feed, and a writer of the text format
 * 0.0.4 (prometheus.io/docs, "Exposition formats"). api/prometheus.c calls the writers
 * of the rooms; each writes its own families into the same buffer. Times are in µs here and in
 * seconds in the text. A buffer that is too small keeps its `failed`; the caller checks it once.
 */
#pragma once

#include "base/buf.h"

#include <stdatomic.h>
#include <stdint.h>

/* Upper bounds of the buckets: of replies and commits (100 µs to 10 s), of jobs (1 s to 2 days). */
enum histogram_scale {
	HISTOGRAM_OF_CALLS,
	HISTOGRAM_OF_JOBS,
};
#define HISTOGRAM_BOUNDS 16

/* Zeroed: empty, of calls. */
struct histogram {
	enum histogram_scale scale;
	_Atomic uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last one: above all bounds */
	_Atomic int64_t sum_us;
};
/* Thread-safe. A negative time (the clock was set back) counts as 0. */
void histogram_add(struct histogram *h, int64_t us);

/* Begin a family. All its samples follow, before the next family. `type`: "counter", "gauge" or
 * "histogram". */
void exposition_family(struct buf *out, const char *name, const char *type, const char *help);
/* A sample. Its labels are pairs of name and value, NULL-terminated; values are escaped. */
void exposition_int(struct buf *out, const char *name, int64_t value, ...)
	__attribute__((sentinel));
/* A sample in millionths: microseconds, micro-dollars. */
void exposition_micro(struct buf *out, const char *name, int64_t millionths, ...)
	__attribute__((sentinel));
/* The buckets, sum and count of a histogram. */
void exposition_histogram(struct buf *out, const char *name, const struct histogram *h, ...)
	__attribute__((sentinel));
