/* SPDX-License-Identifier: MIT */
/* Shared by the list routes: query parameters become a filter, and the ETag changes if a state
 * changes. Handlers call this. */
#pragma once

#include "api/request.h"

enum list_noun {
	LIST_RUNS,
	LIST_JOBS,
	LIST_ENDPOINTS,
};

/* Reply to GET /v1/runs, /v1/jobs or /v1/endpoints. */
void list_reply(struct request *rq, enum list_noun noun);
