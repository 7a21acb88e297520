/* SPDX-License-Identifier: MIT */
/* /v1/version, /healthz, /readyz. These handlers do not read the database. The server's threads run
 * this. */
#include "api/handlers.h"

#include "api/reply.h"
#include "daemon/manager.h"

void version(struct request *rq)
{
	reply_json(rq, 200,
		   json_pack("{s:s, s:s, s:s}", "name", "trainyard", "version", rq->api->version,
			     "api", "v1"));
}

void healthz(struct request *rq)
{
	reply_json(rq, 200, json_pack("{s:s}", "status", "ok"));
}

void readyz(struct request *rq)
{
	struct err e;

	if (manager_ready(rq->api->manager, &e) >= 0)
		reply_json(rq, 200, json_pack("{s:s}", "status", "ready"));
	else
		reply_problem(rq, 503, "not_ready", "%s", e.msg);
}
