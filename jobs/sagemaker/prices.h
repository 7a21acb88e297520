/* SPDX-License-Identifier: MIT */
/*
 * Prices of SageMaker: a table of list prices (prices.json, embedded, with its date and source),
 * overridden by the configuration. Prices are upper bounds, because a reserved worst case must not
 * be below the bill. Read-only after prices_new(), so that every thread may call the rest.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

#define PRICES_OWN_MAX	  256	       /* entries of money.prices */
#define PRICES_SERVERLESS "serverless" /* in money.prices: US dollars per GB-second */

struct prices;

/* `own`: "ml.g5.xlarge=1.41, eu-west-1/ml.x9.large=2, serverless=0.00002", or "". Precedence: a
 * price of one region, a price of all regions, the table. -ERR_INVALID: the message names the
 * entry. */
int prices_new(const char *own, struct prices **ret, struct err *reterr) MUSTCHECK;
void prices_free(struct prices *p); /* NULL is allowed */
void prices_freep(struct prices **p);

/* Micro-dollars per instance and hour. region "": unknown yet, returns the dearest region's price.
 * -ERR_NOT_FOUND if the price is neither in the table nor configured; the message says how to
 * configure it. */
int prices_instance(const struct prices *p, const char *region, const char *instance_type,
		    int64_t *ret_micro_usd, struct err *reterr) MUSTCHECK;
/* Price of a serverless endpoint: micro-dollars per GB of memory and second of a request. */
int prices_serverless(const struct prices *p, const char *region, int64_t *ret_micro_usd,
		      struct err *reterr) MUSTCHECK;
/* "2025-11": the date of the table. Borrowed. */
const char *prices_noted(const struct prices *p);
