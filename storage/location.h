/* SPDX-License-Identifier: MIT */
/*
 * The location of an open store: device and inode of the data directory, the lock file, the
 * database and its log. If one of them is renamed, replaced or deleted, later writes would be lost
 * at the next start.
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

/* Record the files as they are now. A file that does not exist now is not checked later. */
int location_note(const char *dir, struct location *ret, struct err *reterr) MUSTCHECK;
/* Any thread. -ERR_UNAVAILABLE if a recorded file has changed; the message names the file and the
 * remedy. */
int location_check(const struct location *l, struct err *reterr) MUSTCHECK;
/* Check that a new database may be created here. -ERR_CORRUPT if executions exist, or if a log of
 * SQLite exists that would be lost. `opened`: true if SQLite has already read that log. */
int location_may_be_new(const char *dir, bool opened, struct err *reterr) MUSTCHECK;
