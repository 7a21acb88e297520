/* SPDX-License-Identifier: MIT */
/* Helpers of the files of storage/write/: rows into arrays, enumerations and reasons from
 * columns. */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"

#include <string.h>

int no_row(struct err *reterr, const char *what, const char *id)
{
	return err_set(reterr, ERR_NOT_FOUND, "there is no %s '%s'", what, id);
}

int text_of_row(struct store *st, const char *what, const char *id, const char *sql, char *ret,
		size_t size, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, sql, DB_ARGS(DB_TEXT(id)), &q, reterr);

	if (r < 0)
		return r;
	if (!r)
		return no_row(reterr, what, id);
	db_col_copy(q, 0, ret, size);
	return db_check_whole(q, reterr);
}

int run_on_row(struct store *st, const char *what, const char *id, const char *sql,
	       const struct db_val *args, size_t args_n, struct err *reterr)
{
	int r = db_run(st->db, sql, args, args_n, reterr);

	return r == 0 ? no_row(reterr, what, id) : r;
}

int update_returning(struct store *st, const char *sql, const struct db_val *args, size_t args_n,
		     void (*read)(struct db_stmt *q, void *ret), void *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, sql, args, args_n, &q, reterr);

	if (r <= 0)
		return r;
	read(q, ret);
	r = db_step(q, reterr);
	return r < 0 ? r : 1;
}

int run_bump_seq(struct store *st, const char *run, int64_t seq, struct err *reterr)
{
	return run_on_row(st, "run", run, "UPDATE runs SET seq = ? WHERE id = ?",
			  DB_ARGS(DB_INT(seq), DB_TEXT(run)), reterr);
}

/* One more zeroed row at the end of an array of *n; NULL when memory is out. */
static void *rows_add(void **rows, size_t *n, size_t size)
{
	char *row;

	if ((*n & (*n - 1)) == 0) { /* 0 or a power of two: the array is full */
		void *grown = reallocarray(*rows, *n ? *n * 2 : 1, size);

		if (!grown)
			return NULL;
		*rows = grown;
	}
	row = (char *)*rows + (*n)++ * size;
	memset(row, 0, size);
	return row;
}

int rows_read(struct db_stmt *q, void **rows, size_t *n, size_t size,
	      int (*read)(struct db_stmt *q, void *row, struct err *reterr), struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	int r;

	while ((r = db_step(owned, reterr)) > 0) {
		void *row = rows_add(rows, n, size);

		if (!row)
			return err_errno(reterr, ENOMEM, "read rows");
		r = read(owned, row, reterr);
		if (r < 0)
			return r;
	}
	return r;
}

int store_shift_waits(struct store *st, int64_t by_us, struct err *reterr)
{
	int r = db_run(st->db,
		       "UPDATE jobs SET not_before_us = max(1, not_before_us + ?) "
		       "WHERE state = 'queued' AND not_before_us > 0",
		       DB_ARGS(DB_INT(by_us)), reterr);

	if (r >= 0)
		r = db_run(st->db,
			   "UPDATE endpoints SET not_before_us = max(1, not_before_us + ?) "
			   "WHERE state NOT IN ('deleted', 'failed') AND not_before_us > 0",
			   DB_ARGS(DB_INT(by_us)), reterr);
	if (r >= 0)
		r = db_run(st->db,
			   "UPDATE resources SET "
			   "next_us = CASE WHEN next_us IN (0, ?2) THEN next_us "
			   "ELSE max(1, next_us + ?1) END, "
			   "sent_us = CASE WHEN sent_us = 0 THEN 0 ELSE max(1, sent_us + ?1) END "
			   "WHERE state NOT IN ('ended', 'refused')",
			   DB_ARGS(DB_INT(by_us), DB_INT(USEC_NEVER)), reterr);
	return r < 0 ? r : 0;
}

int col_unknown(struct db_stmt *q, int col, struct err *reterr)
{
	return err_set(reterr, ERR_CORRUPT, "database: column %d holds the unknown value '%s'", col,
		       db_col_text(q, col));
}

int col_reason(struct db_stmt *q, int col, struct reason *ret, struct err *reterr)
{
	str_excerpt(ret->message, sizeof(ret->message), db_col_text(q, col + 1));
	return COL_ENUM(q, col, reason_code_parse, &ret->code, reterr);
}

int ids_read(struct db_stmt *q, json_t **ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	OWN(json_decrefp) json_t *ids = json_array();
	int r;

	while ((r = db_step(owned, reterr)) > 0)
		if (json_array_append_new(ids, json_string(db_col_text(owned, 0))) < 0)
			return err_errno(reterr, ENOMEM, "read ids");
	if (r < 0)
		return r;
	*ret = TAKE(ids);
	return 0;
}
