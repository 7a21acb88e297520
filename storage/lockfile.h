/* SPDX-License-Identifier: MIT */
/*
 * The lock file: one daemon per data directory, by flock(2). Its text is for people and for one
 * check: line 1 the holder's pid, line 2 "GENERATION SEQ" as of the newest commit, by which a
 * restored backup (same generation, smaller seq) is noticed.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

#define LOCKFILE_GENERATION_MAX 32

struct lockfile {
	int fd;
	char generation[LOCKFILE_GENERATION_MAX + 1]; /* as read at the opening; "" when none */
	int64_t seq;
};

/* -ERR_EXISTS: another process holds it; the sentence names DIR and its pid. */
int lockfile_open(const char *dir, struct lockfile *ret, struct err *reterr) MUSTCHECK;
/* Note the newest commit; not durable, errors are ignored (it is a hint). */
void lockfile_note(struct lockfile *lf, const char *generation, int64_t seq);
void lockfile_close(struct lockfile *lf);
