/* SPDX-License-Identifier: MIT */
/* Look-ups of facts about the account, which are queried once and cached. Manager's thread. */
#pragma once

#include "daemon/sagemaker/controller.h"

enum sagemaker_known {
	/* a query is running or will follow; then manager_want_schedule() is called */
	SAGEMAKER_UNKNOWN,
	SAGEMAKER_KNOWN,
	SAGEMAKER_KNOWN_NO, /* the service says clearly that the object does not exist */
};

enum sagemaker_fact {
	SAGEMAKER_FACT_ACCOUNT, /* the id of the account; without a name */
	SAGEMAKER_FACT_ROLE,	/* the ARN of the role `name` */
	SAGEMAKER_FACT_MODEL,	/* the S3 address of the model of the training job `name` */
};

/* Look up a fact, in `region` ("": the configured one). Never blocks. If the fact is known, it is
 * in `ret`; otherwise *ret_code and *reterr say why not. */
enum sagemaker_known sagemaker_look_up(struct manager *mgr, enum sagemaker_fact fact,
				       const char *name, const char *region, char *ret, size_t size,
				       enum reason_code *ret_code, struct err *reterr);
