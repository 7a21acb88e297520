/* SPDX-License-Identifier: MIT */
/* Appends CloudWatch events as lines to an attempt's log file. sagemaker/log.c selects the events.
 * Manager's thread. */
#pragma once

#include "daemon/sagemaker/metrics.h"

#define SAGEMAKER_LOG_GROUP "/aws/sagemaker/TrainingJobs"

/* Append the events from `first` on after the row's log_size; bytes that a crash left there are cut
 * off. Lines that are events of Trainyard's own script (`m`) are left out. *size is the row's
 * log_size and grows. Beyond the maximum size of a log nothing is written, and a line says so.
 * Durable on return. */
int sagemaker_log_append(struct manager *mgr, const struct resource_row *row,
			 const struct sagemaker_metrics *m, const char *stream,
			 const json_t *events, size_t first, int64_t *size,
			 struct err *reterr) MUSTCHECK;
