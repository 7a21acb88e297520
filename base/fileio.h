/* SPDX-License-Identifier: MIT */
/*
 * Files. All paths are relative to `at` (AT_FDCWD for the process). Every descriptor is
 * O_CLOEXEC. "Durable" means: the data and the directory entry are fsynced on return.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Whole file into *out (appended), at most out->max bytes: -ERR_LIMIT beyond. Follows links and
 * waits for the writer of a pipe: for files of a job, base/beneath.h. */
int file_read(int at, const char *path, struct buf *out, struct err *reterr) MUSTCHECK;
/* The same of a regular file, which is the only kind that cannot block: -ERR_INVALID for others. */
int file_read_regular(int at, const char *path, struct buf *out, struct err *reterr) MUSTCHECK;
/* The rest of an open file, likewise; `name` is for the message. */
int fd_read_all(int fd, const char *name, struct buf *out, struct err *reterr) MUSTCHECK;
/* Durable replace: PATH.tmp, fsync, rename, fsync of the directory. */
int file_write_atomic(int at, const char *path, const void *data, size_t len, mode_t mode,
		      struct err *reterr) MUSTCHECK;
/* All of len, or -errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* Give what is complete its name for good: fsync of `fd` (-1: a link), rename, fsync of the
 * directory of `to`. */
int file_name_durably(int fd, const char *from, const char *to, struct err *reterr) MUSTCHECK;
/* fsync the directory that `path` names (itself, not its parent). */
int dir_sync(int at, const char *path);
/* mkdir -p with `mode` for what is made. */
int dir_make(int at, const char *path, mode_t mode, struct err *reterr) MUSTCHECK;
/* Copy one regular file (reflink or copy_file_range when possible); not durable. */
int file_copy(int from_dirfd, const char *from, int to_dirfd, const char *to,
	      struct err *reterr) MUSTCHECK;
bool path_exists(int at, const char *path);
bool path_is_dir(int at, const char *path);
/* A relative path that stays below its root: not empty, not absolute, no "." or ".." part. */
bool path_is_inside(const char *path);
/* "a/b" joined into buf; false when it does not fit. */
bool path_join(char *buf, size_t size, const char *a, const char *b);
/* Address of a unix socket `name` in the directory `at`, by /proc/self/fd (sun_path has only
 * 108 bytes). `at` must stay open during bind or connect. */
int socket_address(int at, const char *name, struct sockaddr_un *ret, socklen_t *ret_len);
/* True if the open directory has been removed: nothing can be made in it any more. */
bool dir_is_removed(int dirfd);
