/* SPDX-License-Identifier: MIT */
/*
 * Endpoints: list, item, delete, renew, roll back. A change is a command; the reply is read after
 * its commit. The server's threads run this.
 */
#include "api/handlers.h"

#include "api/command.h"
#include "api/list.h"
#include "api/reply.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/own.h"

void endpoints_list(struct request *rq)
{
	list_reply(rq, LIST_ENDPOINTS);
}

static void reply_endpoint(struct request *rq, unsigned status)
{
	json_t *endpoint = request_endpoint(rq);

	if (endpoint)
		reply_json(rq, status, endpoint);
}

void endpoints_get(struct request *rq)
{
	reply_endpoint(rq, 200);
}

static void deleted(struct request *rq)
{
	if (command_result(rq))
		reply_endpoint(rq, 202);
}

void endpoints_delete(struct request *rq)
{
	command_send(rq, COMMAND_ENDPOINT_DELETE, rq->args[0], 0, NULL, deleted);
}

static void renewed(struct request *rq)
{
	if (command_result(rq))
		reply_endpoint(rq, 200);
}

/* Read {"ttl": "2h"}; without a body the deploy's ttl is used. */
static bool read_ttl(struct request *rq, int64_t *ttl_us)
{
	static const char *const fields[] = {"ttl"};
	const json_t *ttl = json_object_get(rq->json, "ttl");
	const char *text = json_string_value(ttl);

	if (!request_fields(rq, fields, ARRAY_LEN(fields)))
		return false;
	if (!ttl || (text && duration_parse(text, ttl_us) >= 0 && *ttl_us > 0))
		return true;
	reply_problems(rq, 422, "invalid_body",
		       json_pack("[{s:s, s:s, s:s}]", "pointer", "/ttl", "code",
				 text ? "invalid" : "wrong_type", "detail",
				 "must be a duration such as \"90s\", \"15m\" or \"2h\""),
		       "/ttl must be a duration such as \"90s\", \"15m\" or \"2h\"");
	return false;
}

void endpoints_renew(struct request *rq)
{
	int64_t ttl_us = 0;

	if (read_ttl(rq, &ttl_us))
		command_send(rq, COMMAND_ENDPOINT_RENEW, rq->args[0], ttl_us, NULL, renewed);
}

/* Submit a new deploy job with the previous spec. */
void endpoints_rollback(struct request *rq)
{
	struct store_reader *sr = request_reader(rq);
	json_t *spec = NULL;
	struct err e;
	int r;

	if (!sr || !request_fields(rq, NULL, 0))
		return;
	r = store_read_endpoint_previous(sr, rq->args[0], &spec, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	json_object_set_new(spec, "name", json_string("rollback"));
	json_object_set_new(spec, "on_existing", json_string("update"));
	json_object_del(spec, "needs");
	json_object_del(spec, "held");
	json_decref(rq->json);
	rq->json = spec;
	submit(rq, true, submit_reply_job);
}
