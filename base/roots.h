/* SPDX-License-Identifier: MIT */
/*
 * Restricts users' paths to some root directories. The check uses the location of the opened file,
 * not the text of the path. Links are followed if they lead to a location below a root. A path that
 * is swapped for a link after a check is detected.
 *
 * A path below OWN/folder/name (such as an execution's directory) must not leave OWN/folder/name,
 * because jobs and archives create links there.
 *
 * The roots are process-wide and set once, before threads start. Until then every path is allowed.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ROOTS_MAX 512

/* `dirs`: absolute directories, NULL-terminated. `own`: the data directory OWN; NULL: none. Both
 * are borrowed for the process's life. */
void roots_set(const char *const *dirs, const char *own);
/* Open at/path for reading or with O_PATH, always with O_CLOEXEC, O_NOCTTY and O_NONBLOCK (without
 * effect on regular files). Returns a descriptor, -errno, or -EACCES with a message if the file is
 * outside the roots. */
int roots_open(int at, const char *path, int flags, struct err *reterr) MUSTCHECK;
/* Check that the open file of `path` (absolute) is below a root. Returns 0, or -EACCES with a
 * message. */
int roots_check(int fd, const char *path, struct err *reterr) MUSTCHECK;
/* Read a whole regular file, as file_read() and json_read_file(). -ERR_CORRUPT with the remedy: the
 * file is a pointer of Git LFS. */
int roots_read(const char *path, struct buf *out, struct err *reterr) MUSTCHECK;
int roots_read_json(const char *path, size_t max_bytes, json_t **ret, struct err *reterr) MUSTCHECK;
/* Open the directory `path` (absolute) with O_PATH; missing directories are created, but never
 * outside the roots. */
int roots_make_dir(const char *path, mode_t mode, struct err *reterr) MUSTCHECK;
/* True if an absolute path without links is below a root. */
bool roots_hold(const char *real);
/* True if `path` is `dir` or below it; compares only the text. */
bool path_is_below(const char *path, const char *dir);
/* "/proc/self/fd/N": names the open file for a library that opens by path. */
#define ROOTS_FD_PATH_MAX 32
const char *roots_fd_path(int fd, char buf[ROOTS_FD_PATH_MAX]);
