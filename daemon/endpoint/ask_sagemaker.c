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

struct sagemaker_ask {
	struct aws_call call;
	char region[32];
	char path[RESOURCE_NAME_MAX + 40];
	char *body; /* owned, if the body was changed */
};

static void ask_free(struct sagemaker_ask *ca)
{
	aws_call_done(&ca->call);
	free(ca->body);
	free(ca);
}

static bool is_json(const char *type)
{
	size_t n = strcspn(type, "; \t");

	return n == strlen(JSON_TYPE) && strncasecmp(type, JSON_TYPE, n) == 0;
}

/* {"inputs": …} with "truncation": true in its parameters. NULL: send the body unchanged. */
static char *with_truncation(const struct endpoint_ask *ask, size_t body_max)
{
	OWN(json_decrefp) json_t *body = NULL;
	json_t *parameters;
	char *text;

	if (!is_json(ask->content_type) ||
	    json_parse_nul(ask->body, ask->body_len, &body, NULL) < 0 ||
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
static void unwrap(struct endpoint_ask *ask)
{
	OWN(json_decrefp) json_t *error = NULL, *original = NULL;
	const char *message;
	int64_t status;

	if (json_parse(ask->reply, ask->reply_len, &error, NULL) < 0)
		return;
	status = json_get_int(error, "OriginalStatusCode", 0);
	message = json_get_str(error, "OriginalMessage", NULL);
	if (status < 400 || status > 599 || !message)
		return;
	free(ask->reply);
	ask->status = (int)status;
	ask->reply_len = strlen(message);
	ask->reply = strdup(message);
	if (!ask->reply)
		abort();
	str_copy(ask->reply_type, sizeof(ask->reply_type),
		 json_parse(message, ask->reply_len, &original, NULL) < 0 ? "text/plain"
									  : JSON_TYPE);
}

static void on_done(struct aws_call *c)
{
	struct endpoint_ask *ask = c->userdata;
	struct sagemaker_ask *ca = ask->sagemaker;

	ask->result = result_of(c);
	ask->err = c->err;
	ask->status = c->status;
	ask_read(ask, &c->http);
	if (ask->result == 0) {
		ask->reply_len = c->http.reply.len;
		ask->reply = buf_take(&c->http.reply);
		if (!net_reply_header(&c->http, "Content-Type", ask->reply_type,
				      sizeof(ask->reply_type)))
			ask->reply_type[0] = '\0';
		if (c->kind == AWS_ERROR_MODEL)
			unwrap(ask);
	}
	ask->sagemaker = NULL;
	ask_free(ca);
	ask->done(ask);
}

int endpoint_ask_sagemaker(struct manager *mgr, const char *resource_name, const char *region,
			   size_t body_max, struct endpoint_ask *ask, struct err *reterr)
{
	struct sagemaker_ask *ca = calloc(1, sizeof(*ca));
	struct aws_call *c = &ca->call;

	if (!ca)
		return err_errno(reterr, ENOMEM, "ask the endpoint");
	if (!mgr->aws) {
		free(ca);
		return err_set(reterr, ERR_UNAVAILABLE, "%s", mgr->aws_why.message);
	}
	aws_call_init(c, AWS_RUNTIME, "InvokeEndpoint");
	str_copy(ca->region, sizeof(ca->region), region);
	snprintf(ca->path, sizeof(ca->path), "/endpoints/%s/invocations", resource_name);
	ca->body = with_truncation(ask, body_max);
	c->region = ca->region;
	c->method = "POST";
	c->path = ca->path;
	c->headers_n = ask_headers(ask, c->headers);
	c->body = ca->body ? ca->body : ask->body;
	c->body_len = ca->body ? strlen(ca->body) : ask->body_len;
	c->timeout_us = ask->timeout_us;
	c->reply_max = ask->reply_max;
	c->done = on_done;
	c->userdata = ask;
	ask->sagemaker = ca;
	aws_send(mgr->aws, c);
	return 0;
}
