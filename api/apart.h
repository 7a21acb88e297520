/* SPDX-License-Identifier: MIT */
/* Work of a request that blocks for longer than a server's thread may. Handlers call this. */
#pragma once

#include "api/request.h"

/* Suspend the connection, run `work` on a thread of its own, then the step `then`. `work` must not
 * reply. If no thread can be started, an error is replied and neither runs. */
void request_apart(struct request *rq, void (*work)(struct request *rq),
		   void (*then)(struct request *rq));
