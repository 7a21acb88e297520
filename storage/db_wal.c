/* SPDX-License-Identifier: MIT */
/* Checkpoints of the write-ahead log, and what a failed disk forbids. */
#include "storage/db_parts.h"

/* a commit checkpoints only if there was no idle moment for so many pages */
#define DB_WAL_PAGES 4000

bool db_is_broken(const struct db *db)
{
	return db->broken;
}

void db_checkpoint(struct db *db)
{
	int rc;

	if (db->broken)
		return;
	rc = sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc != SQLITE_OK)
		db_fail(db, rc, NULL); /* only to note a broken disk; the log grows meanwhile */
	sqlite3_db_release_memory(db->h);
}

static int on_commit(void *db, sqlite3 *h, const char *name, int pages)
{
	if (pages >= DB_WAL_PAGES)
		db_checkpoint(db);
	return SQLITE_OK;
}

void db_hook_commits(struct db *db)
{
	sqlite3_wal_hook(db->h, on_commit, db);
}
