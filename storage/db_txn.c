/* SPDX-License-Identifier: MIT */
/* Transactions, checks and copies of a connection. */
#include "base/own.h"
#include "base/str.h"
#include "storage/db_parts.h"

#include <assert.h>
#include <errno.h>

#define DB_BACKUP_PAGES 256 /* pages copied in one step */

/* ---- transactions ---- */

int db_begin(struct db *db, struct err *reterr)
{
	int r;

	assert(!db->in_tx);
	if (db->broken)
		return err_set(reterr, EIO, "the disk with the database has failed");
	r = db_script(db, "BEGIN IMMEDIATE", reterr);
	if (r < 0)
		return r;
	db->in_tx = true;
	db->tx_code = 0;
	return 0;
}

int db_commit(struct db *db, struct err *reterr)
{
	int r;

	assert(db->in_tx);
	r = db_run(db, "COMMIT", NULL, 0, reterr);
	if (r < 0)
		db_rollback(db);
	db->in_tx = false;
	return r < 0 ? r : 0;
}

void db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->h))
		sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
	db->in_tx = false;
}

bool db_in_tx(const struct db *db)
{
	return db->in_tx;
}

int db_begin_read(struct db *db, struct err *reterr)
{
	return db_run(db, "BEGIN", NULL, 0, reterr);
}

void db_end_read(struct db *db)
{
	if (!sqlite3_get_autocommit(db->h))
		sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
}

int db_quick_check(struct db *db, const char *remedy, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(db, "PRAGMA quick_check(1)", NULL, 0, &q, reterr);

	if (r < 0)
		return r;
	if (r > 0 && str_eq(db_col_text(q, 0), "ok"))
		return 0;
	return err_set(reterr, ERR_CORRUPT, "the database is damaged (%s); %s",
		       r ? db_col_text(q, 0) : "no answer", remedy);
}

/* sqlite3_interrupt() does not reach a copy. */
static int copy_pages(const struct db *from, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from->h, "main");
	int rc;

	if (!b)
		return sqlite3_errcode(to);
	do
		rc = from->interrupted ? SQLITE_INTERRUPT : sqlite3_backup_step(b, DB_BACKUP_PAGES);
	while (rc == SQLITE_OK);
	sqlite3_backup_finish(b);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int db_backup(struct db *db, const char *path, struct err *reterr)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE;
	struct db copy = {0};
	int rc = sqlite3_open_v2(path, &copy.h, flags, NULL);
	int r = 0;

	if (rc == SQLITE_OK)
		rc = copy_pages(db, copy.h);
	if (rc != SQLITE_OK)
		r = copy.h ? db_fail(&copy, rc, reterr) : err_set(reterr, ENOMEM, "out of memory");
	sqlite3_close(copy.h);
	return r < 0 ? err_ctx(reterr, r, "cannot copy the database to %s", path) : 0;
}
