/* SPDX-License-Identifier: MIT */
/* The one query for the time at which a run's files were removed, and its message. */
#include "storage/pruned.h"

#include "base/clock.h"

int pruned_check(struct db *db, const char *run, struct err *reterr)
{
	char at[CLOCK_TEXT_LEN];
	int64_t pruned_us = 0;
	int r = db_get_int(db, "SELECT pruned_us FROM runs WHERE id = ?", DB_ARGS(DB_TEXT(run)), 0,
			   &pruned_us, reterr);

	if (r < 0 || !pruned_us)
		return r;
	return err_set(reterr, ERR_PRUNED,
		       "the files of run %s were removed (pruned) at %s; its rows and the ends of "
		       "its logs are kept, and 'trainyard clone %s' runs it again",
		       run, clock_format(at, pruned_us), run);
}
