/* SPDX-License-Identifier: MIT */
/* Answers what was notified. The notifier calls this through store_read.h. */
#include "storage/read/internal.h"

int store_read_notified(struct store_reader *sr, int64_t *ret, struct err *reterr)
{
	return db_get_int(sr->db, "SELECT value FROM meta WHERE key = 'notified_seq'", NULL, 0, -1,
			  ret, reterr);
}

int store_read_notice(struct store_reader *sr, const char *key, bool *ret, struct err *reterr)
{
	int64_t n = 0;
	int r = db_get_int(sr->db, "SELECT count(*) FROM notices WHERE key = ?",
			   DB_ARGS(DB_TEXT(key)), 0, &n, reterr);

	*ret = n > 0;
	return r;
}
