/* SPDX-License-Identifier: MIT */
/* Compares a SageMaker endpoint's answers with those of its model after training
 * (model/parity.json). Manager's thread. */
#pragma once

#include "daemon/sagemaker/controller.h"

/* Allowed difference of a score, because hardware, kernels and precision may differ. */
#define SAGEMAKER_PARITY_TOLERANCE 0.02
#define SAGEMAKER_PARITY_MAX	   (4 << 20) /* bytes of parity.json */
#define SAGEMAKER_PARITY_TRIES	   5
/* The most frequent cause if a container does not start with a model. */
#define SAGEMAKER_LAYOUT_HINT                                                                      \
	"; see the endpoint's log in CloudWatch. config.json and the weights must be at the root " \
	"of "                                                                                      \
	"the model, not in a folder of its archive"

/* In a transaction: invoke the endpoint after the commit; the result brings it into service or
 * fails it. Without a sample one plain text must be answered. An adopted endpoint or another
 * HF_TASK is not invoked; the result then says that the check was skipped. */
int sagemaker_parity_begin(struct manager *mgr, const struct resource_row *row,
			   const struct endpoint_row *ep, struct err *reterr) MUSTCHECK;
