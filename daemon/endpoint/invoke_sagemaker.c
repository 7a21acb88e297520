/* SPDX-License-Identifier: MIT */
/*
 * Sends a request to an endpoint on SageMaker: InvokeEndpoint, signed. Texts that are too long are
 * truncated, as on a local endpoint, unless the request says otherwise. Any thread.
 */
#include "aws/client.h"
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"

#include <string.h>

#define JSON_TYPE "application/json"
/* A model may take 60 seconds, and an SDK should wait 70 (botocore: sagemaker-runtime,
 * InvokeEndpoint). */
#define WAY_US	  (10 * USEC_PER_SEC)

struct sagemaker_relay {
	struct aws_call call;
	char region[32];
	char path[RESOURCE_NAME_MAX + 40];
	char *body; /* owned, if the body was changed */
};

static void sagemaker_relay_free(struct sagemaker_relay *sm)
{
	aws_call_done(&sm->call);
	free(sm->body);
	free(sm);
}

static bool is_json(const char *type)
{
	size_t n = strcspn(type, "; \t");

	return n == strlen(JSON_TYPE) && strncasecmp(type, JSON_TYPE, n) == 0;
}

/* {"inputs": …} with "truncation": true in its parameters. NULL: send the body unchanged. */
static char *with_truncation(const struct invocation *inv, size_t body_max)
{
	OWN(json_decrefp) json_t *body = NULL;
	json_t *parameters;
	char *text;

	if (!is_json(invocation_content_type(inv)) ||
	    json_parse_nul(inv->body, inv->body_len, &body, NULL) < 0 ||
	    !json_object_get(body, "inputs"))
		return NULL;
	parameters = json_object_get(body, "parameters");
	if (!parameters) {
		parameters = json_object();
		json_object_set_new(body, "parameters", parameters);
	}
	if (!json_is_object(parameters) || json_object_get(parameters, "truncation"))
		return NULL;
	json_object_set_new(parameters, "truncation", json_true());
	text = json_text(body);
	if (!text || strlen(text) <= body_max)
		return text;
	free(text); /* the changed body would be too large */
	return NULL;
}

/* A response of the container is a result, even if it is an error. A refusal by the service itself
 * is an error. */
static int result_of(const struct aws_call *c)
{
	if (c->result == 0 || (c->status >= 400 && c->status < 500 && c->kind == AWS_ERROR_MODEL))
		return 0;
	if (c->kind == AWS_ERROR_INVALID)
		return -ERR_INVALID;
	if (c->kind == AWS_ERROR_DENIED || c->kind == AWS_ERROR_CREDENTIALS)
		return -ERR_UNAVAILABLE; /* the daemon lacks the permission, not the client */
	return c->status == 429 && c->kind == AWS_ERROR_TRANSIENT ? -ERR_CONFLICT : c->result;
}

/* Replace a ModelError by the container's own response (botocore,
 * sagemaker-runtime/service-2.json), as a local endpoint would give it. */
static void unwrap(struct invocation *inv)
{
	OWN(json_decrefp) json_t *error = NULL, *original = NULL;
	const char *message;
	int64_t status;

	if (json_parse(inv->reply, inv->reply_len, &error, NULL) < 0)
		return;
	status = json_get_int(error, "OriginalStatusCode", 0);
	message = json_get_str(error, "OriginalMessage", NULL);
	if (status < 400 || status > 599 || !message)
		return;
	free(inv->reply);
	inv->status = (int)status;
	inv->reply_len = strlen(message);
	inv->reply = strdup(message);
	if (!inv->reply)
		abort();
	str_must_copy(inv->reply_type, sizeof(inv->reply_type),
		      json_parse(message, inv->reply_len, &original, NULL) < 0 ? "text/plain"
									       : JSON_TYPE);
}

static void on_done(struct aws_call *c)
{
	struct relay *relay = c->userdata;
	struct invocation *inv = relay->inv;

	inv->result = result_of(c);
	inv->err = c->err;
	inv->status = c->status;
	relay_read_headers(relay, &c->http);
	if (inv->result == 0) {
		relay_read(relay, &c->http);
		if (c->kind == AWS_ERROR_MODEL)
			unwrap(inv);
	}
	sagemaker_relay_free(TAKE(relay->sagemaker));
	relay_done(relay);
}

int relay_sagemaker(struct manager *mgr, const char *resource_name, const char *region,
		    size_t body_max, struct relay *relay, struct err *reterr)
{
	const struct invocation *inv = relay->inv;
	struct sagemaker_relay *sm;
	struct aws_call *c;

	if (!mgr->aws)
		return err_set(reterr, ERR_UNAVAILABLE, "%s", mgr->aws_why.message);
	sm = calloc(1, sizeof(*sm));
	if (!sm)
		return err_errno(reterr, ENOMEM, "ask the endpoint");
	c = &sm->call;
	aws_call_init(c, AWS_RUNTIME, "InvokeEndpoint");
	str_must_copy(sm->region, sizeof(sm->region), region);
	str_must_format(sm->path, sizeof(sm->path), "/endpoints/%s/invocations", resource_name);
	sm->body = with_truncation(inv, body_max);
	c->region = sm->region;
	c->method = "POST";
	c->path = sm->path;
	c->headers_n = relay_headers(relay, c->headers);
	c->body = sm->body ? sm->body : inv->body;
	c->body_len = sm->body ? strlen(sm->body) : inv->body_len;
	c->timeout_us = mgr->settings->predict_timeout_us + WAY_US;
	c->reply_max = relay_reply_max(inv);
	c->done = on_done;
	c->userdata = relay;
	relay->sagemaker = sm;
	aws_send(mgr->aws, c);
	return 0;
}
