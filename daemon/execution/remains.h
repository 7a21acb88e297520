/* SPDX-License-Identifier: MIT */
/*
 * Ends the processes of an execution whose shim is gone. Only processes whose end is proven count
 * as ended (wire/owner.h). Manager's thread; does not wait.
 */
#pragma once

#include "daemon/core.h"

enum remains {
	REMAINS_NONE,	 /* proven: all its processes have ended */
	REMAINS_SOME,	 /* some live and got SIGKILL, or the check failed: check again soon */
	REMAINS_UNKNOWN, /* all known processes were killed; others may live */
};

struct remains_of {
	const char *id; /* id of the execution */
	int dirfd;	/* its directory; -1: gone */
	int lock_fd;	/* its lock file, even if the name was replaced; -1: gone */
	/* True if this daemon started the shim, so that all orphans become its children */
	bool adopts;
	pid_t shim;	 /* pid from its row; 0: unknown */
	const char *dir; /* the shim's argument */
};

/* End the processes. The shim has ended, and was reaped if it was our child. */
enum remains remains_end(struct manager *mgr, const struct remains_of *of);
/* True if the shim lives but was stopped (SIGSTOP), so that it does not supervise. */
bool remains_shim_is_stopped(const struct remains_of *of);
/* Ask the shim to stop the program with the grace of its spec. True if the request was sent. */
bool remains_stop_shim(const struct remains_of *of);
/* Send `sig` to the shim and no other process. True if the shim lives. */
bool remains_signal_shim(const struct remains_of *of, int sig);
/* Reap children that are no shims: orphans that this process gets as a subreaper or as the first
 * process of a container. Orphans of executions are ended first, and the result is about them.
 * REMAINS_UNKNOWN: an orphan belongs to another user and may be of an execution. */
enum remains remains_reap(struct manager *mgr);
