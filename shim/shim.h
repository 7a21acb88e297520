/* SPDX-License-Identifier: MIT */
/*
 * trainyard-shim: the supervisor of one execution. The shim holds DIR/lock and starts the program
 * of spec.json. It stops the program on request or at its time limit, and writes exit.json once
 * every descendant is gone. One thread, one poll loop (main.c); this header is what its parts
 * share.
 *
 * Invariant: exit.json appears only after wait4() returned ECHILD, so no process of the execution
 * can still write below DIR.
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

#define SHIM_TICK_MS	    1000 /* one check of the log, and of the clock after a suspend */
#define SHIM_BUSY_TICK_MS   100	 /* the same, while the log grows fast */
#define SHIM_LEFTOVER_MS    2000 /* SIGTERM to SIGKILL for descendants of an ended program */
#define SHIM_KILL_MS	    10	 /* first pause between two passes of SIGKILL, then doubled */
#define SHIM_RECORD_TRIES   60	 /* attempts to write exit.json, one a second */
#define SHIM_OOM_SCORE_FILE "/proc/self/oom_score_adj"
#define SHIM_OOM_SCORE_ADJ  500 /* of the program: it is killed before the shim and the daemon */

enum shim_phase {
	SHIM_RUNNING,
	SHIM_STOPPING, /* SIGTERM was sent to the group; at kill_at_us all get SIGKILL */
	SHIM_LEFTOVER, /* the program has ended; its descendants got SIGTERM, likewise */
	SHIM_KILLING,  /* SIGKILL to all, repeated until none is left */
};

struct shim {
	char dir[PATH_MAX]; /* absolute path of DIR */
	int dirfd;
	int record_fd; /* the reserved exit.json.tmp */
	int oom_fd; /* the shim's oom_score_adj, opened early (later it may be denied); -1: none */
	int signal_fd;
	struct shim_spec spec;
	struct shim_server server;
	struct log_cap log;
	struct log_pipe pipe; /* the program's output, on its way to the log */
	struct ownership ownership;
	struct exit_record record;
	char proof[HASH_HEX_LEN]; /* the secret that the record carries */
	enum shim_phase phase;
	pid_t child; /* 0 after its end */
	bool none_left;
	int64_t deadline_us; /* end of max_runtime, on clock_mono_us; USEC_NEVER: none */
	int64_t kill_at_us;  /* time of the next SIGKILL pass */
	int64_t kill_pause_ms;
	int64_t oom_before; /* out-of-memory kills of our cgroup at the start; -1: not known */
};

/* child.c: the program and its descendants. */

/* Start the program. s->spec's argv, envp and cwd are not needed afterwards. The message of a
 * failure goes into exit.json. */
int child_start(struct shim *s, struct err *reterr) MUSTCHECK;
/* Ask the program to stop; `cause` goes into exit.json. A second request can only shorten the
 * grace. Does nothing after the program's end. Does not wait. */
void child_stop(struct shim *s, enum exit_cause cause, int64_t grace_ms);
/* child_stop() for a SIGTERM that the shim got. The record's message names the sender. */
void child_stop_by_signal(struct shim *s, const struct signalfd_siginfo *from);
/* Move through the phases by the clock. Call it after every wake-up. */
void child_step(struct shim *s, int64_t now_us);
