/* SPDX-License-Identifier: MIT */
/* Processes: starts one with an explicit list of inherited descriptors, reads /proc, and sends
 * signals. The daemon and the shim call this. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_FDS_MAX  8
#define BOOT_ID_LEN   37
#define PROC_NAME_MAX 64 /* size for proc_name(), longer than the kernel's names */

struct proc_fd {
	int from; /* descriptor in this process */
	int to;	  /* its number in the child */
};

struct proc_spec {
	const char *path;		  /* absolute; no PATH search */
	const char *const *argv;	  /* NULL-terminated */
	const char *const *envp;	  /* NULL-terminated; the whole environment */
	const char *cwd;		  /* NULL: unchanged */
	struct proc_fd fds[PROC_FDS_MAX]; /* all other descriptors are closed in the child */
	size_t fds_n;
	bool new_session; /* True for a new session (setsid) */
	int cgroup_fd;	  /* above 0: the child starts in this cgroup of version 2 */
	/* Runs in the child before the exec; async-signal-safe; returns 0 or -errno. NULL: none. */
	int (*prepare)(void);
};

/* fork and exec. A failed exec (missing file, no permission) is reported here through a pipe, not
 * as an exit status. The child has default signal handlers and an empty signal mask. */
int proc_spawn(const struct proc_spec *spec, pid_t *ret_pid, struct err *reterr) MUSTCHECK;
/* The kernel's id of the current boot. */
int proc_boot_id(char buf[BOOT_ID_LEN], struct err *reterr) MUSTCHECK;
/* Read one variable of a process's environment, cut to `size`. Returns false if the process has
 * ended, is unreadable or has no such variable. */
bool proc_env(pid_t pid, const char *key, char *buf, size_t size);
/* True if argument `n` of the process (0: its name) is `text`. False also for a zombie. */
bool proc_has_argument(pid_t pid, int n, const char *text);
/* Read the process's short name ("python3") into buf. Returns false if the process has ended. */
bool proc_name(pid_t pid, char *buf, size_t size);
/* Append the children of all threads of `pid`, as pid_t, to `pids`; none if the process has ended.
 * Returns false if the list is incomplete: the kernel has no such list, or descriptors or memory
 * are out. */
bool proc_children(pid_t pid, struct buf *pids);
/* Read the process's state from /proc/PID/stat ('R', 'T', 'Z', …) and its start in clock ticks
 * since the boot. pid and start together identify a process forever. Returns false if it has
 * ended. */
bool proc_stat(pid_t pid, char *ret_state, int64_t *ret_start);
/* Send `sig` to that process and no other. Returns 0; -ESRCH if it has ended; another -errno if the
 * signal was not sent and the process may live. */
int proc_signal(pid_t pid, int64_t start, int sig);

/*
 * A mark that all descendants inherit, even if they change their environment, session or parent:
 * the value of RLIMIT_LOCKS. Linux ignores this limit since 2.4 but passes it on at fork and exec.
 * Only root can raise it again.
 */
/* A mark for `name` that this process may set; 0 if it may set none. */
int64_t proc_mark_make(const char *name);
int proc_mark_set(int64_t mark); /* for this process and all that it starts later */
/* The mark of a process; 0 if it has none; -ESRCH if it has ended; -EPERM if it belongs to another
 * user (setuid). */
int64_t proc_mark(pid_t pid);
/* Send `sig` to every process with that mark, except this one. Returns the number of living ones,
 * or -errno if some could not be examined or signalled. Processes of other users are invisible. */
int proc_kill_by_mark(int64_t mark, int sig);

/* Send `sig` to every process (not this one) whose environment contains the string `entry`
 * (KEY=VALUE). Examines only readable environments. Returns the number signalled, or -errno if none
 * could be examined. */
int proc_kill_by_env(const char *entry, int sig);
