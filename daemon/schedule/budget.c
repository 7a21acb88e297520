/* SPDX-License-Identifier: MIT */
/* Computes the worst case of a spec, and whether the caps can ever allow it. Thread-safe. */
#include "daemon/schedule/budget_rate.h"

#include "base/money.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/sagemaker/requests.h"
#include "jobs/spec/problems.h"

#include <inttypes.h>

#define SECONDS_PER_HOUR 3600
#define MB_PER_GB	 1024
#define POINTER_MAX	 64

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

int64_t budget_keep_alive(const json_t *spec)
{
	return duration_of(json_object_get(spec, "sagemaker"), "keep_alive", 0);
}

/* The time that is reserved. */
static int64_t time_of(const struct settings *set, const json_t *spec, enum job_kind kind)
{
	if (kind == JOB_DEPLOY)
		return duration_of(json_object_get(spec, "lease"), "ttl",
				   set->lease_ttl_default_us);
	return sagemaker_runtime_max_s(spec) * USEC_PER_SEC + budget_keep_alive(spec);
}

static int rate_serverless(const struct settings *set, const char *region, const json_t *serverless,
			   struct budget_rate *ret, struct err *reterr)
{
	int64_t memory_mb = json_get_int(serverless, "memory_mb", 2 * MB_PER_GB);
	int64_t requests = json_get_int(serverless, "max_concurrency", 5) +
			   json_get_int(serverless, "provisioned_concurrency", 0);
	char price[MONEY_TEXT_LEN];
	int r = prices_serverless(set->prices, region, &ret->micro_usd, reterr);

	if (r < 0)
		return r;
	ret->units = requests * memory_mb;
	ret->seconds = MB_PER_GB; /* the price is per second and GB */
	str_excerptf(ret->words, sizeof(ret->words),
		     "%" PRId64 " x %" PRId64 " MB at %s USD/GB-s at most", requests, memory_mb,
		     money_format(price, ret->micro_usd));
	return 0;
}

int budget_rate_of(const struct settings *set, const json_t *spec, struct budget_rate *ret,
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
	str_excerptf(ret->words, sizeof(ret->words), "%" PRId64 " x %.64s at %s USD/h", ret->units,
		     type, money_format(price, ret->micro_usd));
	return 0;
}

static int amount(const struct budget_rate *rate, int64_t us, bool up, int64_t *ret_micro_usd,
		  struct err *reterr)
{
	__int128 all = (__int128)rate->micro_usd * rate->units;
	__int128 per = (__int128)rate->seconds * USEC_PER_SEC;

	/* Prices and times have maxima; only the units of a foreign row could overflow. */
	if (rate->units < 0 || us < 0 || rate->micro_usd < 0 || all > (__int128)MONEY_MAX * 1000000)
		return err_set(reterr, ERR_LIMIT,
			       "the cost of %s is larger than can be counted; use fewer instances",
			       rate->words);
	all = (all * us + (up ? per - 1 : 0)) / per;
	if (all > MONEY_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "%s may cost more than %" PRId64 " US dollars; ask for less time",
			       rate->words, MONEY_MAX_USD);
	*ret_micro_usd = (int64_t)all;
	return 0;
}

int budget_amount(const struct budget_rate *rate, int64_t us, int64_t *ret_micro_usd,
		  struct err *reterr)
{
	return amount(rate, us, true, ret_micro_usd, reterr);
}

int budget_amount_back(const struct budget_rate *rate, int64_t us, int64_t *ret_micro_usd,
		       struct err *reterr)
{
	return amount(rate, us, false, ret_micro_usd, reterr);
}

void budget_say(const struct budget_rate *rate, int64_t us, char *words, size_t size)
{
	str_excerptf(words, size, "%" PRId64 " s x %s", (us + USEC_PER_SEC - 1) / USEC_PER_SEC,
		     rate->words);
}

int budget_worst_case(const struct settings *set, const json_t *spec, enum job_kind kind,
		      int64_t *ret_micro_usd, char *words, size_t size, struct err *reterr)
{
	int64_t us = time_of(set, spec, kind);
	struct budget_rate rate = {0};
	int r = budget_rate_of(set, spec, &rate, reterr);

	if (r >= 0)
		r = budget_amount(&rate, us, ret_micro_usd, reterr);
	if (r >= 0)
		budget_say(&rate, us, words, size);
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

json_t *manager_worst_case(const struct manager *mgr, const json_t *spec)
{
	enum job_target target;
	enum job_kind kind;

	if (job_target_parse(json_get_str(spec, "target", ""), &target) < 0 ||
	    job_kind_parse(json_get_str(spec, "kind", ""), &kind) < 0)
		return NULL;
	return budget_text(mgr->settings, spec, kind, target);
}

struct money_caps manager_money_caps(const struct manager *mgr)
{
	return (struct money_caps){
		.job = mgr->settings->money_job_max,
		.day = mgr->settings->money_day_max,
		.month = mgr->settings->money_month_max,
	};
}

const char *manager_prices_noted(const struct manager *mgr)
{
	return prices_noted(mgr->settings->prices);
}

/* ---- caps ---- */

bool budget_above(int64_t used, int64_t more, int64_t cap)
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
		if (!budget_above(0, micro_usd, caps[i].cap))
			continue;
		err_set(ret_why, ERR_LIMIT,
			"the worst case is %s US dollars, and %s may cost %s (money.%s); ask for "
			"less time (max_runtime; of an endpoint lease.ttl), ask for fewer or "
			"smaller instances, or raise the cap",
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
	struct err err = {0};
	int64_t micro_usd;
	int r;

	if (!budget_applies(job->kind, job->target))
		return;
	/* If both are missing, the rules of the spec have already reported that. */
	if (!json_object_get(sagemaker, "instance_type") &&
	    !json_object_get(sagemaker, "serverless"))
		return;
	r = budget_worst_case(set, job->spec, job->kind, &micro_usd, words, sizeof(words), &err);
	str_must_format(pointer, sizeof(pointer), "%s/sagemaker/%s", at,
			json_object_get(sagemaker, "serverless") ? "serverless" : "instance_type");
	if (r == -ERR_NOT_FOUND)
		problem_add(problems, pointer, PROBLEM_PRICE_UNKNOWN, "%s", err.msg);
	else if (r < 0)
		problem_add(problems, pointer, PROBLEM_MONEY_CAP, "%s", err.msg);
	else if (budget_never_fits(set, micro_usd, &err))
		problem_add(problems, pointer, PROBLEM_MONEY_CAP, "%s: %s", words, err.msg);
}
