/* SPDX-License-Identifier: MIT */
/*
 * The money ledger: entries, and two sums that are written with each entry (for the resource in its
 * row, for each day in money_days). A cap is checked against the sums, without a scan of the
 * ledger. The manager thread calls this through store_resource.h.
 */
#include "base/money.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/shape.h"
#include "storage/store_resource.h"
#include "storage/write/internal.h"

#include <inttypes.h>

/* Sums of one resource. */
struct account {
	int64_t reserved, difference, settled_us;
};

static const char *money_what_str(enum money_what what)
{
	return what == MONEY_RESERVE ? "reserve" : "settle";
}

static int account_read(struct store *st, const char *resource, struct account *ret,
			struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(
		st->db,
		"SELECT reserved_micro_usd, difference_micro_usd, settled_us FROM resources "
		"WHERE id = ?",
		DB_ARGS(DB_TEXT(resource)), &q, reterr);

	if (r < 0)
		return r;
	if (!r)
		return no_row(reterr, "resource", resource);
	*ret = (struct account){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	return 0;
}

static int too_much(struct err *reterr)
{
	return err_set(reterr, ERR_LIMIT, "the sum of money is larger than can be counted");
}

/* Add to the day's sums. `open` is the part that belongs to resources that are not settled. */
static int day_add(struct store *st, int64_t day, int64_t micro_usd, int64_t open,
		   struct err *reterr)
{
	int64_t sum = 0, open_sum = 0;
	int r = db_get_int(st->db, "SELECT micro_usd FROM money_days WHERE day = ?",
			   DB_ARGS(DB_INT(day)), 0, &sum, reterr);

	if (r >= 0)
		r = db_get_int(st->db, "SELECT open_micro_usd FROM money_days WHERE day = ?",
			       DB_ARGS(DB_INT(day)), 0, &open_sum, reterr);
	if (r < 0)
		return r;
	if (__builtin_add_overflow(sum, micro_usd, &sum) ||
	    __builtin_add_overflow(open_sum, open, &open_sum))
		return too_much(reterr);
	return db_run(st->db,
		      "INSERT OR REPLACE INTO money_days (day, micro_usd, open_micro_usd) "
		      "VALUES (?, ?, ?)",
		      DB_ARGS(DB_INT(day), DB_INT(sum), DB_INT(open_sum)), reterr);
}

/* Insert one ledger row and add to the day's sum. */
static int entry_add(struct store *st, const struct money_entry *entry, int64_t day,
		     int64_t micro_usd, int64_t open, int64_t now_us, struct err *reterr)
{
	int r = db_run(st->db,
		       "INSERT INTO money (at_us, what, day, resource, job, endpoint, micro_usd, "
		       "words) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		       DB_ARGS(DB_INT(now_us), DB_TEXT(money_what_str(entry->what)), DB_INT(day),
			       DB_TEXT(entry->resource), db_id(entry->job), db_id(entry->endpoint),
			       DB_INT(micro_usd), DB_TEXT(entry->words)),
		       reterr);

	return r < 0 ? r : day_add(st, day, micro_usd, open, reterr);
}

/* ---- giving back ---- */

struct booked {
	int64_t day;
	int64_t reserved; /* reserved on that day */
	int64_t left;	  /* part of `reserved` that was not given back yet */
};

static int booked_read(struct db_stmt *q, void *into, struct err *reterr)
{
	struct booked *b = into;

	(void)reterr;
	*b = (struct booked){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	return 0;
}

/* Give back `amount` > 0 against the days of the reservations, newest first. */
static int give_back(struct store *st, const struct money_entry *entry, const struct booked *days,
		     size_t n, int64_t amount, int64_t now_us, struct err *reterr)
{
	/* True if the money is part of an open reservation */
	bool open = entry->what == MONEY_RESERVE;
	int r = 0;

	for (size_t i = 0; i < n && amount > 0 && r >= 0; i++) {
		int64_t part = days[i].left < amount ? days[i].left : amount;

		if (part <= 0)
			continue;
		r = entry_add(st, entry, days[i].day, -part, open ? -part : 0, now_us, reterr);
		amount -= part;
	}
	if (r >= 0 && amount > 0)
		return err_set(reterr, ERR_CONFLICT,
			       "resource '%s' cannot give back more money than was reserved for it",
			       entry->resource);
	return r;
}

/* After the first settlement the resource's reservations are no longer open. */
static int close_days(struct store *st, const struct booked *days, size_t n, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++)
		r = day_add(st, days[i].day, 0, -days[i].reserved, reterr);
	return r;
}

static int days_read(struct store *st, const char *resource, struct booked **ret, size_t *ret_n,
		     struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(
		st->db,
		"SELECT day, sum(CASE WHEN what = 'reserve' THEN micro_usd ELSE 0 END), "
		"sum(micro_usd) FROM money WHERE resource = ? GROUP BY day ORDER BY day DESC",
		DB_ARGS(DB_TEXT(resource)), &q, reterr);

	return r < 0 ? r : rows_read(q, (void **)ret, ret_n, sizeof(**ret), booked_read, reterr);
}

