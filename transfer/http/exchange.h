/* SPDX-License-Identifier: MIT */
/* What request.c and get.c share: one exchange on the net thread, waited for with an eye on the
 * stop flag. */
#pragma once

#include "transfer/http/get.h"

#include <pthread.h>

struct exchange_wait {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool over;
};

/* Send and wait. rq->done and rq->userdata are taken. rq->result, or -ERR_CANCELLED after SIGTERM.
 * 0 as well if only the page of an error status is too long: it is cut off. */
int exchange_run(struct transfer *t, struct net_request *rq, struct err *reterr) MUSTCHECK;
/* The failure or the refusal may be over soon. */
bool exchange_passing(const struct net_request *rq, int result);
/* Sleep before try number `attempt` + 1. 0 or -ERR_CANCELLED. */
int exchange_pause(struct transfer *t, const struct net_request *rq, int attempt,
		   struct err *reterr) MUSTCHECK;
/* It is a redirect that can be followed: *url becomes its target. */
bool exchange_redirect(const struct net_request *rq, char *url, size_t size);
