/* SPDX-License-Identifier: MIT */
/* Requests of API threads to live endpoints. Any thread. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"

#include <string.h>

static void on_answer(struct endpoint_ask *ask)
{
	struct invocation *inv = ask->userdata;

	inv->result = ask->result;
	inv->err = ask->err;
	inv->status = ask->status;
	inv->reply = TAKE(ask->reply);
	inv->reply_len = ask->reply_len;
	memcpy(inv->reply_type, ask->reply_type, sizeof(inv->reply_type));
	memcpy(inv->said, ask->said, sizeof(inv->said));
	inv->ask = NULL;
	free(ask);
	inv->done(inv);
}

int manager_invoke(struct manager *mgr, struct invocation *inv, struct err *reterr)
{
	struct endpoint_ask *ask;
	int r;

	if (inv->body_len > MANAGER_INVOKE_BODY_MAX)
		return err_set(reterr, ERR_LIMIT, "the body is larger than %d bytes",
			       MANAGER_INVOKE_BODY_MAX);
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return err_errno(reterr, ENOMEM, "relay the request");
	ask->body = inv->body;
	ask->body_len = inv->body_len;
	memcpy(ask->sent, inv->sent, sizeof(ask->sent));
	ask->timeout_us = inv->timeout_us;
	ask->reply_max = MANAGER_INVOKE_REPLY_MAX;
	ask->done = on_answer;
	ask->userdata = inv;
	str_copy(ask->content_type, sizeof(ask->content_type),
		 inv->content_type ? inv->content_type : "application/json");
	str_copy(ask->accept, sizeof(ask->accept), inv->accept ? inv->accept : "application/json");
	inv->ask = ask;
	r = endpoint_ask(mgr, inv->endpoint, ask, reterr);
	if (r < 0)
		free(ask);
	return r;
}
