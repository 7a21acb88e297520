/* SPDX-License-Identifier: MIT */
/* Shared by budget.c and budget_ledger.c: the price of a spec's resources for a time. */
#pragma once

#include "daemon/schedule/budget.h"

/* `micro_usd` x `units` for each `seconds` seconds. */
struct budget_rate {
	int64_t micro_usd, units, seconds;
	char words[112]; /* "1 x ml.g5.xlarge at 1.408 USD/h" */
};

/* -ERR_NOT_FOUND if the price is unknown. */
int budget_rate_of(const struct settings *set, const json_t *spec, struct budget_rate *ret,
		   struct err *reterr) MUSTCHECK;
/* The price for a time, rounded up. -ERR_LIMIT beyond MONEY_MAX. */
int budget_amount(const struct budget_rate *rate, int64_t us, int64_t *ret_micro_usd,
		  struct err *reterr) MUSTCHECK;
/* As budget_amount(), rounded down, so that a partial refund never leaves less than the worst
 * case. */
int budget_amount_back(const struct budget_rate *rate, int64_t us, int64_t *ret_micro_usd,
		       struct err *reterr) MUSTCHECK;
/* Write "3600 s x …". */
void budget_say(const struct budget_rate *rate, int64_t us, char *words, size_t size);
/* sagemaker.keep_alive; 0 if absent. */
int64_t budget_keep_alive(const json_t *spec);
bool budget_above(int64_t used, int64_t more, int64_t cap);
