/* SPDX-License-Identifier: MIT */
/* Processes: spawning with an explicit list of inherited descriptors, and what /proc tells. */
#pragma once

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
/* Send `sig` to every process (not this one) whose environment has the string KEY=VALUE
 * `entry`. Returns how many were signalled. Only processes whose environment may be read. */
int proc_kill_by_env(const char *entry, int sig);
