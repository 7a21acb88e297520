/* SPDX-License-Identifier: MIT */
/*
 * trainyard-shim: the supervisor of one execution. It holds DIR/lock, starts the program of
 * spec.json, stops it when asked or when its time is over, and writes exit.json once every
 * descendant is gone. One thread, one poll loop (main.c); this header is what its parts share.
 *
 * Invariant: exit.json appears only when wait4() has said ECHILD, so nothing of the execution can
 * still write below DIR.
 */
#pragma once

#include "base/err.h"
#include "shim/log_cap.h"
#include "shim/log_pipe.h"
#include "shim/ownership.h"
#include "shim/server.h"
#include "shim/spec.h"
#include "wire/execution.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#define SHIM_TICK_MS	    1000 /* look at the log, clock after a suspend */
#define SHIM_BUSY_TICK_MS   100	 /* the same while the log grows fast */
#define SHIM_LEFTOVER_MS    2000 /* descendants that outlive the program: SIGTERM, this, SIGKILL */
#define SHIM_KILL_MS	    10	 /* first pause between two passes of SIGKILL, then doubled */
#define SHIM_RECORD_TRIES   60	 /* exit.json: one try a second */
#define SHIM_OOM_SCORE_FILE "/proc/self/oom_score_adj"
#define SHIM_OOM_SCORE_ADJ  500 /* of the child: it goes before the shim and the daemon */

enum shim_phase {
	SHIM_RUNNING,
	SHIM_STOPPING, /* SIGTERM sent to the group; SIGKILL to all at kill_at_us */
	SHIM_LEFTOVER, /* the program has ended; the same for what it left behind */
	SHIM_KILLING,  /* SIGKILL to all, again and again, until none is left */
};

struct shim {
	char dir[PATH_MAX]; /* absolute DIR */
	int dirfd;
	int record_fd; /* the reserved exit.json.tmp */
	int oom_fd;    /* our own oom_score_adj, opened while that was allowed; -1: not there */
	int signal_fd;
	struct shim_spec spec;
	struct shim_server server;
	struct log_cap log;
	struct log_pipe pipe; /* from the program to it */
	struct ownership ownership;
	struct exit_record record;
	char proof[HASH_HEX_LEN]; /* for the record */
	enum shim_phase phase;
	pid_t child; /* 0 once it has ended */
	bool none_left;
	int64_t deadline_us; /* of max_runtime, on clock_mono_us; USEC_NEVER: none */
	int64_t kill_at_us;  /* next SIGKILL pass */
	int64_t kill_pause_ms;
	int64_t oom_before; /* out-of-memory kills counted by our cgroup at the start; -1 unknown */
};

/* child.c: the program and its descendants. */

/* Start it; s->spec is not needed afterwards. The message of a failure is for exit.json. */
int child_start(struct shim *s, struct err *reterr) MUSTCHECK;
/* Ask it to stop: `cause` is what exit.json will say. A second request can only shorten the grace.
 * No effect once the program has ended. */
void child_stop(struct shim *s, enum exit_cause cause, int64_t grace_ms);
/* The same after SIGTERM to us, with who sent it in the record. */
void child_stop_by_signal(struct shim *s, const struct signalfd_siginfo *from);
/* Move through the phases by the clock; call after every wake-up. */
void child_step(struct shim *s, int64_t now_us);
