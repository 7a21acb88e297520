/* SPDX-License-Identifier: MIT */
/*
 * Where the store lies, while it is open: the data directory, the lock file, the database and its
 * log, by device and inode. One of them renamed, replaced or deleted means that what is written
 * from now on is not found again at the next start.
 */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define LOCATION_FILES 4 /* the directory itself and three files in it */

struct location {
	char dir[PATH_MAX];
	struct {
		dev_t dev;
		ino_t ino;
		bool known;
	} files[LOCATION_FILES];
};

/* Note them as they are now. A file that is not there is not looked at later. */
int location_note(const char *dir, struct location *ret, struct err *reterr) MUSTCHECK;
/* Any thread. -ERR_UNAVAILABLE: one is not the same any more; the sentence says which and what to
 * do. */
int location_check(const struct location *l, struct err *reterr) MUSTCHECK;
/* Check that a new database may begin here. -ERR_CORRUPT: there are executions, or (unless
 * `opened`: SQLite has looked at it) a log of SQLite, which would be forgotten. */
int location_may_be_new(const char *dir, bool opened, struct err *reterr) MUSTCHECK;
