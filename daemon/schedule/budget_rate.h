/* SPDX-License-Identifier: MIT */
/* Between budget.c and budget_ledger.c: what a spec's resources cost per time. */
#pragma once

#include "daemon/schedule/budget.h"

/* `micro_usd` x `units` each `seconds` seconds. */
struct budget_rate {
	int64_t micro_usd, units, seconds;
	char words[112]; /* "1 x ml.g5.xlarge at 1.408 USD/h" */
};

/* -ERR_NOT_FOUND: the price is not known. */
int budget_rate_of(const struct settings *set, const json_t *spec, struct budget_rate *ret,
		   struct err *reterr) MUSTCHECK;
/* The rate for so long, rounded up. -ERR_LIMIT: beyond MONEY_MAX. */
int budget_amount(const struct budget_rate *rate, int64_t us, int64_t *ret_micro_usd,
		  struct err *reterr) MUSTCHECK;
/* The same rounded down: what is given back never leaves less than the worst case. */
int budget_amount_back(const struct budget_rate *rate, int64_t us, int64_t *ret_micro_usd,
		       struct err *reterr) MUSTCHECK;
/* "3600 s x …" */
void budget_say(const struct budget_rate *rate, int64_t us, char *words, size_t size);
/* sagemaker.keep_alive, 0 without. */
int64_t budget_keep_alive(const json_t *spec);
bool budget_above(int64_t used, int64_t more, int64_t cap);
