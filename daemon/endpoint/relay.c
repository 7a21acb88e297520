/* SPDX-License-Identifier: MIT */
/* The end of a running invocation: copies the response's body and type, then calls `done`. The net
 * thread runs this. */
#include "base/own.h"
#include "daemon/endpoint/endpoint.h"

void relay_read(struct relay *relay, struct net_request *http)
{
	struct invocation *inv = relay->inv;

	inv->reply_len = http->reply.len;
	inv->reply = buf_take(&http->reply);
	if (!net_reply_header(http, "Content-Type", inv->reply_type, sizeof(inv->reply_type)))
		inv->reply_type[0] = '\0';
}

static void count(const struct relay *relay)
{
	const struct invocation *inv = relay->inv;
	bool ok = inv->result >= 0 && inv->status >= 200 && inv->status < 300;

	figures_invocation(relay->manager, relay->target,
			   ok		      ? INVOCATION_OK
			   : inv->result >= 0 ? INVOCATION_REFUSED
					      : INVOCATION_FAILED,
			   clock_mono_us() - relay->since_us);
}

void relay_done(struct relay *relay)
{
	struct invocation *inv = relay->inv;

	count(relay);
	relay_headers_done(relay);
	free(relay);
	inv->relay = NULL;
	inv->done(inv);
}
