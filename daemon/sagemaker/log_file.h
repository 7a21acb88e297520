/* SPDX-License-Identifier: MIT */
/* Events of CloudWatch as lines at the end of an attempt's log file; sagemaker/log.c decides which.
 */
#pragma once

#include "daemon/sagemaker/metrics.h"

#define SAGEMAKER_LOG_GROUP "/aws/sagemaker/TrainingJobs"

/* The events from `first` on behind the row's log_size; what a crash has left there is cut off.
 * Lines that are events of our own script (`m`) are left out. *size: the row's log_size, grows.
 * Beyond the greatest size of a log nothing is written, and a line says so. On disk when it
 * returns. */
int sagemaker_log_append(struct manager *mgr, const struct resource_row *row,
			 const struct sagemaker_metrics *m, const char *stream,
			 const json_t *events, size_t first, int64_t *size,
			 struct err *reterr) MUSTCHECK;
