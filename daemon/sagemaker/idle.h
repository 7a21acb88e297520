/* SPDX-License-Identifier: MIT */
/* Finds idle endpoints on SageMaker. Other clients can invoke such an endpoint without the daemon;
 * CloudWatch counts those requests. Manager's thread. */
#pragma once

#include "daemon/sagemaker/controller.h"

/* Call this if the idle time seems over; *last_us is the time of the last request through the
 * daemon. Returns 1 if the answer is known; *last_us is later if CloudWatch's metric Invocations
 * shows a later request, and unchanged without the permission to read the metric. Returns 0 if a
 * query is running: call again. Never blocks. */
int sagemaker_idle_known(struct manager *mgr, const struct endpoint_row *ep, int64_t *last_us);
void sagemaker_idles_free(struct sagemaker *c);
