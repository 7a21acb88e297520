/* SPDX-License-Identifier: MIT */
/* Finds idle endpoints on SageMaker. Others can invoke them without us, and CloudWatch counts
 * that. */
#pragma once

#include "daemon/sagemaker/controller.h"

/* Its idle time is over as far as we know (*last_us: the last request through us). 1: known, and
 * *last_us is later when CloudWatch's metric Invocations says so; without the right to read it, it
 * is as it was. 0: asked, look again. Never blocks. */
int sagemaker_idle_known(struct manager *mgr, const struct endpoint_row *ep, int64_t *last_us);
void sagemaker_idles_free(struct sagemaker *c);
