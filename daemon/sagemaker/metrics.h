/* SPDX-License-Identifier: MIT */
/*
 * The lines of a training job's log as the metrics and the progress of its attempt: the same series
 * as on the local target. sagemaker/log.c decides which lines, and when. What a user's expressions
 * find is searched on a thread of its own (log_search.h); it is stored by the manager thread, in
 * the turn that stores how far the log was read.
 */
#pragma once

#include "daemon/sagemaker/controller.h"

/* CPU time for the expressions on one page of lines, and lines with a value in it. Lines beyond
 * have no metrics, and a warning says so. */
#define SAGEMAKER_METRICS_PAGE_US  (5 * USEC_PER_SEC)
#define SAGEMAKER_METRICS_PAGE_MAX 50000

/* The rules for the log of one training job. */
struct sagemaker_metrics;
/* What the expressions found in one page. */
struct sagemaker_found;

/* The metrics of the row's job. -ERR_NOT_FOUND: it is gone. */
int sagemaker_metrics_open(struct manager *mgr, const struct resource_row *row,
			   struct sagemaker_metrics **ret, struct err *reterr) MUSTCHECK;
void sagemaker_metrics_free(struct sagemaker_metrics *m); /* NULL is allowed */
/* True if the line is an event of Trainyard's own script in the container, and not a line for
 * people. */
bool sagemaker_metrics_is_event(const struct sagemaker_metrics *m, const char *line);
/* True if what this stream says must be searched: then sagemaker_metrics_store() needs what was
 * found. */
bool sagemaker_metrics_searches(const struct sagemaker_metrics *m, const struct resource_row *row,
				const char *stream);
/* On the search thread, which alone uses `m` until it is back: the events from `first` on. *stop
 * as in log_metrics_read(). */
int sagemaker_metrics_search(struct sagemaker_metrics *m, const json_t *events, size_t first,
			     const _Atomic bool *stop, struct sagemaker_found **ret,
			     struct err *reterr) MUSTCHECK;
void sagemaker_found_free(struct sagemaker_found *f); /* NULL is allowed */
/* Inside a transaction: rows for the events from `first` on. A job of several instances says the
 * same several times: only the stream of the first instance counts. `found`: NULL if nothing of the
 * stream is searched. */
int sagemaker_metrics_store(struct manager *mgr, const struct resource_row *row,
			    const struct sagemaker_metrics *m, const char *stream,
			    const json_t *events, size_t first, const struct sagemaker_found *found,
			    struct err *reterr) MUSTCHECK;
