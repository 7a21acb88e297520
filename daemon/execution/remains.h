/* SPDX-License-Identifier: MIT */
/*
 * What is left of an execution whose shim is gone: it is ended, and only what is proven to be gone
 * counts as gone (wire/owner.h). On the manager thread; nothing here waits.
 */
#pragma once

#include "daemon/core.h"

enum remains {
	REMAINS_NONE,	 /* proven: every process of it has ended */
	REMAINS_SOME,	 /* some live and were sent SIGKILL, or the look failed: look again soon */
	REMAINS_UNKNOWN, /* what could be found was killed; whether more lives is not known */
};

struct remains_of {
	const char *id;	 /* the execution's */
	int dirfd;	 /* its directory; -1: gone */
	int lock_fd;	 /* its lock, whatever has taken the name since; -1: gone */
	bool adopts;	 /* this daemon has started the shim: all orphans come to it */
	pid_t shim;	 /* as its row says; 0: not known */
	const char *dir; /* the argument of that */
};

/* Its shim has ended, and was reaped if it was ours. */
enum remains remains_end(struct manager *mgr, const struct remains_of *of);
/* True if its shim lives and was stopped (SIGSTOP), so that it does nothing of what it should. */
bool remains_shim_is_stopped(const struct remains_of *of);
/* Ask its shim to stop the program, with the grace of its spec; true if it was told. */
bool remains_stop_shim(const struct remains_of *of);
/* To its shim and no other process; true if it lives. */
bool remains_signal_shim(const struct remains_of *of, int sig);
/* Reap children that are not ours: orphans that have come to this process, as to a subreaper or as
 * to the first process of a container. Those of executions are ended first; the answer is about
 * them. REMAINS_UNKNOWN: one belongs to another user, so that it could be of an execution. */
enum remains remains_reap(struct manager *mgr);
