/* SPDX-License-Identifier: MIT */
/* Questions about the account that are asked once and remembered; manager thread. */
#pragma once

#include "daemon/sagemaker/controller.h"

enum sagemaker_known {
	SAGEMAKER_UNKNOWN, /* asked, or about to be: manager_want_schedule() follows */
	SAGEMAKER_KNOWN,
	SAGEMAKER_KNOWN_NO, /* the service said clearly that it is not there */
};

struct sagemaker_question {
	const char *key; /* "role:NAME"; the part behind the colon is for messages */
	enum aws_service service;
	const char *operation;
	const char *region;  /* NULL: the configuration's */
	const json_t *input; /* borrowed */
	const char *words;   /* "looks up who we are in AWS" */
};

/* Never blocks. *ret is borrowed until the next call. */
enum sagemaker_known sagemaker_look_up(struct manager *mgr, const struct sagemaker_question *q,
				       const char **ret, enum reason_code *ret_code,
				       struct err *reterr);
