/* SPDX-License-Identifier: MIT */
/*
 * Invokes an endpoint. On Trainyard's own path the endpoint's response passes unchanged; on
 * SageMaker's path errors have the form of InvokeEndpoint. The server's threads run this.
 */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/manager.h"

#include <errno.h>

#define ACCOUNT	       "000000000000" /* a placeholder: this machine is no AWS account */
#define ORIGINAL_SHOWN 1024

static void on_done(struct invocation *inv)
{
	request_resume(inv->userdata);
}

static void invocation_free(void *state)
{
	invocation_clear(state);
	free(state);
}

static void invoke(struct request *rq, void (*then)(struct request *rq))
{
	struct invocation *inv = calloc(1, sizeof(*inv));
	int r;

	if (!inv)
		return;
	rq->state = inv;
	rq->state_free = invocation_free;
	inv->body = buf_str(&rq->body);
	inv->body_len = rq->body.len;
	inv->content_type = request_header(rq, "Content-Type");
	inv->accept = request_header(rq, "Accept");
	for (size_t i = 0; i < MANAGER_INVOKE_SENT; i++)
		inv->sent[i] = request_header(rq, manager_invoke_sent[i].name);
	inv->done = on_done;
	inv->userdata = rq;
	if (!str_copy(inv->endpoint, sizeof(inv->endpoint), rq->args[0])) {
		inv->result = err_set(&inv->err, ERR_NOT_FOUND,
				      "there is no endpoint '%.80s'; GET /v1/endpoints lists them",
				      rq->args[0]);
		then(rq);
		return;
	}
	request_wait(rq, then);
	r = manager_invoke(rq->api->manager, inv, &inv->err);
	if (r >= 0)
		return;
	inv->result = r;
	request_resume(rq);
}

/* Add the response headers after the reply is set. A local endpoint names no variant, because it
 * has only one. */
static void relay_headers(struct request *rq, const struct invocation *inv)
{
	if (inv->result >= 0 && !inv->replied[0])
		reply_header(rq, manager_invoke_replied[0].name, "AllTraffic");
	for (size_t i = 0; i < MANAGER_INVOKE_REPLIED; i++)
		if (inv->replied[i])
			reply_header(rq, manager_invoke_replied[i].name, inv->replied[i]);
}

static void reply_relayed(struct request *rq, struct invocation *inv)
{
	size_t len = inv->reply_len;

	reply_bytes(rq, (unsigned)inv->status, *inv->reply_type ? inv->reply_type : NULL,
		    TAKE(inv->reply), len);
}

static void invoked(struct request *rq)
{
	struct invocation *inv = rq->state;

	if (inv->result == -EMSGSIZE)
		reply_problem(rq, 413, "too_large", "%s", inv->err.msg);
	else if (inv->result < 0)
		reply_error(rq, inv->result, &inv->err);
	else
		reply_relayed(rq, inv);
	relay_headers(rq, inv);
}

void endpoints_invoke(struct request *rq)
{
	invoke(rq, invoked);
}

/* Reply 424 with the model's own error inside. */
static void reply_model_error(struct request *rq, const struct invocation *inv)
{
	char original[ORIGINAL_SHOWN + 1];
	size_t n = inv->reply_len < ORIGINAL_SHOWN ? inv->reply_len : ORIGINAL_SHOWN;
	const char *text = inv->reply ? inv->reply : "";

	/* The cut may split a character; text that is not UTF-8 is left out. */
	for (int i = 0; i < 3 && n && !str_utf8_valid(text, n); i++)
		n--;
	str_must_format(original, sizeof(original), "%.*s", str_utf8_valid(text, n) ? (int)n : 0,
			text);
	reply_sagemaker(rq, 424, "ModelError",
			json_pack("{s:i, s:s}", "OriginalStatusCode", inv->status,
				  "OriginalMessage", original),
			"Received %s error (%d) from primary with message \"%.700s\".",
			inv->status < 500 ? "client" : "server", inv->status, original);
}

static void sagemaker_invoked(struct request *rq)
{
	struct invocation *inv = rq->state;
	char request_id[ID_LEN];

	if (inv->result == -ERR_NOT_FOUND)
		reply_sagemaker(rq, 400, "ValidationError", NULL,
				"Endpoint %s of account " ACCOUNT " not found.", rq->args[0]);
	else if (inv->result == -ERR_INVALID || inv->result == -EMSGSIZE)
		reply_sagemaker(rq, 400, "ValidationError", NULL, "%s", inv->err.msg);
	else if (inv->result == -ERR_CONFLICT)
		reply_sagemaker(rq, 429, "ModelNotReadyException", NULL, "%s", inv->err.msg);
	else if (inv->result == -ETIMEDOUT)
		reply_sagemaker(rq, 424, "ModelError", NULL,
				"Your invocation timed out while waiting for a response from "
				"container primary: %s.",
				inv->err.msg);
	else if (inv->result < 0)
		reply_error(rq, inv->result, &inv->err);
	else if (inv->status >= 400)
		reply_model_error(rq, inv);
	else
		reply_relayed(rq, inv);
	id_new('q', request_id);
	reply_header(rq, "x-amzn-RequestId", request_id);
	relay_headers(rq, inv);
}

void sagemaker_invoke(struct request *rq)
{
	invoke(rq, sagemaker_invoked);
}
