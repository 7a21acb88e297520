/* SPDX-License-Identifier: MIT */
/* The state of a restore, as rows of `meta`, until the user confirms it. */
#include "storage/store_restore.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"

int restore_found(struct store *st, bool *ret, struct err *reterr)
{
	int64_t put = 0;
	int r = db_get_int(st->db,
			   "SELECT count(*) FROM meta WHERE key = '" STORE_RESTORED_FROM
			   "' AND NOT EXISTS (SELECT 1 FROM meta WHERE key = '" STORE_RESTORED_US
			   "')",
			   NULL, 0, 0, &put, reterr);

	*ret = put > 0 ||
	       (str_eq(st->lock.generation, st->generation) && st->lock.seq > st->last_seq);
	return r;
}

/* The database does not know which calls followed the backup. So each planned resource may exist:
 * count its create as sent. Each live resource is described at once. */
static int doubt_resources(struct store *st, int64_t now_us, struct err *reterr)
{
	return db_run(st->db,
		      "UPDATE resources SET next_us = 0, sent_us = "
		      "CASE WHEN state = 'planned' AND sent_us = 0 THEN ? ELSE sent_us END "
		      "WHERE state NOT IN ('ended', 'refused')",
		      DB_ARGS(DB_INT(now_us)), reterr);
}

int restore_mark(struct store *st, struct err *reterr)
{
	int64_t now_us = clock_now_us();
	int r = db_run(st->db,
		       "INSERT OR REPLACE INTO meta (key, value) VALUES ('" STORE_RESTORED_US
		       "', ?)",
		       DB_ARGS(DB_INT(now_us)), reterr);

	if (r >= 0)
		r = doubt_resources(st, now_us, reterr);
	return r;
}

int restore_load(struct store *st, struct err *reterr)
{
	return db_get_int(st->db, "SELECT value FROM meta WHERE key = '" STORE_RESTORED_US "'",
			  NULL, 0, 0, &st->restored_us, reterr);
}

int64_t store_restored_us(const struct store *st)
{
	return st->restored_us;
}

int store_restore_confirm(struct store *st, struct err *reterr)
{
	int r = db_run(st->db, "UPDATE resources SET next_us = 0 WHERE state = 'planned'", NULL, 0,
		       reterr);

	if (r < 0)
		return r;
	return db_run(st->db,
		      "DELETE FROM meta WHERE key IN ('" STORE_RESTORED_US
		      "', '" STORE_RESTORED_FROM "')",
		      NULL, 0, reterr);
}

int store_restore_get(struct store *st, struct store_restore *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db,
			 "SELECT coalesce((SELECT value FROM meta WHERE key = '" STORE_RESTORED_FROM
			 "'), ''), count(*), coalesce(min(name), '') FROM resources "
			 "WHERE state NOT IN ('ended', 'refused') AND asked_us < ?",
			 DB_ARGS(DB_INT(st->restored_us)), &q, reterr);

	if (r < 0)
		return r;
	COL_COPY(ret->from, q, 0);
	ret->unchecked = (int)db_col_int(q, 1);
	COL_COPY(ret->unchecked_name, q, 2);
	return db_check_whole(q, reterr);
}
