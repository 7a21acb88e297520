/* SPDX-License-Identifier: MIT */
/* Answers about reserved and settled money: today, this month, by day, job and endpoint. API
 * threads call this through store_read.h. */
#include "base/clock.h"
#include "base/own.h"
#include "storage/read/internal.h"
#include "storage/shape.h"

/* Set "reserved_usd", "settled_usd" and "total_usd" of `to`. */
static void set_sums(json_t *to, int64_t reserved, int64_t settled)
{
	json_object_set_new(to, "reserved_usd", shape_usd(reserved));
	json_object_set_new(to, "settled_usd", shape_usd(settled));
	json_object_set_new(to, "total_usd", shape_usd(reserved + settled));
}

/* Set the sums of the days first … last. */
static int sum_days(struct store_reader *sr, int64_t first, int64_t last, int64_t cap, json_t *to,
		    struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int64_t open, total, left;
	int r = db_first(sr->db,
			 "SELECT sum(open_micro_usd), sum(micro_usd) FROM money_days "
			 "WHERE day BETWEEN ? AND ?",
			 DB_ARGS(DB_INT(first), DB_INT(last)), &q, reterr);

	if (r < 0)
		return r;
	open = db_col_int(q, 0);
	total = db_col_int(q, 1);
	left = total > cap ? 0 : cap - total;
	set_sums(to, open, total - open);
	json_object_set_new(to, "left_usd", cap == MONEY_NONE ? json_null() : shape_usd(left));
	return 0;
}

int store_read_money(struct store_reader *sr, const struct money_caps *caps, int64_t now_us,
		     json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *today = json_object();
	OWN(json_decrefp) json_t *month = json_object();
	int64_t day = utc_day(now_us), first, next;
	char text[CLOCK_TEXT_LEN];
	int r;

	json_object_set_new(today, "day", json_string(utc_day_format(text, day)));
	r = sum_days(sr, day, day, caps->day, today, reterr);
	utc_month(day, &first, &next);
	text[sizeof("2026-01") - 1] = '\0';
	json_object_set_new(month, "month", json_string(text));
	if (r >= 0)
		r = sum_days(sr, first, next - 1, caps->month, month, reterr);
	if (r < 0)
		return r;
	*ret = json_pack("{s:O, s:O}", "today", today, "month", month);
	return *ret ? 0 : out_of_memory(reterr);
}

/* ---- lists ---- */

/* Build one list. `item` makes the fields beside the sums; the sums are the query's first two
 * columns. */
static int read_list(struct db_stmt *q, json_t *(*item)(struct db_stmt *q), json_t *to,
		     const char *key, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	json_t *items = json_array();
	int r;

	if (json_object_set_new(to, key, items) < 0)
		return out_of_memory(reterr);
	while ((r = db_step(owned, reterr)) > 0) {
		json_t *one = item(owned);

		if (json_array_append_new(items, one) < 0)
			return out_of_memory(reterr);
		set_sums(one, db_col_int(owned, 0), db_col_int(owned, 1));
	}
	return r;
}

static json_t *day_item(struct db_stmt *q)
{
	char text[CLOCK_TEXT_LEN];

	return json_pack("{s:s}", "day", utc_day_format(text, db_col_int(q, 2)));
}

static json_t *job_item(struct db_stmt *q)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "job", db_col_text(q, 2), "run",
			 db_col_text(q, 3), "name", db_col_text(q, 4), "kind", db_col_text(q, 5),
			 "state", db_col_text(q, 6));
}

static json_t *endpoint_item(struct db_stmt *q)
{
	return json_pack("{s:s, s:s, s:s}", "endpoint", db_col_text(q, 2), "name",
			 db_col_text(q, 3), "state", db_col_text(q, 4));
}

static json_t *open_item(struct db_stmt *q)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:o}", "resource", db_col_text(q, 2), "name",
			 db_col_text(q, 3), "job", col_id_or_null(q, 4), "endpoint",
			 col_id_or_null(q, 5), "state", db_col_text(q, 6), "since", col_time(q, 7));
}

/* The ledger of a day: the sum of open resources, the sum of settled resources. */
#define LEDGER_SUMS                                                            \
	"SELECT sum(CASE WHEN c.settled_us = 0 THEN m.micro_usd ELSE 0 END), " \
	"sum(CASE WHEN c.settled_us > 0 THEN m.micro_usd ELSE 0 END), "
#define LEDGER_FROM "FROM money m JOIN resources c ON c.id = m.resource "

static int read_days(struct store_reader *sr, int64_t first, int64_t last, json_t *to,
		     struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 "SELECT open_micro_usd, micro_usd - open_micro_usd, day FROM money_days "
			 "WHERE day BETWEEN ? AND ? ORDER BY day",
			 DB_ARGS(DB_INT(first), DB_INT(last)), &q, reterr);

	return r < 0 ? r : read_list(q, day_item, to, "days", reterr);
}

static int read_jobs(struct store_reader *sr, int64_t first, int64_t last, json_t *to,
		     struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 LEDGER_SUMS "j.id, j.run, j.name, j.kind, j.state " LEDGER_FROM
				     "JOIN jobs j ON j.id = m.job WHERE m.day BETWEEN ? AND ? "
				     "GROUP BY j.n ORDER BY sum(m.micro_usd) DESC, j.n DESC "
				     "LIMIT ?",
			 DB_ARGS(DB_INT(first), DB_INT(last), DB_INT(STORE_LIST_MAX)), &q, reterr);

	return r < 0 ? r : read_list(q, job_item, to, "jobs", reterr);
}

static int read_endpoints(struct store_reader *sr, int64_t first, int64_t last, json_t *to,
			  struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 LEDGER_SUMS
			 "e.id, e.name, e.state " LEDGER_FROM
			 "JOIN endpoints e ON e.id = m.endpoint WHERE m.day BETWEEN ? AND ? "
			 "GROUP BY e.n ORDER BY sum(m.micro_usd) DESC, e.n DESC LIMIT ?",
			 DB_ARGS(DB_INT(first), DB_INT(last), DB_INT(STORE_LIST_MAX)), &q, reterr);

	return r < 0 ? r : read_list(q, endpoint_item, to, "endpoints", reterr);
}

static int read_open(struct store_reader *sr, json_t *to, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 "SELECT reserved_micro_usd, 0, kind, name, job, endpoint, state, "
			 "created_us FROM resources INDEXED BY resources_open_money "
			 "WHERE reserved_micro_usd > 0 AND settled_us = 0 ORDER BY created_us "
			 "LIMIT ?",
			 DB_ARGS(DB_INT(STORE_LIST_MAX)), &q, reterr);

	return r < 0 ? r : read_list(q, open_item, to, "open", reterr);
}

int store_read_costs(struct store_reader *sr, int64_t first_day, int64_t last_day, json_t **ret,
		     struct err *reterr)
{
	OWN(json_decrefp) json_t *costs = json_object();
	char text[CLOCK_TEXT_LEN];
	int r = db_begin_read(sr->db, reterr);

	if (r < 0)
		return r;
	json_object_set_new(costs, "from", json_string(utc_day_format(text, first_day)));
	json_object_set_new(costs, "to", json_string(utc_day_format(text, last_day)));
	r = read_days(sr, first_day, last_day, costs, reterr);
	if (r >= 0)
		r = read_jobs(sr, first_day, last_day, costs, reterr);
	if (r >= 0)
		r = read_endpoints(sr, first_day, last_day, costs, reterr);
	if (r >= 0)
		r = read_open(sr, costs, reterr);
	db_end_read(sr->db);
	if (r < 0)
		return r;
	*ret = TAKE(costs);
	return 0;
}
