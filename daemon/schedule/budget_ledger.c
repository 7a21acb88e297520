/* SPDX-License-Identifier: MIT */
/* Caps and the ledger: what fits now; reserve, settle, renew. Manager's thread. */
#include "base/money.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/schedule/budget_rate.h"

#define USEC_PER_DAY (86400 * USEC_PER_SEC)

/* Start of the next UTC day or month. */
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

static void say_waiting(struct reason *reason, const char *what, int64_t used, int64_t more,
			int64_t cap, int64_t free_us)
{
	char a[MONEY_TEXT_LEN], b[MONEY_TEXT_LEN], c[MONEY_TEXT_LEN], at[CLOCK_TEXT_LEN];

	reason_set(reason, REASON_WAITING_FOR_MONEY,
		   "the worst case is %s US dollars; of the %s's %s, %s is reserved or spent; "
		   "enough is free at %s, or when something that runs costs less than was reserved",
		   money_format(a, more), what, money_format(b, cap), money_format(c, used),
		   clock_format(at, free_us));
}

/* Money reserved by an earlier attempt returns when it is settled; money that it cost does not. */
static void say_job_cap(struct reason *reason, const struct settings *set,
			const struct money_sums *sums, int64_t micro_usd)
{
	bool never = budget_above(sums->job - sums->job_open, micro_usd, set->money_job_max);
	char a[MONEY_TEXT_LEN], b[MONEY_TEXT_LEN], c[MONEY_TEXT_LEN];

	reason_set(reason, never ? REASON_MONEY_CAP : REASON_WAITING_FOR_MONEY,
		   "the worst case is another %s US dollars; a job may cost %s (money.job_max), "
		   "and %s is already reserved or spent for this one%s",
		   money_format(a, micro_usd), money_format(b, set->money_job_max),
		   money_format(c, sums->job),
		   never ? ""
			 : "; the job waits until the resources of an earlier attempt are gone");
}

/* Worst cases of started jobs other than `but` that have no reservation yet. */
static int promised(struct manager *mgr, const char *except, int64_t *ret, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows jobs = {0};
	int r = store_jobs_unplanned(mgr->store, &jobs, reterr);

	*ret = 0;
	for (size_t i = 0; r >= 0 && i < jobs.n; i++) {
		const struct job_row *job = &jobs.rows[i];
		char words[160];
		int64_t micro_usd;

		/* A job without a price reserves nothing; it cannot continue. */
		if (str_eq(job->id, except) || !budget_applies(job->kind, job->target) ||
		    budget_worst_case(mgr->settings, job->spec, job->kind, &micro_usd, words,
				      sizeof(words), NULL) < 0)
			continue;
		if (__builtin_add_overflow(*ret, micro_usd, ret))
			*ret = INT64_MAX;
	}
	return r;
}

/* The sums, including the worst cases that are not reserved yet. */
static int sums_of(struct manager *mgr, const char *job, int64_t now, struct money_sums *ret,
		   struct err *reterr)
{
	int64_t more;
	int r = store_money_sums(mgr->store, job, "", now, ret, reterr);

	if (r >= 0)
		r = promised(mgr, job, &more, reterr);
	if (r < 0)
		return r;
	if (__builtin_add_overflow(ret->day, more, &ret->day))
		ret->day = INT64_MAX;
	if (__builtin_add_overflow(ret->month, more, &ret->month))
		ret->month = INT64_MAX;
	return 0;
}

bool budget_fits(struct manager *mgr, const struct job_row *job, int64_t micro_usd,
		 struct reason *reason)
{
	const struct settings *set = mgr->settings;
	int64_t now = clock_now_us();
	struct money_sums sums = {0};
	struct err failed = {0};

	if (sums_of(mgr, job->id, now, &sums, &failed) < 0) {
		reason_set(reason, REASON_WAITING_FOR_MONEY, "cannot read the ledger: %s",
			   failed.msg);
		return false;
	}
	if (budget_above(sums.job, micro_usd, set->money_job_max)) {
		say_job_cap(reason, set, &sums, micro_usd);
		return false;
	}
	if (budget_above(sums.month, micro_usd, set->money_month_max)) {
		say_waiting(reason, "month", sums.month, micro_usd, set->money_month_max,
			    next_month_us(now));
		return false;
	}
	if (budget_above(sums.day, micro_usd, set->money_day_max)) {
		say_waiting(reason, "day", sums.day, micro_usd, set->money_day_max,
			    next_day_us(now));
		return false;
	}
	return true;
}

