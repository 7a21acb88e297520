/* SPDX-License-Identifier: MIT */
/* The headers of a request that pass to an endpoint, and those of its response that pass back. Any
 * thread. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"

#include <string.h>

const struct invoke_header manager_invoke_sent[MANAGER_INVOKE_SENT] = {
	{"X-Amzn-SageMaker-Custom-Attributes", 1024},
	{"X-Amzn-SageMaker-Inference-Id", 64},
	{"X-Amzn-SageMaker-Prefix-Aware-Id", 64},
	{"X-Amzn-SageMaker-Target-Variant", 63},
	{"X-Amzn-SageMaker-Target-Model", 1024},
	{"X-Amzn-SageMaker-Target-Container-Hostname", 63},
	{"X-Amzn-SageMaker-Inference-Component", 63},
	{"X-Amzn-SageMaker-Enable-Explanations", 64},
	{"X-Amzn-SageMaker-Session-Id", 256},
};

const struct invoke_header manager_invoke_said[MANAGER_INVOKE_SAID] = {
	{"x-Amzn-Invoked-Production-Variant", 1024},
	{"X-Amzn-SageMaker-Custom-Attributes", 1024},
	{"X-Amzn-SageMaker-New-Session-Id", 256},
	{"X-Amzn-SageMaker-Closed-Session-Id", 256},
};

static int check_header(const struct invoke_header *h, const char *value, struct err *reterr)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (value[i] < ' ' || value[i] > '~')
			return err_set(reterr, ERR_INVALID, "the header %s must be printable ASCII",
				       h->name);
	if (n <= h->max)
		return 0;
	return err_set(reterr, ERR_INVALID,
		       "the header %s has %zu characters, at most %zu are "
		       "allowed",
		       h->name, n, h->max);
}

int ask_check_headers(const struct endpoint_ask *ask, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < MANAGER_INVOKE_SENT; i++)
		if (ask->sent[i])
			r = check_header(&manager_invoke_sent[i], ask->sent[i], reterr);
	return r;
}

size_t ask_headers(struct endpoint_ask *ask, const char **to)
{
	size_t n = 0;

	snprintf(ask->lines[0], sizeof(ask->lines[0]), "Content-Type: %s", ask->content_type);
	snprintf(ask->lines[1], sizeof(ask->lines[1]), "Accept: %s", ask->accept);
	to[n++] = ask->lines[0];
	to[n++] = ask->lines[1];
	for (size_t i = 0; i < MANAGER_INVOKE_SENT; i++) {
		if (!ask->sent[i])
			continue;
		if (asprintf(&ask->sent_lines[i], "%s: %s", manager_invoke_sent[i].name,
			     ask->sent[i]) < 0)
			abort();
		to[n++] = ask->sent_lines[i];
	}
	return n;
}

void ask_headers_done(struct endpoint_ask *ask)
{
	for (size_t i = 0; i < MANAGER_INVOKE_SENT; i++)
		free(TAKE(ask->sent_lines[i]));
}

void ask_read(struct endpoint_ask *ask, const struct net_request *http)
{
	char value[1024 + 1];

	ask_headers_done(ask);
	for (size_t i = 0; i < MANAGER_INVOKE_SAID; i++)
		if (net_reply_header(http, manager_invoke_said[i].name, value, sizeof(value)))
			ask->said[i] = strdup(value);
}
