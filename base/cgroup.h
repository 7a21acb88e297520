/* SPDX-License-Identifier: MIT */
/*
 * Control groups, version 2 (Linux: Documentation/admin-guide/cgroup-v2.rst): where this process
 * is, and ending all processes of one with a single write. Needs no controller.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* The v2 path ("/user.slice/…") of a /proc/PID/cgroup text, its end in *ret_len; NULL: none. */
const char *cgroup_find(const char *proc_cgroup, int *ret_len);
/* The mount point of version 2 in a /proc/PID/mountinfo text and the path of its root; false: it is
 * not mounted. */
bool cgroup_mount_find(const char *mountinfo, char *point, char *root, size_t size);
/* The absolute directory of this process's cgroup. -ENOENT: no version 2 here, or it lies outside
 * of what is mounted. */
int cgroup_own(char *buf, size_t size);
/* Open a directory that must be a cgroup of version 2. *ret_fd is the caller's. -ENOENT: it is
 * gone, so that no process can be in it. */
int cgroup_open(const char *dir, int *ret_fd);
/* True if its processes can be ended by cgroup_kill() (Linux 5.14), by this user. */
bool cgroup_can_kill(int fd);
/* SIGKILL to every process in it and below. 0 or -errno; they end a moment later. */
int cgroup_kill(int fd);
/* 1 while a process is in it or below, 0 if none, negative if that cannot be read. */
int cgroup_populated(int fd);
