/* SPDX-License-Identifier: MIT */
/* A query of the AWS account for a request; the connection is suspended until the answer. Handlers
 * call this. */
#pragma once

#include "api/request.h"
#include "daemon/account/account.h"

/* Allocate a zeroed query that lives as long as the request. NULL if memory is out (replied
 * 500). */
struct account_query *account_query_of(struct request *rq);
/* Send rq's query. The reply is the answer, or AWS's refusal. */
void account_ask(struct request *rq);
/* Read a text parameter of `min` to `max` bytes. Returns false if 400 was replied. */
bool account_param_text(struct request *rq, const char *name, size_t min, size_t max,
			const char **ret);
/* Read "region", "limit" (default `fallback`) and "cursor". Returns false if 400 was replied. */
bool account_params(struct request *rq, struct account_query *q, int64_t fallback, int64_t max);
