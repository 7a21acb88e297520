/* SPDX-License-Identifier: MIT */
/*
 * Takes connections from both listening sockets and gives them to libmicrohttpd, in a thread of its
 * own: so that a flood of half requests costs the oldest of them, and never the next client. It
 * notices clients that have left, and ends what never becomes a request (api/connection.h).
 */
#pragma once

#include "api/connection.h"
#include "base/err.h"

#define ACCEPTOR_DROPPING_MAX 64
/* Descriptors below the process's limit that connections leave to everything else. */
#define ACCEPTOR_FDS_SPARE    128

struct acceptor;
struct api;

/* Listen for both doors of `api`, whose library daemons run. `all` must outlive it. */
int acceptor_start(struct api *api, struct connections *all, struct acceptor **ret,
		   struct err *reterr) MUSTCHECK;
/* Once it returns, no connection is taken any more and the manager is not touched; connections go
 * on, and half requests are still ended. Once only. Waits for the thread's current step. */
void acceptor_quiesce(struct acceptor *a);
/* After the library's daemons have ended. NULL is allowed. */
void acceptor_stop(struct acceptor *a);
