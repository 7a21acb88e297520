/* SPDX-License-Identifier: MIT */
/*
 * Accepts connections on both listening sockets, in a thread of its own, and passes them to
 * libmicrohttpd. If connections run short, the oldest incomplete request is dropped, not the next
 * client. The thread detects clients that have left and ends connections that never complete a
 * request (api/connection.h). api/server.c calls this.
 */
#pragma once

#include "api/connection.h"
#include "base/err.h"

#define ACCEPTOR_DROPPING_MAX 64
/* File descriptors that connections leave free for the rest of the process. */
#define ACCEPTOR_FDS_SPARE    128

struct acceptor;
struct api;

/* Start the thread for both listeners of `api`, whose library daemons are running. `all` must
 * outlive the acceptor. */
int acceptor_start(struct api *api, struct connections *all, struct acceptor **ret,
		   struct err *reterr) MUSTCHECK;
/* Stop accepting. After the return no connection is accepted and the manager is not called; open
 * connections continue, and incomplete requests are still ended. Call once. Blocks for the thread's
 * current step. */
void acceptor_quiesce(struct acceptor *a);
/* Join the thread. Call after the library's daemons have ended. NULL is allowed. */
void acceptor_stop(struct acceptor *a);
