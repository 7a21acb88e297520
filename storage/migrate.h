/* SPDX-License-Identifier: MIT */
/*
 * Schema versions: migrations/NNNN_*.sql, embedded by the build, append-only; PRAGMA user_version
 * is the number of the last one applied. The list is a parameter so that tests can grow it. A
 * migration may read the table `here`: its one column `dir` is the data directory.
 */
#pragma once

#include "base/err.h"
#include "storage/db.h"

#include <stddef.h>

#define DB_APPLICATION_ID 0x54524e59 /* "TRNY": set by the first migration */

struct migration {
	int version; /* 1, 2, 3, … without gaps */
	const char *name;
	const char *sql;
};

extern const struct migration migrations[]; /* made by tools/embed_sql.py */
extern const size_t migrations_n;

/* All that are pending, in one transaction; `path` is the database's file: a database that is not
 * new is first copied to PATH.before-vN. -ERR_UNSUPPORTED: it is newer than we know, or not ours.
 */
int migrate(struct db *db, const char *path, const struct migration *list, size_t n,
	    struct err *reterr) MUSTCHECK;
