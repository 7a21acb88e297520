/* SPDX-License-Identifier: MIT */
/* How this shim owns all that its program starts (wire/owner.h): the strongest way that the machine
 * gives, found out by trying. */
#pragma once

#include "wire/owner.h"

#include <stdbool.h>

struct ownership {
	struct process_owner owner;
	int cgroup_fd;	  /* -1: none */
	int init_pipe[2]; /* its other end tells the namespace's init that we live */
	bool own_proc;	  /* the program needs a /proc of its namespace */
};

/* Take one of `first` and those below it, before the program starts: marks this process, makes the
 * cgroup or the namespace. Irreversible. The last way is always there; negative only if a namespace
 * was begun and its init could not be started: then no program can be. */
int ownership_take(struct ownership *o, const char *id, enum owner_kind first,
		   struct err *reterr) MUSTCHECK;
/* For proc_spec.prepare of the program; NULL: nothing. */
int (*ownership_prepare(const struct ownership *o))(void);
/* SIGKILL to all of it, however it hides. Again until none is left. */
void ownership_kill(const struct ownership *o);
/* True if nothing of it is left but the namespace's init, which is told to end: the next wait4()
 * then finds it. */
bool ownership_only_init(const struct ownership *o);
/* After ECHILD: true if its cgroup is empty, and removed. */
bool ownership_release(struct ownership *o);
