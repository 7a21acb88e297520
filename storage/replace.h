/* SPDX-License-Identifier: MIT */
/*
 * Puts a backup in the place of a data directory's database, for `trainyardd --restore`. The
 * present database stays beside it under another name. After a crash at any point the old database
 * is in its place, or no database is there and the daemon refuses to start. The same command then
 * repeats the restore. All calls block on the disk.
 */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct replace_facts {
	bool readable;		  /* False if there is no database, or it cannot be read */
	int64_t newest_us;	  /* wall clock of the newest event; 0: there is none */
	int64_t runs, unfinished; /* runs, and jobs that have not ended */
};

struct replace {
	struct replace_facts backup, present;
	bool replaces;	      /* True if there is a database now */
	char aside[PATH_MAX]; /* its name after replace_put() */
	struct replace_inside *inside;
};

/* Take the lock of DIR, which is made if it is missing, copy the backup beside the database and
 * check the whole copy. -ERR_EXISTS: a daemon has the lock. -ERR_UNSUPPORTED: the file is not a
 * database of Trainyard, or is newer than this program. -ERR_CORRUPT: it is damaged. Call
 * replace_close() also after an error. */
int replace_open(const char *dir, const char *backup, struct replace *ret,
		 struct err *reterr) MUSTCHECK;
/* Give the copy the database's name, durably. The next store_open() gives it a new generation and
 * marks it as restored (store_restore.h). */
int replace_put(struct replace *rp, struct err *reterr) MUSTCHECK;
/* Give back the lock, and remove a copy that was not put. */
void replace_close(struct replace *rp);
