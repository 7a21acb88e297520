/* SPDX-License-Identifier: MIT */
/* Processes: spawning with an explicit list of inherited descriptors, and what /proc tells. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_FDS_MAX  8
#define BOOT_ID_LEN   37
#define PROC_NAME_MAX 64 /* of proc_name(): what the kernel shows, and more */

struct proc_fd {
	int from; /* descriptor here */
	int to;	  /* its number in the child */
};

struct proc_spec {
	const char *path;		  /* absolute; no PATH search */
	const char *const *argv;	  /* NULL-terminated */
	const char *const *envp;	  /* NULL-terminated; the whole environment */
	const char *cwd;		  /* NULL: unchanged */
	struct proc_fd fds[PROC_FDS_MAX]; /* everything else is closed in the child */
	size_t fds_n;
	bool new_session; /* setsid */
	int cgroup_fd;	  /* above 0: it is born in this cgroup of version 2 */
	/* In the child, before the exec; async-signal-safe; 0 or -errno. NULL: nothing. */
	int (*prepare)(void);
};

/* fork + exec. A failure of exec (missing file, no permission) is reported here, by a pipe, not
 * as an exit code. Signal mask and handlers are reset in the child. */
int proc_spawn(const struct proc_spec *spec, pid_t *ret_pid, struct err *reterr) MUSTCHECK;
/* The kernel's id of this boot. */
int proc_boot_id(char buf[BOOT_ID_LEN], struct err *reterr) MUSTCHECK;
/* The value of one variable in a process's environment, cut to size; false: gone, unreadable or
 * unset. */
bool proc_env(pid_t pid, const char *key, char *buf, size_t size);
/* True if argument number `n` of the process (0: its name) is `text`; false for a zombie, too. */
bool proc_has_argument(pid_t pid, int n, const char *text);
/* The process's short name ("python3") into buf; false: gone. */
bool proc_name(pid_t pid, char *buf, size_t size);
/* Append the children of all threads of `pid`, as pid_t, to `pids`; none if it is gone. false: they
 * are not all there: this kernel does not list them, or there is no descriptor or memory. */
bool proc_children(pid_t pid, struct buf *pids);
/* Its state as /proc/PID/stat has it ('R', 'T', 'Z', …) and its start, in clock ticks since the
 * boot: with the pid it names one process for good. false: gone. */
bool proc_stat(pid_t pid, char *ret_state, int64_t *ret_start);
/* True if it is that process and it has not ended. */
bool proc_lives(pid_t pid, int64_t start);
/* `sig` to that process and no other. 0; -ESRCH: it has ended; another -errno: not done, and it may
 * live. */
int proc_signal(pid_t pid, int64_t start, int sig);

/*
 * A mark that all descendants keep, whatever they do to their environment, their session or their
 * parents: the value of RLIMIT_LOCKS, which Linux has not looked at since 2.4 and hands on at fork
 * and exec. Only root can raise it again.
 */
/* A mark for `name` that this process may set; 0: it may set none. */
int64_t proc_mark_make(const char *name);
int proc_mark_set(int64_t mark); /* of this process, and of all that it starts from now on */
/* The mark of a process, 0: it has none; -ESRCH: gone; -EPERM: another user's, as a setuid one. */
int64_t proc_mark(pid_t pid);
/* Send `sig` to every process (not this one) with that mark. Returns how many live, or -errno: not
 * all could be looked at or sent it. Processes of other users are not seen. */
int proc_kill_by_mark(int64_t mark, int sig);

/* Send `sig` to every process (not this one) whose environment has the string KEY=VALUE
 * `entry`. Returns how many were signalled, or -errno: nothing could be looked at. Only processes
 * whose environment may be read. */
int proc_kill_by_env(const char *entry, int sig);
