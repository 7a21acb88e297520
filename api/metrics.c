/* SPDX-License-Identifier: MIT */
/* GET /v1/jobs/{job}/metrics. The server's threads run this. */
#include "api/handlers.h"

#include "api/reply.h"

#define METRICS_LIMIT_DEFAULT 1000
#define METRICS_LIMIT_MAX     10000

void jobs_metrics(struct request *rq)
{
	int64_t since = 0, limit = METRICS_LIMIT_DEFAULT, attempt = 0;
	struct store_reader *sr;
	json_t *points;
	struct err e;
	int r;

	if (!request_id(rq, 'j') || !request_param_int(rq, "since", 0, INT64_MAX, &since) ||
	    !request_param_int(rq, "limit", 1, METRICS_LIMIT_MAX, &limit) ||
	    !request_param_int(rq, "attempt", 1, INT32_MAX, &attempt))
		return;
	sr = request_reader(rq);
	if (!sr)
		return;
	r = store_read_metrics(sr, rq->args[0], (int)attempt, request_param(rq, "name"), since,
			       (int)limit, &points, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, points);
}
