/* SPDX-License-Identifier: MIT */
/* What the files of the door to SQLite share; nobody else includes this. */
#pragma once

#include "storage/db.h"

#include <sqlite3.h>

#define DB_CACHE_MAX 128 /* statements in the cache; any others are prepared at each call */
#define DB_TEXTS_MAX 4	 /* statements kept of those whose text was built at run time */

struct db_stmt {
	struct db *db;
	sqlite3_stmt *s;
	const char *sql; /* the key; NULL: a free slot */
	bool cached, busy;
	const char *cut; /* the column of a text that db_col_copy() had to cut; NULL: none */
};

struct db {
	sqlite3 *h;
	char *dir; /* the data directory, which holds the file */
	/* True between db_begin and db_commit, even if SQLite has already rolled back */
	bool in_tx;
	_Atomic bool interrupted; /* by db_interrupt(): a copy looks at it between its steps */
	bool is_writer;
	bool broken; /* db_is_broken() */
	int tx_code; /* the error that ended the transaction early; 0: none */
	struct db_stmt cache[DB_CACHE_MAX];
	struct db_stmt texts[DB_TEXTS_MAX]; /* their `sql` is owned */
	size_t texts_next;		    /* the one that makes room for a new text */
};

/* Fill *reterr for SQLite's code `rc`. Returns the error. */
int db_fail(struct db *db, int rc, struct err *reterr);
/* Bind `v` as number `at`. Returns SQLite's code. */
int db_bind(const struct db *db, sqlite3_stmt *s, int at, const struct db_val *v);
/* Checkpoint after a commit if the log has too many pages. SQLite's own hook hides the error of a
 * checkpoint, and tries again later. */
void db_hook_commits(struct db *db);
/* Once in a process: a write that finds the disk full calls the hook of db_on_full(). */
void db_hook_writes(void);
