/* SPDX-License-Identifier: MIT */
/* How this shim owns all processes of its program (wire/owner.h). The shim tries the ways of this
 * machine, the strongest first. */
#pragma once

#include "wire/owner.h"

#include <stdbool.h>

struct ownership {
	struct process_owner owner;
	int cgroup_fd;	  /* -1: none */
	int init_pipe[2]; /* the shim's write end; closes at its death, which ends the namespace's
			     init */
	bool own_proc;	  /* True if the program needs a /proc of its PID namespace */
};

/* Take the way `first` or the strongest one below it, before the program starts: mark this process,
 * make the cgroup or the namespace. Irreversible. The last way works on every machine. Negative:
 * the init of a namespace could not start, so no program can start either. */
int ownership_take(struct ownership *o, const char *id, enum owner_kind first,
		   struct err *reterr) MUSTCHECK;
/* The function for proc_spec.prepare of the program; NULL: none is needed. */
int (*ownership_prepare(const struct ownership *o))(void);
/* Send SIGKILL to every owned process, wherever it hides. Call it again until none is left. */
void ownership_kill(const struct ownership *o);
/* True if only the namespace's init is left. The init is then told to end: the next wait4() finds
 * it. */
bool ownership_only_init(const struct ownership *o);
/* Call it after ECHILD. True if the cgroup is empty and removed, or if there is none. */
bool ownership_release(struct ownership *o);
