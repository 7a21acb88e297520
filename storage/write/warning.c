/* SPDX-License-Identifier: MIT */
/* Rows of warnings: one row for each code of a job's submit or attempt. The manager thread calls
 * this through store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/answer.h"
#include "storage/shape.h"
#include "storage/write/internal.h"

#define KIND_MORE "more" /* code of all warnings beyond STORE_WARNING_KINDS_MAX codes */

static int insert(struct store *st, const char *job, int attempt, const char *code,
		  const char *pointer, const char *detail, struct err *reterr)
{
	OWN(json_decrefp) json_t *text = shape_text(detail);

	if (!text)
		return err_errno(reterr, ENOMEM, "store a warning");
	return db_run(st->db,
		      "INSERT INTO warnings (job, attempt, code, pointer, detail, count) "
		      "VALUES (?, ?, ?, ?, ?, 1)",
		      DB_ARGS(DB_TEXT(job), DB_INT(attempt), DB_TEXT(code), DB_TEXT(pointer),
			      DB_TEXT(json_string_value(text))),
		      reterr);
}

/* Count one more warning of an existing code. *ret_count is 0 if there is no row of that code. */
static int count_up(struct store *st, const char *job, int attempt, const char *code,
		    int64_t *ret_count, struct err *reterr)
{
	return db_get_int(st->db,
			  "UPDATE warnings SET count = count + 1 "
			  "WHERE job = ? AND attempt = ? AND code = ? RETURNING count",
			  DB_ARGS(DB_TEXT(job), DB_INT(attempt), DB_TEXT(code)), 0, ret_count,
			  reterr);
}

static bool is_power_of_two(int64_t n)
{
	return (n & (n - 1)) == 0;
}

int store_warning_insert(struct store *st, const char *job, int attempt, const char *code,
			 const char *detail, int64_t now_us, struct err *reterr)
{
	int64_t count = 0, kinds = 0;
	int r = count_up(st, job, attempt, code, &count, reterr);

	if (r >= 0 && !count)
		r = db_get_int(st->db,
			       "SELECT count(*) FROM warnings WHERE job = ? AND attempt = ?",
			       DB_ARGS(DB_TEXT(job), DB_INT(attempt)), 0, &kinds, reterr);
	if (r >= 0 && !count && kinds >= STORE_WARNING_KINDS_MAX) {
		code = KIND_MORE;
		detail = "the job has more kinds of warnings; see the log";
		r = count_up(st, job, attempt, code, &count, reterr);
	}
	if (r >= 0 && !count) {
		count = 1;
		st->count_delta.changes++; /* lists show it */
		r = insert(st, job, attempt, code, NULL, detail, reterr);
	}
	if (r < 0 || !is_power_of_two(count))
		return r;
	return store_event(st, "warning", NULL, job, NULL,
			   json_pack("{s:s, s:o, s:I}", "code", code, "detail", shape_text(detail),
				     "count", (json_int_t)count),
			   now_us, reterr);
}

int store_warning_known(struct store *st, const char *job, const char *detail, bool *ret,
			struct err *reterr)
{
	int64_t n = 0;
	int r = db_get_int(
		st->db,
		"SELECT count(*) FROM warnings WHERE job = ? AND attempt = 0 AND detail = ?",
		DB_ARGS(DB_TEXT(job), DB_TEXT(detail)), 0, &n, reterr);

	*ret = n > 0;
	return r;
}

int warnings_of_submit(struct store *st, const struct run_spec *rs, const char (*ids)[ID_LEN],
		       struct err *reterr)
{
	const json_t *warning;
	size_t i;
	int r = 0;

	json_array_foreach(rs->warnings, i, warning) {
		const char *pointer = json_get_str(warning, "pointer", "");
		size_t job = submit_warning_job(&pointer, rs->jobs_n);

		r = insert(st, ids[job], 0, SUBMIT_WARNING, pointer,
			   json_get_str(warning, "detail", ""), reterr);
		if (r < 0)
			break;
	}
	return r;
}
