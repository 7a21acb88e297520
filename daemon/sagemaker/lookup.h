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

struct sagemaker_question {
	const char *key; /* "role:NAME"; messages use the part after the colon */
	enum aws_service service;
	const char *operation;
	const char *region;  /* NULL: the configured region */
	const json_t *input; /* borrowed */
	const char *words;   /* for messages: "looks up who we are in AWS" */
};

/* Look up a fact. Never blocks. *ret is borrowed until the next call. */
enum sagemaker_known sagemaker_look_up(struct manager *mgr, const struct sagemaker_question *q,
				       const char **ret, enum reason_code *ret_code,
				       struct err *reterr);
