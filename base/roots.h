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
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ROOTS_MAX 512

/* Absolute directories, NULL-terminated, and OWN (NULL: none); borrowed for the process's life. */
void roots_set(const char *const *dirs, const char *own);
/* Open at/path for reading or as O_PATH, with O_CLOEXEC, O_NOCTTY and O_NONBLOCK (of regular files
 * without effect). A descriptor, -errno, or -EACCES with a sentence if what was opened lies
 * outside.
 */
int roots_open(int at, const char *path, int flags, struct err *reterr) MUSTCHECK;
/* Check that what was opened as `path` (absolute) lies below a root. 0 or -EACCES with a
 * sentence. */
int roots_check(int fd, const char *path, struct err *reterr) MUSTCHECK;
/* A whole regular file, as file_read() and json_read_file(). */
int roots_read(const char *path, struct buf *out, struct err *reterr) MUSTCHECK;
int roots_read_json(const char *path, size_t max_bytes, json_t **ret, struct err *reterr) MUSTCHECK;
/* The directory `path` (absolute), made where it is missing, as O_PATH; no step of the way makes
 * anything outside. */
int roots_make_dir(const char *path, mode_t mode, struct err *reterr) MUSTCHECK;
/* True if an absolute path without links lies below one of the roots. */
bool roots_hold(const char *real);
/* True if `path` is `dir` or lies below it; by the text. */
bool path_is_below(const char *path, const char *dir);
/* "/proc/self/fd/N": the opened thing itself, for a library that opens by path. */
#define ROOTS_FD_PATH_MAX 32
const char *roots_fd_path(int fd, char buf[ROOTS_FD_PATH_MAX]);
