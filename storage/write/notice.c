/* SPDX-License-Identifier: MIT */
/* What was notified: a seq in meta, and the keys of conditions. The manager thread calls this
 * through store.h. */
#include "storage/write/internal.h"

int store_notified(struct store *st, int64_t seq, const char *key, int64_t now_us,
		   struct err *reterr)
{
	int r = 0;

	if (seq)
		r = db_run(st->db,
			   "INSERT OR REPLACE INTO meta (key, value) VALUES ('notified_seq', ?)",
			   DB_ARGS(DB_INT(seq)), reterr);
	if (r < 0 || !key[0])
		return r;
	r = db_run(st->db, "INSERT OR REPLACE INTO notices (key, at_us) VALUES (?, ?)",
		   DB_ARGS(DB_TEXT(key), DB_INT(now_us)), reterr);
	if (r >= 0)
		r = db_run(st->db, "DELETE FROM notices WHERE at_us < ?",
			   DB_ARGS(DB_INT(now_us - STORE_NOTICES_KEEP_US)), reterr);
	return r;
}
