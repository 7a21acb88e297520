/* SPDX-License-Identifier: MIT */
/*
 * The lines of a training job's log as the metrics and the progress of its attempt: the same series
 * as on the local target. sagemaker/log.c decides which lines, and when.
 */
#pragma once

#include "daemon/sagemaker/sagemaker.h"

/* CPU time for the expressions on one page of lines: they run on the manager thread. Lines beyond
 * have no metrics, and a warning says so. */
#define SAGEMAKER_METRICS_PAGE_US 500000

/* How the log of one training job is read. */
struct sagemaker_metrics;

/* Inside a transaction, like all here: the expressions of the row's job. -ERR_NOT_FOUND: it is
 * gone. */
int sagemaker_metrics_open(struct manager *mgr, const struct resource_row *row,
			   struct sagemaker_metrics **ret, struct err *reterr) MUSTCHECK;
void sagemaker_metrics_free(struct sagemaker_metrics *m); /* NULL is allowed */
/* True if the line is an event of our own script in the container, and no line for people. */
bool sagemaker_metrics_is_event(const struct sagemaker_metrics *m, const char *line);
/* Rows for the events from `first` on. A job of several instances says the same several times: only
 * the stream of the first instance counts. */
int sagemaker_metrics_store(struct manager *mgr, const struct resource_row *row,
			    struct sagemaker_metrics *m, const char *stream, const json_t *events,
			    size_t first, struct err *reterr) MUSTCHECK;
