/* SPDX-License-Identifier: MIT */
#include "daemon/budget.h"

#include "base/money.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/problems.h"
#include "jobs/sagemaker.h"

#include <inttypes.h>

#define SECONDS_PER_HOUR 3600
#define MB_PER_GB	 1024
#define USEC_PER_DAY	 (86400 * USEC_PER_SEC)
#define POINTER_MAX	 64

/* What a spec's resources cost per time: `micro_usd` x `units` each `seconds` seconds. */
struct rate {
	int64_t micro_usd, units, seconds;
	char words[112]; /* "1 x ml.g5.xlarge at 1.408 USD/h" */
};

/* ---- from a spec ---- */

bool budget_applies(enum job_kind kind, enum job_target target)
{
	return target == TARGET_SAGEMAKER &&
	       (kind == JOB_TRAIN || kind == JOB_SCRIPT || kind == JOB_DEPLOY);
}

static int64_t duration_of(const json_t *obj, const char *key, int64_t fallback_us)
{
	int64_t us;

	return duration_parse(json_get_str(obj, key, ""), &us) < 0 ? fallback_us : us;
}

/* The time that is reserved. */
static int64_t time_of(const struct settings *set, const json_t *spec, enum job_kind kind)
{
	const json_t *sagemaker = json_object_get(spec, "sagemaker");

	if (kind == JOB_DEPLOY)
		return duration_of(json_object_get(spec, "lease"), "ttl",
				   set->lease_ttl_default_us);
	return sagemaker_runtime_max_s(spec) * USEC_PER_SEC +
	       duration_of(sagemaker, "keep_alive", 0);
}

static int rate_serverless(const struct settings *set, const char *region, const json_t *serverless,
			   struct rate *ret, struct err *reterr)
{
	int64_t memory_mb = json_get_int(serverless, "memory_mb", 2 * MB_PER_GB);
	int64_t requests = json_get_int(serverless, "max_concurrency", 5) +
			   json_get_int(serverless, "provisioned_concurrency", 0);
	char price[MONEY_TEXT_LEN];
	int r = prices_serverless(set->prices, region, &ret->micro_usd, reterr);

	if (r < 0)
		return r;
	ret->units = requests * memory_mb;
	ret->seconds = MB_PER_GB; /* per second and GB */
	snprintf(ret->words, sizeof(ret->words),
		 "%" PRId64 " x %" PRId64 " MB at %s USD/GB-s at most", requests, memory_mb,
		 money_format(price, ret->micro_usd));
	return 0;
}

static int rate_of(const struct settings *set, const json_t *spec, struct rate *ret,
		   struct err *reterr)
{
	const json_t *sagemaker = json_object_get(spec, "sagemaker");
	const json_t *serverless = json_object_get(sagemaker, "serverless");
	const char *region = json_get_str(sagemaker, "region", set->aws_region);
	const char *type = json_get_str(sagemaker, "instance_type", "");
	char price[MONEY_TEXT_LEN];
	int r;

	if (json_is_object(serverless))
		return rate_serverless(set, region, serverless, ret, reterr);
	r = prices_instance(set->prices, region, type, &ret->micro_usd, reterr);
	if (r < 0)
		return r;
	ret->units = json_get_int(sagemaker, "instance_count", 1);
	ret->seconds = SECONDS_PER_HOUR;
	snprintf(ret->words, sizeof(ret->words), "%" PRId64 " x %.64s at %s USD/h", ret->units,
		 type, money_format(price, ret->micro_usd));
	return 0;
}

/* The rate for so long, rounded up. */
static int amount_of(const struct rate *rate, int64_t us, int64_t *ret_micro_usd,
		     struct err *reterr)
{
	__int128 all = (__int128)rate->micro_usd * rate->units;
	__int128 per = (__int128)rate->seconds * USEC_PER_SEC;

	/* Prices and times have greatest values; only units of a foreign row could overflow. */
	if (rate->units < 0 || us < 0 || rate->micro_usd < 0 || all > (__int128)MONEY_MAX * 1000000)
		return err_set(reterr, ERR_LIMIT,
			       "%s costs more than can be counted: use fewer instances",
			       rate->words);
	all = (all * us + per - 1) / per;
	if (all > MONEY_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "%s costs more than %" PRId64 " US dollars at worst: ask for less "
			       "time",
			       rate->words, MONEY_MAX_USD);
	*ret_micro_usd = (int64_t)all;
	return 0;
}

static void say(const struct rate *rate, int64_t us, char *words, size_t size)
{
	snprintf(words, size, "%" PRId64 " s x %s", (us + USEC_PER_SEC - 1) / USEC_PER_SEC,
		 rate->words);
}

int budget_worst_case(const struct settings *set, const json_t *spec, enum job_kind kind,
		      int64_t *ret_micro_usd, char *words, size_t size, struct err *reterr)
{
	int64_t us = time_of(set, spec, kind);
	struct rate rate = {0};
	int r = rate_of(set, spec, &rate, reterr);

	if (r >= 0)
		r = amount_of(&rate, us, ret_micro_usd, reterr);
	if (r >= 0)
		say(&rate, us, words, size);
	return r;
}

