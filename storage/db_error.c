/* SPDX-License-Identifier: MIT */
/* SQLite's result codes as our error codes. */
#include "storage/db_parts.h"

#include <errno.h>

static int code_of_constraint(int rc)
{
	if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
		return ERR_EXISTS;
	if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
		return ERR_NOT_FOUND;
	return ERR_INVALID;
}

static int code_of(sqlite3 *h, int rc)
{
	int sys = h ? sqlite3_system_errno(h) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (sys == EMFILE || sys == ENFILE)
			return ERR_UNAVAILABLE;
		return sys == ENOSPC || sys == EDQUOT ? ENOSPC : EIO;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_UNAVAILABLE;
	case SQLITE_INTERRUPT:
		return ERR_CANCELLED;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return EACCES;
	case SQLITE_CONSTRAINT:
		return code_of_constraint(rc);
	default:
		return EINVAL;
	}
}

int db_fail(struct db *db, int rc, struct err *reterr)
{
	int code = code_of(db->h, rc);

	db->broken |= db->is_writer && (rc & 0xff) == SQLITE_IOERR && code == EIO;
	if (code == ENOSPC)
		return err_set(reterr, code, "the disk with the database is full; free some space");
	return err_set(reterr, code, "database: %s (SQLite code %d)%s", sqlite3_errmsg(db->h), rc,
		       code == ERR_CORRUPT ? "; restore it from a backup" : "");
}
