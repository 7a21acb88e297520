/* SPDX-License-Identifier: MIT */
/*
 * Files in a directory whose contents belong to somebody else: a job may put pipes, sockets, links,
 * directories and huge files where we expect a small file, and may change them at any time. Nothing
 * here waits for another process, leaves the directory or crosses a mount. `at` is the directory;
 * it must be a real descriptor (O_PATH is enough).
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum beneath_links {
	BENEATH_NO_LINKS,    /* a symbolic link anywhere on the way is refused */
	BENEATH_INNER_LINKS, /* links are followed while they stay below `at` */
};

/* Open a regular file of at most max_bytes for reading; its owner must be the owner of `at`.
 * *ret_fd is the caller's; *ret_st (may be NULL) describes the file. -ENOENT: there is none;
 * -ERR_LIMIT: it is larger; -ERR_INVALID: it is no regular file, a link, or another user's;
 * -ENOTDIR, -EACCES and the like from the system. The file may still grow. */
int beneath_open(int at, const char *path, enum beneath_links links, int64_t max_bytes, int *ret_fd,
		 struct stat *ret_st, struct err *reterr) MUSTCHECK;
/* Open a directory without following a link. `flags`: O_PATH or 0. */
int beneath_open_dir(int at, const char *path, int flags, int *ret_fd,
		     struct err *reterr) MUSTCHECK;
/* The whole of such a file, no links allowed, into *out: -ERR_LIMIT beyond out->max bytes. */
int beneath_read(int at, const char *path, struct buf *out, struct err *reterr) MUSTCHECK;
/* The JSON value in it. -ERR_INVALID also when it does not parse. */
int beneath_read_json(int at, const char *path, size_t max_bytes, json_t **ret,
		      struct err *reterr) MUSTCHECK;
/* A new, empty file for writing at the name `path` in `at`. What lies there goes; a directory is
 * renamed to PATH.aside-…, because it may be too large to be removed here. */
int beneath_create(int at, const char *path, mode_t mode, int *ret_fd,
		   struct err *reterr) MUSTCHECK;
/* Rename within `at`; a directory at `to` goes aside likewise. */
int beneath_rename(int at, const char *from, const char *to, struct err *reterr) MUSTCHECK;