/* Reserve more, or give back a part of the reservation. */
static int reserve(struct store *st, const struct money_entry *entry, int64_t now_us,
		   struct err *reterr)
{
	OWN(freep) struct booked *days = NULL;
	size_t n = 0;
	int r;

	if (entry->micro_usd >= 0)
		return entry_add(st, entry, utc_day(now_us), entry->micro_usd, entry->micro_usd,
				 now_us, reterr);
	r = days_read(st, entry->resource, &days, &n, reterr);
	return r < 0 ? r : give_back(st, entry, days, n, -entry->micro_usd, now_us, reterr);
}

static int settle(struct store *st, const struct money_entry *entry, bool first, int64_t now_us,
		  struct err *reterr)
{
	OWN(freep) struct booked *days = NULL;
	size_t n = 0;
	int r = days_read(st, entry->resource, &days, &n, reterr);

	if (r >= 0 && entry->micro_usd < 0)
		r = give_back(st, entry, days, n, -entry->micro_usd, now_us, reterr);
	else if (r >= 0)
		r = entry_add(st, entry, utc_day(now_us), entry->micro_usd, 0, now_us, reterr);
	if (r >= 0 && first)
		r = close_days(st, days, n, reterr);
	return r;
}

/* ---- the door ---- */

static int tell(struct store *st, const struct money_entry *entry, int64_t now_us,
		struct err *reterr)
{
	struct event_of of = {.kind = "money"};
	struct owner owner;
	int64_t seq = ++st->tx_seq;
	int r = owner_touch(st, entry->job, entry->endpoint, seq, &of, &owner, reterr);

	if (r < 0)
		return r;
	return event_put(st, seq, &of,
			 json_pack("{s:s, s:s, s:o, s:o}", "what", money_what_str(entry->what),
				   "cloud", entry->resource, "usd", shape_usd(entry->micro_usd),
				   "words", shape_text(entry->words)),
			 now_us, reterr);
}

static int check(const struct money_entry *entry, const struct account *a, struct err *reterr)
{
	if (entry->micro_usd > MONEY_MAX || entry->micro_usd < -MONEY_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "an amount of money must be at most %" PRId64 " US dollars",
			       MONEY_MAX_USD);
	if (entry->what == MONEY_RESERVE && a->settled_us)
		return err_set(reterr, ERR_CONFLICT,
			       "resource '%s' is settled, so no more money can be reserved for it",
			       entry->resource);
	return 0;
}

int store_money_add(struct store *st, const struct money_entry *entry, int64_t now_us,
		    struct err *reterr)
{
	bool reserves = entry->what == MONEY_RESERVE;
	struct account a = {0};
	int r = account_read(st, entry->resource, &a, reterr);

	if (r >= 0)
		r = check(entry, &a, reterr);
	if (r < 0)
		return r;
	if (__builtin_add_overflow(reserves ? a.reserved : a.difference, entry->micro_usd,
				   reserves ? &a.reserved : &a.difference))
		return too_much(reterr);
	if (reserves)
		r = reserve(st, entry, now_us, reterr);
	else
		r = settle(st, entry, !a.settled_us, now_us, reterr);
	if (r >= 0)
		r = db_run(st->db,
			   "UPDATE resources SET reserved_micro_usd = ?, difference_micro_usd = ?, "
			   "settled_us = ? WHERE id = ?",
			   DB_ARGS(DB_INT(a.reserved), DB_INT(a.difference),
				   DB_INT(reserves ? a.settled_us : now_us),
				   DB_TEXT(entry->resource)),
			   reterr);
	return r < 0 ? r : tell(st, entry, now_us, reterr);
}

int store_money_sums(struct store *st, const char *job, const char *resource, int64_t now_us,
		     struct money_sums *ret, struct err *reterr)
{
	struct money_sums sums = {0};
	int64_t day = utc_day(now_us), first, next;
	int r = db_get_int(st->db, "SELECT micro_usd FROM money_days WHERE day = ?",
			   DB_ARGS(DB_INT(day)), 0, &sums.day, reterr);

	utc_month(day, &first, &next);
	if (r >= 0)
		r = db_get_int(st->db,
			       "SELECT sum(micro_usd) FROM money_days WHERE day >= ? AND day < ?",
			       DB_ARGS(DB_INT(first), DB_INT(next)), 0, &sums.month, reterr);
	if (r >= 0 && job[0])
		r = db_get_int(
			st->db,
			"SELECT sum(reserved_micro_usd + difference_micro_usd) FROM resources "
			"WHERE job = ?",
			DB_ARGS(DB_TEXT(job)), 0, &sums.job, reterr);
	if (r >= 0 && job[0])
		r = db_get_int(st->db,
			       "SELECT sum(reserved_micro_usd) FROM resources "
			       "WHERE job = ? AND settled_us = 0",
			       DB_ARGS(DB_TEXT(job)), 0, &sums.job_open, reterr);
	if (r >= 0 && resource[0])
		r = db_get_int(st->db,
			       "SELECT reserved_micro_usd + difference_micro_usd FROM resources "
			       "WHERE id = ?",
			       DB_ARGS(DB_TEXT(resource)), 0, &sums.resource, reterr);
	if (r < 0)
		return r;
	*ret = sums;
	return 0;
}