/* ---- the ledger ---- */

static struct money_entry entry_of(const struct resource_row *row, enum money_what what,
				   int64_t micro_usd, const char *words)
{
	struct money_entry entry = {.what = what, .micro_usd = micro_usd};

	str_assign(entry.resource, row->id);
	str_assign(entry.job, row->job);
	str_assign(entry.endpoint, row->endpoint);
	str_excerpt(entry.words, sizeof(entry.words), words);
	return entry;
}

int budget_reserve(struct manager *mgr, const struct resource_row *row, int64_t micro_usd,
		   const char *words, struct err *reterr)
{
	struct money_entry entry = entry_of(row, MONEY_RESERVE, micro_usd, words);

	return store_money_add(mgr->store, &entry, clock_now_us(), reterr);
}

/* The spec of a job, or of a resource that was adopted without one. New reference. */
static int spec_of(struct manager *mgr, const struct resource_row *row, const char *id,
		   json_t **ret, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	OWN(job_row_done) struct job_row job = {0};
	json_t *adopted = json_object_get(row->request, SAGEMAKER_ADOPTED_KEY);
	int r;

	if (adopted) {
		*ret = json_incref(adopted);
		return 0;
	}
	r = id[0] ? store_job_get(mgr->store, id, &job, reterr)
		  : store_endpoint_get(mgr->store, row->endpoint, &ep, reterr);

	if (r >= 0)
		*ret = json_incref(id[0] ? job.spec : ep.spec);
	return r;
}

/* The price of a time by a job's spec and today's prices. */
static int cost_by_job(struct manager *mgr, const struct resource_row *row, const char *id,
		       int64_t us, int64_t *ret, char *words, size_t size, struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL;
	struct budget_rate rate = {0};
	int r = spec_of(mgr, row, id, &spec, reterr);

	/* The instances may stay warm for that time after the job. */
	if (r >= 0 && row->kind == RESOURCE_TRAINING_JOB)
		us += budget_keep_alive(spec);
	if (r >= 0)
		r = budget_rate_of(mgr->settings, spec, &rate, reterr);
	if (r >= 0)
		r = budget_amount(&rate, us, ret, reterr);
	if (r >= 0)
		budget_say(&rate, us, words, size);
	return r;
}

/* The cost of an updated endpoint: the dearest of its configs counts for the whole time, but not
 * more than was reserved. */
static int cost_of_updates(struct manager *mgr, const struct resource_row *row, int64_t us,
			   int64_t reserved, int64_t *cost, char *words, size_t size,
			   struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = store_resource_of_endpoint(mgr->store, row->endpoint, &rows, reterr);

	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		const struct resource_row *config = &rows.rows[i];
		char config_words[160];
		int64_t other;

		if (config->kind != RESOURCE_ENDPOINT_CONFIG || !config->present_us ||
		    !config->job[0] || str_eq(config->job, row->job))
			continue;
		r = cost_by_job(mgr, row, config->job, us, &other, config_words,
				sizeof(config_words), reterr);
		if (r < 0 || other <= *cost || *cost >= reserved)
			continue;
		*cost = other < reserved ? other : reserved;
		str_excerpt(words, size, config_words);
	}
	return r;
}

static int cost_of(struct manager *mgr, const struct resource_row *row, int64_t us,
		   int64_t reserved, int64_t *ret, char *words, size_t size, struct err *reterr)
{
	int r;

	*ret = 0;
	if (us <= 0) {
		snprintf(words, size, "0 s");
		return 0;
	}
	r = cost_by_job(mgr, row, row->job, us, ret, words, size, reterr);
	if (r >= 0 && row->kind == RESOURCE_ENDPOINT)
		r = cost_of_updates(mgr, row, us, reserved, ret, words, size, reterr);
	return r;
}