json_t *budget_text(const struct settings *set, const json_t *spec, enum job_kind kind,
		    enum job_target target)
{
	char words[160], text[MONEY_TEXT_LEN];
	int64_t micro_usd;

	if (!budget_applies(kind, target) ||
	    budget_worst_case(set, spec, kind, &micro_usd, words, sizeof(words), NULL) < 0)
		return NULL;
	return json_string(money_format(text, micro_usd));
}

json_t *engine_worst_case(const struct engine *e, const json_t *job)
{
	enum job_target target;
	enum job_kind kind;

	if (job_target_parse(json_get_str(job, "target", ""), &target) < 0 ||
	    job_kind_parse(json_get_str(job, "kind", ""), &kind) < 0)
		return NULL;
	return budget_text(e->settings, json_object_get(job, "spec"), kind, target);
}

struct money_caps engine_money_caps(const struct engine *e)
{
	return (struct money_caps){
		.job = e->settings->money_job_max,
		.day = e->settings->money_day_max,
		.month = e->settings->money_month_max,
	};
}

const char *engine_prices_noted(const struct engine *e)
{
	return prices_noted(e->settings->prices);
}

/* ---- caps ---- */

static bool above(int64_t used, int64_t more, int64_t cap)
{
	return cap != MONEY_NONE && (used > cap || more > cap - used);
}

bool budget_never_fits(const struct settings *set, int64_t micro_usd, struct err *ret_why)
{
	const struct {
		const char *key, *words;
		int64_t cap;
	} caps[] = {
		{"job_max", "a job", set->money_job_max},
		{"day_max", "a day", set->money_day_max},
		{"month_max", "a month", set->money_month_max},
	};
	char costs[MONEY_TEXT_LEN], cap[MONEY_TEXT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		if (!above(0, micro_usd, caps[i].cap))
			continue;
		err_set(ret_why, ERR_LIMIT,
			"it may cost %s US dollars, and %s may cost %s (money.%s): ask for less "
			"time, fewer or smaller instances, or raise the cap",
			money_format(costs, micro_usd), caps[i].words,
			money_format(cap, caps[i].cap), caps[i].key);
		return true;
	}
	return false;
}

void budget_check(const struct settings *set, const struct job_spec *job, const char *at,
		  json_t *problems)
{
	const json_t *sagemaker = json_object_get(job->spec, "sagemaker");
	char words[160], pointer[POINTER_MAX];
	struct err why = {0};
	int64_t micro_usd;
	int r;

	if (!budget_applies(job->kind, job->target))
		return;
	/* Without either, the rules of the spec have said so already. */
	if (!json_object_get(sagemaker, "instance_type") &&
	    !json_object_get(sagemaker, "serverless"))
		return;
	r = budget_worst_case(set, job->spec, job->kind, &micro_usd, words, sizeof(words), &why);
	snprintf(pointer, sizeof(pointer), "%s/sagemaker/%s", at,
		 json_object_get(sagemaker, "serverless") ? "serverless" : "instance_type");
	if (r == -ERR_NOT_FOUND)
		problem_add(problems, pointer, PROBLEM_PRICE_UNKNOWN, "%s", why.msg);
	else if (r < 0)
		problem_add(problems, pointer, PROBLEM_MONEY_CAP, "%s", why.msg);
	else if (budget_never_fits(set, micro_usd, &why))
		problem_add(problems, pointer, PROBLEM_MONEY_CAP, "%s: %s", words, why.msg);
}

/* The first moment of the next UTC day or month. */
static int64_t next_day_us(int64_t now)
{
	return (utc_day(now) + 1) * USEC_PER_DAY;
}

static int64_t next_month_us(int64_t now)
{
	int64_t first, next;

	utc_month(utc_day(now), &first, &next);
	return next * USEC_PER_DAY;
}

static void say_waiting(struct reason *why, const char *what, int64_t used, int64_t more,
			int64_t cap, int64_t free_us)
{
	char a[MONEY_TEXT_LEN], b[MONEY_TEXT_LEN], c[MONEY_TEXT_LEN], at[CLOCK_TEXT_LEN];

	reason_set(why, REASON_WAITING_FOR_MONEY,
		   "it may cost %s US dollars; of the %s's %s are %s reserved or spent; free again "
		   "at %s, or when something that runs costs less than was reserved for it",
		   money_format(a, more), what, money_format(b, cap), money_format(c, used),
		   clock_format(at, free_us));
}

