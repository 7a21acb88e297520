/* SPDX-License-Identifier: MIT */
/*
 * Directories below which everything that a user names must lie. What counts is where the opened
 * thing lies, not what its path looked like before: links are followed as long as they lead to
 * something below a root, and a path that was swapped for a link after a check is found out.
 *
 * One more rule for what is ours: a path below OWN/folder/name (an execution's directory) never
 * leads out of OWN/folder/name, because jobs and archives make the links there.
 *
 * Process-wide, set once before threads start. Until then everything is allowed.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define ROOTS_MAX 64

/* Absolute directories, NULL-terminated, and OWN (NULL: none); borrowed for the process's life. */
void roots_set(const char *const *dirs, const char *own);
/* Open at/path for reading or as O_PATH, with O_CLOEXEC, O_NOCTTY and O_NONBLOCK (of regular files
 * without effect). A descriptor; -errno; -ERR_NOT_FOUND never; -EACCES with a sentence if what was
 * opened lies outside. */
int roots_open(int at, const char *path, int flags, struct err *reterr) MUSTCHECK;
/* True if an absolute path without links lies below one of the roots. */
bool roots_hold(const char *real);
/* True if `path` is `dir` or lies below it; by the text. */
bool path_is_below(const char *path, const char *dir);
/* "/proc/self/fd/N": the opened thing itself, for a library that opens by path. */
#define ROOTS_FD_PATH_MAX 32
const char *roots_fd_path(int fd, char buf[ROOTS_FD_PATH_MAX]);
