/* SPDX-License-Identifier: MIT */
/* The manager as main.c sees it: make, run, stop. Everything else is daemon/manager.h. */
#pragma once

#include "base/err.h"
#include "daemon/manager.h"
#include "daemon/settings.h"

/* Opens the database (takes its lock), the devices and the net thread, and recovers: every live
 * execution is re-attached, finished or declared lost. `settings` is borrowed. */
int manager_new(const struct settings *settings, struct manager **ret,
		struct err *reterr) MUSTCHECK;
/* The same for `trainyardd --adopt`: no devices, no recovery, nothing is started; the controller of
 * the cloud stops and deletes what its rows do not want, and does nothing else. */
int manager_new_ending(const struct settings *settings, struct manager **ret,
		       struct err *reterr) MUSTCHECK;
/* Run on the caller's thread until SIGTERM or SIGINT (which must be blocked in every thread).
 * Then nothing new is taken; running executions go on without us. */
int manager_run(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* After the api has stopped. */
void manager_free(struct manager *mgr);
