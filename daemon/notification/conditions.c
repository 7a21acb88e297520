/* SPDX-License-Identifier: MIT */
/* Looks at the live endpoints, the money and the disk. The notifier's thread runs this. */
#include "daemon/notification/conditions.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/notification/message.h"
#include "jobs/state.h"

#include <inttypes.h>
#include <sys/statvfs.h>

#define LIST_BYTES_MAX (16 << 20)

/* A search for one condition; `key` and `message` are the result. */
struct search {
	const struct settings *set;
	struct store_reader *sr;
	int64_t now_us;
	char *key;
	json_t *message; /* NULL: nothing was found so far */
};

/* Returns 1 if the condition s->key is new. */
static int is_new(const struct search *s, struct err *reterr)
{
	bool known;
	int r = store_read_notice(s->sr, s->key, &known, reterr);

	return r < 0 ? r : !known;
}

static bool wants(const struct search *s, enum notify_kind kind)
{
	return !s->message && (s->set->notify.kinds & 1u << kind);
}

/* ---- leases ---- */

static int look_at_lease(struct search *s, const json_t *endpoint, struct err *reterr)
{
	const char *name = json_get_str(endpoint, "name", ""),
		   *at = json_get_str(json_object_get(endpoint, "lease"), "expires_at", "");
	char title[SPEC_NAME_MAX + 64], text[512], left[32];
	int64_t until;
	int r;

	if (clock_parse(at, &until) < 0 || until <= s->now_us ||
	    until - s->now_us > s->set->notify.lease_before_us)
		return 0;
	str_must_format(s->key, CONDITION_KEY_MAX, "lease:%s:%" PRId64,
			json_get_str(endpoint, "id", ""), until / USEC_PER_SEC);
	r = is_new(s, reterr);
	if (r <= 0)
		return r;
	duration_format(left, ((until - s->now_us) / USEC_PER_SEC + 1) * USEC_PER_SEC);
	str_must_format(title, sizeof(title), "endpoint %s ends in %s", name, left);
	str_must_format(text, sizeof(text),
			"The lease of the endpoint %s ends at %s; then it is deleted.\n"
			"To keep it: trainyard endpoint renew %s",
			name, at, name);
	s->message = message_make(NOTIFY_LEASE_ENDING, s->key, s->now_us, true, title, text);
	json_object_set(s->message, "endpoint", (json_t *)endpoint);
	return 0;
}

static int look_at_leases(struct search *s, struct err *reterr)
{
	struct list_filter f = {.states = 1u << ENDPOINT_IN_SERVICE | 1u << ENDPOINT_UPDATING,
				.limit = STORE_LIST_MAX,
				.only_items = true};
	OWN(buf_done) struct buf text = BUF_INIT(LIST_BYTES_MAX);
	OWN(json_decrefp) json_t *items = NULL;
	json_t *endpoint;
	size_t i;
	int r;

	if (!wants(s, NOTIFY_LEASE_ENDING))
		return 0;
	r = store_read_endpoints(s->sr, &f, &text, reterr);
	if (r >= 0)
		r = json_parse(buf_str(&text), text.len, &items, reterr);
	json_array_foreach(items, i, endpoint)
		if (r >= 0 && !s->message)
			r = look_at_lease(s, endpoint, reterr);
	return r;
}

/* ---- money ---- */

static int look_at_cap(struct search *s, const json_t *sums, const char *unit, int64_t cap,
		       struct err *reterr)
{
	const char *when = json_get_str(sums, unit, ""),
		   *total = json_get_str(sums, "total_usd", "");
	char title[96], text[512], limit[MONEY_TEXT_LEN];
	int64_t used;
	int r;

	if (s->message || cap == MONEY_NONE || money_parse(total, &used) < 0 || !used ||
	    used / CONDITION_CAP_PERCENT < cap / 100)
		return 0;
	str_must_format(s->key, CONDITION_KEY_MAX, "cap:%s", when);
	r = is_new(s, reterr);
	if (r <= 0)
		return r;
	money_format(limit, cap);
	str_must_format(title, sizeof(title), "%d %% of the cap of this %s is used",
			CONDITION_CAP_PERCENT, unit);
	str_must_format(text, sizeof(text),
			"%s of %s US dollars are reserved or spent for %s. Jobs that would pass "
			"money.%s_max wait or fail.",
			total, limit, when, unit);
	s->message = message_make(NOTIFY_CAP_NEAR, s->key, s->now_us, true, title, text);
	json_object_set(s->message, "money", (json_t *)sums);
	return 0;
}

static int look_at_money(struct search *s, struct err *reterr)
{
	struct money_caps caps = {.job = s->set->money_job_max,
				  .day = s->set->money_day_max,
				  .month = s->set->money_month_max};
	OWN(json_decrefp) json_t *money = NULL;
	int r;

	if (!wants(s, NOTIFY_CAP_NEAR))
		return 0;
	r = store_read_money(s->sr, &caps, s->now_us, &money, reterr);
	if (r >= 0)
		r = look_at_cap(s, json_object_get(money, "today"), "day", caps.day, reterr);
	if (r >= 0)
		r = look_at_cap(s, json_object_get(money, "month"), "month", caps.month, reterr);
	return r;
}

/* ---- the disk ---- */

/* At twice the space below which jobs wait; once a day. */
static int look_at_disk(struct search *s, struct err *reterr)
{
	int64_t min = s->set->disk_free_min_bytes, bytes;
	char day[CLOCK_TEXT_LEN], has[24], needs[24], text[512];
	struct statvfs vfs;
	int r;

	if (!wants(s, NOTIFY_DISK_LOW) || statvfs(s->set->data_dir, &vfs) < 0)
		return 0;
	bytes = (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize;
	if (bytes / 2 >= min)
		return 0;
	str_must_format(s->key, CONDITION_KEY_MAX, "disk:%s",
			utc_day_format(day, utc_day(s->now_us)));
	r = is_new(s, reterr);
	if (r <= 0)
		return r;
	str_bytes(has, sizeof(has), bytes);
	str_bytes(needs, sizeof(needs), min);
	str_must_format(text, sizeof(text),
			"%s are free on the disk of the data directory. Below %s "
			"(local.disk_free_min_bytes) jobs wait and submits are refused.\n"
			"To make room: trainyard du, trainyard prune --older 30d",
			has, needs);
	s->message = message_make(NOTIFY_DISK_LOW, s->key, s->now_us, true,
				  "the disk is nearly full", text);
	json_object_set_new(s->message, "disk",
			    json_pack("{sI sI}", "free_bytes", (json_int_t)bytes, "min_bytes",
				      (json_int_t)min));
	return 0;
}

int condition_find(const struct settings *set, struct store_reader *sr, int64_t now_us,
		   char key[CONDITION_KEY_MAX], json_t **ret, struct err *reterr)
{
	struct search s = {.set = set, .sr = sr, .now_us = now_us, .key = key};
	int r = look_at_leases(&s, reterr);

	if (r >= 0)
		r = look_at_money(&s, reterr);
	if (r >= 0)
		r = look_at_disk(&s, reterr);
	*ret = s.message;
	return r;
}
