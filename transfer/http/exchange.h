/* SPDX-License-Identifier: MIT */
/* Shared by request.c and get.c: one exchange on the net thread. The main thread waits for it and
 * checks the stop flag. */
#pragma once

#include "transfer/http/get.h"

/* Send and wait; sets rq->done and rq->userdata. Returns rq->result, or -ERR_CANCELLED after
 * SIGTERM. If only the body of an error status is too long, it is cut off and 0 is returned. */
int exchange_run(struct transfer *t, struct net_request *rq, struct err *reterr) MUSTCHECK;
/* True if the failure or refusal is temporary. */
bool exchange_passing(const struct net_request *rq, int result);
/* Sleep between attempt `attempt` and the next. 0 or -ERR_CANCELLED. */
int exchange_pause(struct transfer *t, const struct net_request *rq, int attempt,
		   struct err *reterr) MUSTCHECK;
/* True if the answer is a redirect that can be followed: *url becomes its target. */
bool exchange_redirect(const struct net_request *rq, char *url, size_t size);
