/* SPDX-License-Identifier: MIT */
/*
 * Control groups, version 2 (Linux: Documentation/admin-guide/cgroup-v2.rst): the cgroup of this
 * process, and killing all processes of a cgroup with one write. Needs no controller. The daemon
 * and the shim call this.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Find the v2 path ("/user.slice/…") in the text of /proc/PID/cgroup; *ret_len is its length. NULL
 * if there is none. */
const char *cgroup_find(const char *proc_cgroup, int *ret_len);
/* Find the mount point of version 2 and the path of its root in the text of /proc/PID/mountinfo.
 * Returns false if version 2 is not mounted. */
bool cgroup_mount_find(const char *mountinfo, char *point, char *root, size_t size);
/* The absolute directory of this process's cgroup. -ENOENT if version 2 is missing or the cgroup is
 * outside the mounted part. */
int cgroup_own(char *buf, size_t size);
/* Open a directory that must be a cgroup of version 2. The caller owns *ret_fd. -ENOENT: the cgroup
 * no longer exists, so no process is in it. */
int cgroup_open(const char *dir, int *ret_fd);
/* True if this user can end the cgroup's processes with cgroup_kill() (Linux 5.14). */
bool cgroup_can_kill(int fd);
/* Send SIGKILL to all processes in the cgroup and below. Returns 0 or -errno. The processes end
 * asynchronously. */
int cgroup_kill(int fd);
/* Returns 1 if a process is in the cgroup or below, 0 if none is, negative if this cannot be
 * read. */
int cgroup_populated(int fd);
/* As fork(2), but the child is born in the cgroup: it is never outside. Filters of system calls may
 * refuse this. */
pid_t cgroup_fork(int fd);