int budget_settle(struct manager *mgr, const struct resource_row *row, int64_t billable_us,
		  struct err *reterr)
{
	struct money_entry entry;
	struct money_sums sums = {0};
	char words[160];
	int64_t cost;
	int r;

	if (!row->job[0] && !row->endpoint[0] &&
	    !json_object_get(row->request, SAGEMAKER_ADOPTED_KEY))
		return 0;
	r = store_money_sums(mgr->store, "", row->id, clock_now_us(), &sums, reterr);
	if (r >= 0)
		r = cost_of(mgr, row, billable_us, sums.resource, &cost, words, sizeof(words),
			    reterr);
	if (r == -ERR_NOT_FOUND || r == -ERR_LIMIT) {
		/* The price was removed from the configuration: the reservation stands. */
		snprintf(words, sizeof(words),
			 "settled as reserved, because the price is no longer known");
		cost = sums.resource;
	} else if (r < 0) {
		return r;
	}
	entry = entry_of(row, MONEY_SETTLE, cost - sums.resource, words);
	r = store_money_add(mgr->store, &entry, clock_now_us(), reterr);
	if (r >= 0)
		manager_want_schedule(mgr);
	return r;
}

/* ---- renewals ---- */

static int find_endpoint(struct manager *mgr, const char *endpoint, struct resource_row *ret,
			 struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = store_resource_of_endpoint(mgr->store, endpoint, &rows, reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows.n; i++)
		if (rows.rows[i].kind == RESOURCE_ENDPOINT &&
		    !resource_state_is_final(rows.rows[i].state)) {
			*ret = rows.rows[i];
			rows.rows[i] = (struct resource_row){0};
			return 1;
		}
	return 0;
}

/* Give back money for a shorter lease, but not more than was reserved, because prices may have
 * risen. */
static int give_back(struct manager *mgr, const struct resource_row *row,
		     const struct endpoint_row *ep, int64_t less_us, struct err *reterr)
{
	struct budget_rate rate = {0};
	struct money_sums sums = {0};
	char words[160];
	int64_t micro_usd;
	int r = budget_rate_of(mgr->settings, ep->spec, &rate, reterr);

	if (r == -ERR_NOT_FOUND)
		return 0; /* no price is known any more: the settlement at the end corrects it */
	if (r >= 0)
		r = budget_amount_back(&rate, less_us, &micro_usd, reterr);
	if (r >= 0)
		r = store_money_sums(mgr->store, "", row->id, clock_now_us(), &sums, reterr);
	if (r < 0)
		return r;
	budget_say(&rate, less_us, words, sizeof(words));
	if (micro_usd > sums.resource)
		micro_usd = sums.resource;
	r = budget_reserve(mgr, row, -micro_usd, words, reterr);
	if (r >= 0)
		manager_want_schedule(mgr); /* money may be free */
	return r;
}

int budget_renew(struct manager *mgr, const struct endpoint_row *ep, int64_t more_us,
		 struct err *reterr)
{
	OWN(resource_row_done) struct resource_row row = {0};
	struct job_row job = {0};
	struct budget_rate rate = {0};
	struct reason reason = {0};
	int64_t micro_usd = 0;
	char words[160];
	int r = ep->target == TARGET_SAGEMAKER && more_us != 0
			? find_endpoint(mgr, ep->id, &row, reterr)
			: 0;

	if (r <= 0)
		return r;
	if (more_us < 0)
		return give_back(mgr, &row, ep, -more_us, reterr);
	r = budget_rate_of(mgr->settings, ep->spec, &rate, reterr);
	if (r >= 0)
		r = budget_amount(&rate, more_us, &micro_usd, reterr);
	if (r < 0)
		return r;
	str_assign(job.id, ep->job);
	if (!budget_fits(mgr, &job, micro_usd, &reason))
		return err_set(reterr, ERR_CONFLICT, "cannot renew the lease of '%s': %s", ep->name,
			       reason.message);
	budget_say(&rate, more_us, words, sizeof(words));
	return budget_reserve(mgr, &row, micro_usd, words, reterr);
}
