/* SPDX-License-Identifier: MIT */
/*
 * Money: worst cases from the price table (jobs/sagemaker/prices.json), caps of the configuration,
 * the ledger. Integer micro-dollars. Functions with a struct manager run on the manager thread;
 * those with settings alone on any.
 */
#pragma once

#include "daemon/core.h"
#include "storage/store_resource.h"

/* In the request of a row that was adopted without a job or an endpoint: its price's spec. */
#define SAGEMAKER_ADOPTED_KEY "adopted"

/* True if the job costs money (train, script or deploy on SageMaker). */
bool budget_applies(enum job_kind kind, enum job_target target);
/* Worst case of a job's spec: training: (max_runtime + keep_alive) x price x count, spot at the
 * on-demand price; deploy: ttl x price x count, serverless: ttl x price x memory x all requests
 * that may run at a time. -ERR_NOT_FOUND: the price of the instance type in that region is unknown
 * (the message says how to give it); -ERR_LIMIT: beyond MONEY_MAX. `words` as in money_entry. */
int budget_worst_case(const struct settings *set, const json_t *spec, enum job_kind kind,
		      int64_t *ret_micro_usd, char *words, size_t size,
		      struct err *reterr) MUSTCHECK;
/* True if the amount is more than a cap allows at all. The message names the cap. */
bool budget_never_fits(const struct settings *set, int64_t micro_usd, struct err *ret_why);
/* At submit: appends a problem when the job's price is unknown or it can never fit. `at`: the job's
 * JSON pointer, "" or "/jobs/3". */
void budget_check(const struct settings *set, const struct job_spec *job, const char *at,
		  json_t *problems);
/* The job's worst case as decimal text, NULL when it has none. New reference. */
json_t *budget_text(const struct settings *set, const json_t *spec, enum job_kind kind,
		    enum job_target target);

/* True if the amount fits now, beside what is reserved, spent, and promised to jobs in staging.
 * Together with the start of the job in one transaction this keeps the caps. false: *why is
 * waiting_for_money with the cap and when it is free again, or money_cap when it never will:
 * earlier tries of this job have used up the job's cap. A ledger that cannot be read:
 * waiting_for_money. */
bool budget_fits(struct manager *mgr, const struct job_row *job, int64_t micro_usd,
		 struct reason *why);
/* Inside a transaction, with the intent. */
int budget_reserve(struct manager *mgr, const struct resource_row *row, int64_t micro_usd,
		   const char *words, struct err *reterr) MUSTCHECK;
/* Inside a transaction: it cost this much in the end (a training job's billable seconds, an
 * endpoint's time in being; a warm pool's keep_alive counts whole). One that was adopted only to be
 * deleted has nothing to settle. The queue is looked at again: money may be free. */
int budget_settle(struct manager *mgr, const struct resource_row *row, int64_t billable_us,
		  struct err *reterr) MUSTCHECK;
/* Inside a transaction, before a SageMaker endpoint's lease is made `more_us` longer: reserves that
 * too; of a shorter one (< 0) the money is given back. -ERR_CONFLICT: it does not fit a cap.
 * Nothing for local endpoints. */
int budget_renew(struct manager *mgr, const struct endpoint_row *ep, int64_t more_us,
		 struct err *reterr) MUSTCHECK;
