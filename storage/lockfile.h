/* SPDX-License-Identifier: MIT */
/*
 * The lock file: one daemon per data directory, by flock(2), and one per path of it: when the
 * directory is renamed while a daemon runs, no other may begin at its old place. That is an
 * abstract unix socket that listens: its name is that of the place (the parent directory's inode
 * and the name, hashed) and a random end, and it counts if the kernel says that it is of our user
 * (SO_PEERCRED), so that no other user can take a place. The file's text is for
 * people and for one check: line 1 the holder's pid, line 2 "GENERATION SEQ" as of the newest
 * commit, by which a restored backup (same generation, smaller seq) is noticed.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

#define LOCKFILE_GENERATION_MAX 32

struct lockfile {
	int fd;
	int place_fd;				      /* the socket */
	char generation[LOCKFILE_GENERATION_MAX + 1]; /* as read at the opening; "" when none */
	int64_t seq;
};

/* -ERR_EXISTS: another process holds it, or its path; the sentence names DIR and, if it is known,
 * the pid. */
int lockfile_open(const char *dir, struct lockfile *ret, struct err *reterr) MUSTCHECK;
/* Note the newest commit; not durable, errors are ignored (it is a hint). */
void lockfile_note(struct lockfile *lf, const char *generation, int64_t seq);
void lockfile_close(struct lockfile *lf);
