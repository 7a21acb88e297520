/* SPDX-License-Identifier: MIT */
/* What the list routes have in common: query parameters → a filter, an ETag that changes with
 * states. */
#pragma once

#include "api/request.h"

enum list_noun {
	LIST_RUNS,
	LIST_JOBS,
	LIST_ENDPOINTS,
};

/* Answer GET /v1/runs, /v1/jobs or /v1/endpoints. */
void list_reply(struct request *rq, enum list_noun noun);
