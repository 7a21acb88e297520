/* SPDX-License-Identifier: MIT */
/* The life of the manager, for main.c: create, run, free. API threads use daemon/manager.h. */
#pragma once

#include "base/err.h"
#include "daemon/manager.h"
#include "daemon/settings.h"

/* Open the database (and take its lock), the devices and the net thread, and recover: each live
 * execution is re-attached, finished or declared lost. `settings` is borrowed. Blocks on the
 * disk. */
int manager_new(const struct settings *settings, struct manager **ret,
		struct err *reterr) MUSTCHECK;
/* As manager_new(), for `trainyardd --adopt`: no devices, no recovery, no start of anything. The
 * SageMaker controller only stops and deletes unwanted resources. */
int manager_new_ending(const struct settings *settings, struct manager **ret,
		       struct err *reterr) MUSTCHECK;
/* On SIGHUP, which must be blocked in every thread, call `fn` on the manager's thread. `fn` returns
 * the new settings, which are borrowed until manager_free() as all those before, or NULL to keep
 * the old ones. It may block on the disk for a moment. */
typedef const struct settings *(*manager_reload_fn)(void *userdata);
int manager_on_hangup(struct manager *mgr, manager_reload_fn fn, void *userdata,
		      struct err *reterr) MUSTCHECK;
/* Run on the caller's thread until SIGTERM or SIGINT, which must be blocked in every thread. After
 * the signal no command is accepted; running executions continue without the daemon. */
int manager_run(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Call after the API has stopped. */
void manager_free(struct manager *mgr);