bool budget_fits(struct engine *e, const struct job_row *job, int64_t micro_usd, struct reason *why)
{
	const struct settings *set = e->settings;
	char a[MONEY_TEXT_LEN], b[MONEY_TEXT_LEN], c[MONEY_TEXT_LEN];
	int64_t now = clock_now_us();
	struct money_sums sums = {0};
	struct err failed = {0};

	if (store_money_sums(e->store, job->id, "", now, &sums, &failed) < 0) {
		reason_set(why, REASON_WAITING_FOR_MONEY, "the ledger cannot be read: %s",
			   failed.msg);
		return false;
	}
	if (above(sums.job, micro_usd, set->money_job_max)) {
		reason_set(why, REASON_MONEY_CAP,
			   "it may cost %s US dollars more; a job may cost %s (money.job_max), and "
			   "%s are reserved or spent for it already",
			   money_format(a, micro_usd), money_format(b, set->money_job_max),
			   money_format(c, sums.job));
		return false;
	}
	if (above(sums.month, micro_usd, set->money_month_max)) {
		say_waiting(why, "month", sums.month, micro_usd, set->money_month_max,
			    next_month_us(now));
		return false;
	}
	if (above(sums.day, micro_usd, set->money_day_max)) {
		say_waiting(why, "day", sums.day, micro_usd, set->money_day_max, next_day_us(now));
		return false;
	}
	return true;
}

/* ---- the ledger ---- */

static struct money_entry entry_of(const struct cloud_row *row, enum money_what what,
				   int64_t micro_usd, const char *words)
{
	struct money_entry entry = {.what = what, .micro_usd = micro_usd};

	str_copy(entry.cloud, sizeof(entry.cloud), row->id);
	str_copy(entry.job, sizeof(entry.job), row->job);
	str_copy(entry.endpoint, sizeof(entry.endpoint), row->endpoint);
	str_copy(entry.words, sizeof(entry.words), words);
	return entry;
}

int budget_reserve(struct engine *e, const struct cloud_row *row, int64_t micro_usd,
		   const char *words, struct err *reterr)
{
	struct money_entry entry = entry_of(row, MONEY_RESERVE, micro_usd, words);

	return store_money_add(e->store, &entry, clock_now_us(), reterr);
}

/* What the time costs by the job's spec and by the prices of today. */
static int cost_of(struct engine *e, const struct cloud_row *row, int64_t us, int64_t *ret,
		   char *words, size_t size, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	struct rate rate = {0};
	int r;

	*ret = 0;
	if (us <= 0) {
		snprintf(words, size, "0 s");
		return 0;
	}
	r = store_job_get(e->store, row->job, &job, reterr);
	if (r >= 0)
		r = rate_of(e->settings, job.spec, &rate, reterr);
	if (r >= 0)
		r = amount_of(&rate, us, ret, reterr);
	if (r >= 0)
		say(&rate, us, words, size);
	return r;
}

int budget_settle(struct engine *e, const struct cloud_row *row, int64_t billable_us,
		  struct err *reterr)
{
	struct money_entry entry;
	struct money_sums sums = {0};
	char words[160];
	int64_t cost;
	int r;

	if (!row->job[0])
		return 0;
	r = store_money_sums(e->store, "", row->id, clock_now_us(), &sums, reterr);
	if (r >= 0)
		r = cost_of(e, row, billable_us, &cost, words, sizeof(words), reterr);
	if (r == -ERR_NOT_FOUND || r == -ERR_LIMIT) {
		/* A price that was taken out of the configuration since: what was reserved stands.
		 */
		snprintf(words, sizeof(words), "as reserved: no price is known any more");
		cost = sums.cloud;
	} else if (r < 0) {
		return r;
	}
	entry = entry_of(row, MONEY_SETTLE, cost - sums.cloud, words);
	r = store_money_add(e->store, &entry, clock_now_us(), reterr);
	if (r >= 0)
		engine_want_schedule(e);
	return r;
}

/* ---- renewals ---- */

static int find_endpoint(struct engine *e, const char *endpoint, struct cloud_row *ret,
			 struct err *reterr)
{
	OWN(cloud_rows_done) struct cloud_rows rows = {0};
	int r = store_cloud_of_endpoint(e->store, endpoint, &rows, reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows.n; i++)
		if (rows.rows[i].kind == CLOUD_ENDPOINT &&
		    !cloud_state_is_final(rows.rows[i].state)) {
			*ret = rows.rows[i];
			rows.rows[i] = (struct cloud_row){0};
			return 1;
		}
	return 0;
}

int budget_renew(struct engine *e, const struct endpoint_row *ep, int64_t more_us,
		 struct err *reterr)
{
	OWN(cloud_row_done) struct cloud_row row = {0};
	struct job_row job = {0};
	struct rate rate = {0};
	struct reason why = {0};
	int64_t micro_usd = 0;
	char words[160];
	int r = ep->target == TARGET_SAGEMAKER && more_us > 0
			? find_endpoint(e, ep->id, &row, reterr)
			: 0;

	if (r <= 0)
		return r;
	r = rate_of(e->settings, ep->spec, &rate, reterr);
	if (r >= 0)
		r = amount_of(&rate, more_us, &micro_usd, reterr);
	if (r < 0)
		return r;
	str_copy(job.id, sizeof(job.id), ep->job);
	if (!budget_fits(e, &job, micro_usd, &why))
		return err_set(reterr, ERR_CONFLICT, "the lease of '%s' cannot be renewed: %s",
			       ep->name, why.message);
	say(&rate, more_us, words, sizeof(words));
	return budget_reserve(e, &row, micro_usd, words, reterr);
}
