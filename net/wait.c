/* SPDX-License-Identifier: MIT */
/* Send a request and wait for its end, on a thread that may block. */
#include "net/internal.h"

#include <assert.h>

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool over;
};

static void on_waited(struct net_request *rq)
{
	struct waiter *w = rq->userdata;

	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

int net_wait(struct net *n, struct net_request *rq, struct err *reterr)
{
	struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	int r;

	assert(!pthread_equal(pthread_self(), n->thread));
	rq->done = on_waited;
	rq->userdata = &w;
	r = net_send(n, rq, reterr);
	if (r < 0)
		return r;
	pthread_mutex_lock(&w.lock);
	while (!w.over)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	if (rq->result < 0 && reterr)
		*reterr = rq->err;
	return rq->result;
}
