/* SPDX-License-Identifier: MIT */
/* Rows of pins. A pin records which attempt of another run's job a job uses, as resolved at its
 * submit. The manager thread calls this through store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/pruned.h"
#include "storage/write/internal.h"

/* Check a pin again at the insert, because the attempt may have been removed since the submit was
 * prepared. */
static int check_pin(struct store *st, const struct job_pin *pin, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	char run[ID_LEN];
	struct err err;
	int r = db_first(st->db,
			 "SELECT j.run FROM attempts a JOIN jobs j ON j.id = a.job "
			 "WHERE a.job = ? AND a.number = ?",
			 DB_ARGS(DB_TEXT(pin->job), DB_INT(pin->attempt)), &q, reterr);

	if (r < 0)
		return r;
	if (!r)
		return err_set(reterr, ERR_CONFLICT,
			       "job %s, to which the spec refers, was removed during the submit; "
			       "submit again",
			       pin->job);
	COL_COPY(run, q, 0);
	r = db_check_whole(q, reterr);
	if (r < 0 || !pin->files)
		return r;
	r = pruned_check(st->db, run, &err);
	return r < 0 ? err_set(reterr, r == -ERR_PRUNED ? ERR_CONFLICT : -r, "%s", err.msg) : 0;
}

int pins_insert(struct store *st, const struct job_spec *js, const char *job, struct err *reterr)
{
	for (size_t i = 0; i < js->pins_n; i++) {
		const struct job_pin *pin = &js->pins[i];
		int r = check_pin(st, pin, reterr);

		if (r >= 0)
			r = db_run(
				st->db,
				"INSERT OR IGNORE INTO pins (job, other, attempt) VALUES (?, ?, ?)",
				DB_ARGS(DB_TEXT(job), DB_TEXT(pin->job), DB_INT(pin->attempt)),
				reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int store_pin_find(struct store *st, const char *job, const char *other, int *ret_attempt,
		   struct err *reterr)
{
	int64_t attempt = 0;
	int r = db_get_int(st->db, "SELECT attempt FROM pins WHERE job = ? AND other = ?",
			   DB_ARGS(DB_TEXT(job), DB_TEXT(other)), 0, &attempt, reterr);

	*ret_attempt = (int)attempt;
	return r;
}
