/* SPDX-License-Identifier: MIT */
/* Send a request and wait for its end, on a thread that may block. */
#include "base/completion.h"
#include "net/internal.h"

#include <assert.h>

static void on_waited(struct net_request *rq)
{
	completion_signal(rq->userdata);
}

int net_wait(struct net *n, struct net_request *rq, struct err *reterr)
{
	struct completion waited = COMPLETION_INIT;
	int r;

	assert(!pthread_equal(pthread_self(), n->thread));
	rq->done = on_waited;
	rq->userdata = &waited;
	r = net_send(n, rq, reterr);
	if (r < 0)
		return r;
	completion_wait(&waited);
	if (rq->result < 0 && reterr)
		*reterr = rq->err;
	return rq->result;
}
