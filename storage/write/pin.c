/* SPDX-License-Identifier: MIT */
/* Pins: which attempt of another run's job a job was resolved to when it was submitted. */
#include "base/own.h"
#include "storage/write/internal.h"

int pins_insert(struct store *st, const struct job_spec *js, const char *job, struct err *reterr)
{
	for (size_t i = 0; i < js->pins_n; i++) {
		const struct job_pin *pin = &js->pins[i];
		int64_t there = 0;
		int r = db_get_int(
			st->db, "SELECT count(*) FROM attempts WHERE job = ? AND number = ?",
			DB_ARGS(DB_TEXT(pin->job), DB_INT(pin->attempt)), 0, &there, reterr);

		if (r >= 0 && !there)
			return err_set(reterr, ERR_CONFLICT,
				       "job %s, which the submit refers to, was removed meanwhile",
				       pin->job);
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
