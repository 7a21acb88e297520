/* SPDX-License-Identifier: MIT */
/* A question about the AWS account on behalf of a request: the connection waits for the answer. */
#pragma once

#include "api/request.h"
#include "daemon/account/account.h"

/* A zeroed query that lives as long as the request; NULL: memory is out (a 500 follows). */
struct account_query *account_query_of(struct request *rq);
/* Ask rq's query. The answer, or what AWS says against it, is the reply. */
void account_ask(struct request *rq);
/* A parameter that is a text of `min` to `max` bytes. False: replied 400. */
bool account_param_text(struct request *rq, const char *name, size_t min, size_t max,
			const char **ret);
/* "region", "limit" (with `fallback`) and "cursor". False: replied 400. */
bool account_params(struct request *rq, struct account_query *q, int64_t fallback, int64_t max);
