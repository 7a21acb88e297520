/* SPDX-License-Identifier: MIT */
/* The headers of a request that pass to an endpoint, and those of its response that pass back. Any
 * thread. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"

#include <string.h>

#define DEFAULT_TYPE "application/json"

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

const struct invoke_header manager_invoke_replied[MANAGER_INVOKE_REPLIED] = {
	{"x-Amzn-Invoked-Production-Variant", 1024},
	{"X-Amzn-SageMaker-Custom-Attributes", 1024},
	{"X-Amzn-SageMaker-New-Session-Id", 256},
	{"X-Amzn-SageMaker-Closed-Session-Id", 256},
};

static const struct invoke_header content_type = {"Content-Type", INVOKE_TYPE_MAX};
static const struct invoke_header accept_type = {"Accept", INVOKE_TYPE_MAX};

static int check_header(const struct invoke_header *h, const char *value, struct err *reterr)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (value[i] < ' ' || value[i] > '~')
			return err_set(reterr, ERR_INVALID,
				       "the header %s has characters other than printable ASCII; "
				       "remove them",
				       h->name);
	if (n <= h->max)
		return 0;
	return err_set(reterr, ERR_INVALID, "the header %s has %zu characters; use at most %zu",
		       h->name, n, h->max);
}

int invocation_check_headers(const struct invocation *inv, struct err *reterr)
{
	int r = inv->content_type ? check_header(&content_type, inv->content_type, reterr) : 0;

	if (r >= 0 && inv->accept)
		r = check_header(&accept_type, inv->accept, reterr);
	for (size_t i = 0; r >= 0 && i < MANAGER_INVOKE_SENT; i++)
		if (inv->sent[i])
			r = check_header(&manager_invoke_sent[i], inv->sent[i], reterr);
	return r;
}

const char *invocation_content_type(const struct invocation *inv)
{
	return inv->content_type ? inv->content_type : DEFAULT_TYPE;
}

size_t relay_headers(struct relay *relay, const char **to)
{
	const struct invocation *inv = relay->inv;
	size_t n = 0;

	str_must_format(relay->lines[0], sizeof(relay->lines[0]), "Content-Type: %s",
			invocation_content_type(inv));
	str_must_format(relay->lines[1], sizeof(relay->lines[1]), "Accept: %s",
			inv->accept ? inv->accept : DEFAULT_TYPE);
	to[n++] = relay->lines[0];
	to[n++] = relay->lines[1];
	for (size_t i = 0; i < MANAGER_INVOKE_SENT; i++) {
		if (!inv->sent[i])
			continue;
		if (asprintf(&relay->sent_lines[i], "%s: %s", manager_invoke_sent[i].name,
			     inv->sent[i]) < 0)
			abort();
		to[n++] = relay->sent_lines[i];
	}
	return n;
}

void relay_headers_done(struct relay *relay)
{
	for (size_t i = 0; i < MANAGER_INVOKE_SENT; i++)
		free(TAKE(relay->sent_lines[i]));
}

void relay_read_headers(struct relay *relay, const struct net_request *http)
{
	char value[1024 + 1];

	for (size_t i = 0; i < MANAGER_INVOKE_REPLIED; i++)
		if (net_reply_header(http, manager_invoke_replied[i].name, value, sizeof(value)))
			relay->inv->replied[i] = strdup(value);
}
