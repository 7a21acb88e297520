/* SPDX-License-Identifier: MIT */
/* Money: worst cases from the price table (aws/prices.json), caps of the configuration, the ledger.
 * Integer micro-dollars. Engine thread, except budget_worst_case and budget_never_fits. */
#pragma once

#include "daemon/core.h"
#include "storage/store_cloud.h"

/* Worst case of a job's spec: training: (max_runtime + keep_alive) x price x count, spot at the
 * on-demand price; deploy: ttl x price x count. -ERR_NOT_FOUND: the price of the instance type in
 * that region is unknown (the message says how to give it). Thread-safe. `words` as in
 * money_entry. */
int budget_worst_case(const struct settings *set, const json_t *spec, enum job_kind kind,
		      int64_t *ret_micro_usd, char *words, size_t size,
		      struct err *reterr) MUSTCHECK;
/* Is it more than any cap allows at all? Thread-safe; the message names the cap. */
bool budget_never_fits(const struct settings *set, int64_t micro_usd, struct err *ret_why);
/* Would it fit now? false: *why says which cap and when it is free again. */
bool budget_fits(struct engine *e, const struct job_row *job, int64_t micro_usd,
		 struct reason *why);
/* Inside a turn, with the intent. */
int budget_reserve(struct engine *e, const struct cloud_row *row, int64_t micro_usd,
		   const char *words, struct err *reterr) MUSTCHECK;
/* Inside a turn: it cost this much in the end (a training job's billable seconds, an endpoint's
 * time in being). */
int budget_settle(struct engine *e, const struct cloud_row *row, int64_t billable_us,
		  struct err *reterr) MUSTCHECK;
