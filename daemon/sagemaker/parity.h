/* SPDX-License-Identifier: MIT */
/* Compares a SageMaker endpoint's answers with those of its model after training
 * (model/parity.json). */
#pragma once

#include "daemon/sagemaker/controller.h"

/* Answers may differ so much: other hardware, other kernels, half precision. */
#define SAGEMAKER_PARITY_TOLERANCE 0.02
#define SAGEMAKER_PARITY_MAX	   (4 << 20) /* bytes of parity.json */
#define SAGEMAKER_PARITY_TRIES	   5
/* What is most often wrong when a container does not come up with a model. */
#define SAGEMAKER_LAYOUT_HINT                                                                     \
	"; its log in CloudWatch says more. config.json and the weights must lie at the root of " \
	"the model, not in a folder of its archive"

/* Inside a transaction: asks after the commit, then the endpoint is in service or fails. Without a
 * sample one plain text is asked, which must be answered; of an adopted endpoint and of another
 * HF_TASK nothing is asked. Then the result says that the check was skipped. */
int sagemaker_parity_begin(struct manager *mgr, const struct resource_row *row,
			   const struct endpoint_row *ep, struct err *reterr) MUSTCHECK;
