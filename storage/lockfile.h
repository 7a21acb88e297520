/* SPDX-License-Identifier: MIT */
/*
 * The lock of a data directory: one daemon for each directory, by flock(2), and one for each path.
 * The second lock matters if the directory is renamed while a daemon runs: no other daemon may
 * start at the old path. The second lock is a listening abstract unix socket. Its name is a hash of
 * the parent directory's inode and the directory's name, plus a random suffix. A socket counts only
 * if the kernel (SO_PEERCRED) attributes it to this user or to root, so that no other user can
 * block a path.
 *
 * The text of the lock file: line 1 is the holder's pid, for people. Line 2 is "GENERATION SEQ" of
 * the newest commit. A database with the same generation and a smaller seq was restored from a
 * backup.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

#define LOCKFILE_GENERATION_MAX 32

struct lockfile {
	int fd;
	int place_fd;				      /* the listening socket */
	char generation[LOCKFILE_GENERATION_MAX + 1]; /* as read at the opening; "" if none */
	int64_t seq;
};

/* Take both locks. -ERR_EXISTS if another process holds one of them; the message names DIR and, if
 * known, the pid. */
int lockfile_open(const char *dir, struct lockfile *ret, struct err *reterr) MUSTCHECK;
/* Record the newest commit. Not durable; errors are ignored, because the record is only a hint. */
void lockfile_note(struct lockfile *lf, const char *generation, int64_t seq);
void lockfile_close(struct lockfile *lf);
