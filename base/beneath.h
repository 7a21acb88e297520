/* SPDX-License-Identifier: MIT */
/*
 * Opens files in a directory whose contents belong to another user. A job may put pipes, sockets,
 * links, directories and huge files in place of an expected small file, and may change them at any
 * time. No function waits for another process, leaves the directory or crosses a mount. `at` is the
 * directory; it must be a real descriptor (O_PATH is enough). Any thread or process.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum beneath_links {
	BENEATH_NO_LINKS,    /* a symbolic link anywhere in the path is refused */
	BENEATH_INNER_LINKS, /* links are followed if they stay below `at` */
};

/* Open a regular file of at most max_bytes for reading; its owner must be the owner of `at`. The
 * caller owns *ret_fd; *ret_st (may be NULL) describes the file. -ENOENT: no such file. -ERR_LIMIT:
 * too large. -ERR_INVALID: not a regular file, a link, or another owner. -ENOTDIR, -EACCES and
 * other errno values from the system. The file may still grow. */
int beneath_open(int at, const char *path, enum beneath_links links, int64_t max_bytes, int *ret_fd,
		 struct stat *ret_st, struct err *reterr) MUSTCHECK;
/* Open a directory without following a link. `flags`: O_PATH or 0. */
int beneath_open_dir(int at, const char *path, int flags, int *ret_fd,
		     struct err *reterr) MUSTCHECK;
/* Append the whole file to *out; no links. -ERR_LIMIT beyond out->max bytes. */
int beneath_read(int at, const char *path, struct buf *out, struct err *reterr) MUSTCHECK;
/* Read one JSON value from the file. -ERR_INVALID also if the text does not parse. */
int beneath_read_json(int at, const char *path, size_t max_bytes, json_t **ret,
		      struct err *reterr) MUSTCHECK;
/* Create a new, empty file for writing at `path` in `at`. An existing file is removed; a directory
 * is renamed to PATH.aside-…, because it may be too large to remove here. */
int beneath_create(int at, const char *path, mode_t mode, int *ret_fd,
		   struct err *reterr) MUSTCHECK;
/* Rename within `at`. A directory at `to` is renamed as in beneath_create(). */
int beneath_rename(int at, const char *from, const char *to, struct err *reterr) MUSTCHECK;
