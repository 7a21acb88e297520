/* SPDX-License-Identifier: MIT */
/*
 * Money: worst cases by the price table (jobs/sagemaker/prices.json), caps of the configuration,
 * the ledger. Integer micro-dollars. Functions with a struct manager run on the manager's thread;
 * functions with only settings run on any thread.
 */
#pragma once

#include "daemon/core.h"
#include "storage/store_resource.h"

/* Key in the request of a row that was adopted without a job or an endpoint: the spec for its
 * price. */
#define SAGEMAKER_ADOPTED_KEY "adopted"

/* True if the job costs money (train, script or deploy on SageMaker). */
bool budget_applies(enum job_kind kind, enum job_target target);
/* The worst case of a job's spec. Training: (max_runtime + keep_alive) x price x count; spot counts
 * at the on-demand price. Deploy: ttl x price x count; serverless: ttl x price x memory x maximum
 * concurrency. `words` is as in money_entry. -ERR_NOT_FOUND if the price of the instance type in
 * that region is unknown; the message says how to configure it. -ERR_LIMIT beyond MONEY_MAX. */
int budget_worst_case(const struct settings *set, const json_t *spec, enum job_kind kind,
		      int64_t *ret_micro_usd, char *words, size_t size,
		      struct err *reterr) MUSTCHECK;
/* True if a cap can never allow the amount. The message names the cap. */
bool budget_never_fits(const struct settings *set, int64_t micro_usd, struct err *ret_why);
/* At submit: append a problem if the job's price is unknown or can never fit. `at` is the job's
 * JSON pointer, "" or "/jobs/3". */
void budget_check(const struct settings *set, const struct job_spec *job, const char *at,
		  json_t *problems);
/* The job's worst case as decimal text; NULL if it has none. New reference. */
json_t *budget_text(const struct settings *set, const json_t *spec, enum job_kind kind,
		    enum job_target target);

/* True if the amount fits now, in addition to reserved and spent money and to the worst cases of
 * jobs in staging. Call this in the transaction that starts the job; that keeps the caps. If false,
 * *reason is waiting_for_money with the cap and the time when it is free again. If earlier attempts
 * of this job have used up the job's cap, *reason is money_cap. If the ledger cannot be read:
 * waiting_for_money. */
bool budget_fits(struct manager *mgr, const struct job_row *job, int64_t micro_usd,
		 struct reason *reason);
/* In the transaction of the intent: reserve the amount. */
int budget_reserve(struct manager *mgr, const struct resource_row *row, int64_t micro_usd,
		   const char *words, struct err *reterr) MUSTCHECK;
/* In a transaction: settle the final cost by a training job's billable seconds or an endpoint's
 * lifetime; a warm pool's keep_alive counts fully. A resource that was adopted only to be deleted
 * has no reservation to settle. Schedules again, because money may be free. */
int budget_settle(struct manager *mgr, const struct resource_row *row, int64_t billable_us,
		  struct err *reterr) MUSTCHECK;
/* In a transaction, before the lease of a SageMaker endpoint is extended by `more_us`: reserve that
 * time, too. For a shorter lease (< 0) money is given back. -ERR_CONFLICT if a cap does not allow
 * it. Does nothing for local endpoints. */
int budget_renew(struct manager *mgr, const struct endpoint_row *ep, int64_t more_us,
		 struct err *reterr) MUSTCHECK;
