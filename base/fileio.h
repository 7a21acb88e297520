/* SPDX-License-Identifier: MIT */
/*
 * File helpers. Paths are relative to `at` (AT_FDCWD for the process). Every descriptor is
 * O_CLOEXEC. "Durable" means that the data and the directory entry are fsynced before the return.
 * All calls block on the disk.
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

/* Append a whole file to *out. -ERR_LIMIT beyond out->max bytes. Follows links, and waits for the
 * writer of a pipe; for files of a job use base/beneath.h. */
int file_read(int at, const char *path, struct buf *out, struct err *reterr) MUSTCHECK;
/* As file_read(), for the rest of an open file; `name` is for the message. */
int fd_read_all(int fd, const char *name, struct buf *out, struct err *reterr) MUSTCHECK;
/* Replace a file durably: PATH.tmp, fsync, rename, fsync of the directory. */
int file_write_atomic(int at, const char *path, const void *data, size_t len, mode_t mode,
		      struct err *reterr) MUSTCHECK;
/* As file_write_atomic(), but not durable: after a loss of power the file may be missing, empty or
 * cut. For files that only processes of the same boot read. */
int file_write_unsynced(int at, const char *path, const void *data, size_t len, mode_t mode,
			struct err *reterr) MUSTCHECK;
/* Write all of len. Returns 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* Give a complete file its final name, durably: fsync of `fd` (-1: a link), rename, fsync of the
 * directory of `to`. */
int file_name_durably(int fd, const char *from, const char *to, struct err *reterr) MUSTCHECK;
/* fsync the directory `path` itself, not its parent. */
int dir_sync(int at, const char *path);
/* As mkdir -p, with `mode` for new directories. */
int dir_make(int at, const char *path, mode_t mode, struct err *reterr) MUSTCHECK;
/* Copy one regular file (reflink or copy_file_range if possible). Not durable. */
int file_copy(int from_dirfd, const char *from, int to_dirfd, const char *to,
	      struct err *reterr) MUSTCHECK;
bool path_exists(int at, const char *path);
bool path_is_dir(int at, const char *path);
/* True if the path is relative and stays below its root: not empty, no "." or ".." part. */
bool path_is_inside(const char *path);
/* Join "a/b" into buf. Returns false if the result does not fit. */
bool path_join(char *buf, size_t size, const char *a, const char *b);
/* Build the address of a unix socket `name` in the directory `at` through /proc/self/fd, because
 * sun_path has only 108 bytes. `at` must stay open during bind or connect. */
int socket_address(int at, const char *name, struct sockaddr_un *ret, socklen_t *ret_len);
/* True if the open directory was removed, so that no entry can be created in it. */
bool dir_is_removed(int dirfd);
