/* SPDX-License-Identifier: MIT */
/* Work of a request that blocks for longer than a server's thread may. Handlers call this. */
#pragma once

#include "api/request.h"

struct manager;

/* Suspend the connection and call `work` on a new thread; when it has returned, the step `then`
 * runs on a server's thread. `work` must not reply. If no thread can be started, an error is
 * replied and neither runs. */
void request_apart(struct request *rq, void (*work)(struct request *rq),
		   void (*then)(struct request *rq));
/* The same for a request that replies with what a function of the manager returns: `status` and
 * *ret, or the error. Uses rq->state. */
void request_ask_apart(struct request *rq, unsigned status,
		       int (*ask)(struct manager *mgr, json_t **ret, struct err *reterr));
