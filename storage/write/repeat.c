/* SPDX-License-Identifier: MIT */
/* The table `repeats`. The manager thread calls this. */
#include "storage/store_repeat.h"

#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"

int store_repeat_find(struct store *st, const char *key, const char *request, char *ret_result,
		      size_t size, int64_t now_us, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, "SELECT request, result FROM repeats WHERE key = ? AND at_us >= ?",
			 DB_ARGS(DB_TEXT(key), DB_INT(now_us - STORE_REPEATS_KEEP_US)), &q, reterr);

	if (r <= 0)
		return r;
	if (!str_eq(db_col_text(q, 0), request))
		return err_set(reterr, ERR_REUSED,
			       "the Idempotency-Key '%s' belongs to another request of the last 24 "
			       "hours; use a new key for each request",
			       key);
	db_col_copy(q, 1, ret_result, size);
	r = db_check_whole(q, reterr);
	return r < 0 ? r : 1;
}

int store_repeat_add(struct store *st, const char *key, const char *request, const char *result,
		     int64_t now_us, struct err *reterr)
{
	int r = db_run(st->db, "DELETE FROM repeats WHERE at_us < ?",
		       DB_ARGS(DB_INT(now_us - STORE_REPEATS_KEEP_US)), reterr);

	if (r < 0)
		return r;
	return db_run(st->db,
		      "INSERT OR REPLACE INTO repeats (key, request, result, at_us) VALUES (?, ?, "
		      "?, ?)",
		      DB_ARGS(DB_TEXT(key), DB_TEXT(request), DB_TEXT(result), DB_INT(now_us)),
		      reterr);
}
