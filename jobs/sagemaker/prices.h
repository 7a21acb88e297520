/* SPDX-License-Identifier: MIT */
/*
 * What SageMaker asks: a table of list prices (prices.json, embedded, with its date and source)
 * under the configuration's own prices. Upper bounds on purpose: a worst case that is reserved must
 * not be below the bill. Read-only once made, so that every thread may ask.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

#define PRICES_OWN_MAX	  256	       /* entries of money.prices */
#define PRICES_SERVERLESS "serverless" /* in money.prices: US dollars per GB-second */

struct prices;

/* `own`: "ml.g5.xlarge=1.41, eu-west-1/ml.x9.large=2, serverless=0.00002", "" for none; a price of
 * one region goes before one of all regions, both before the table. -ERR_INVALID names the entry.
 */
int prices_new(const char *own, struct prices **ret, struct err *reterr) MUSTCHECK;
void prices_free(struct prices *p); /* NULL is allowed */
void prices_freep(struct prices **p);

/* Micro-dollars per instance and hour. region "": not known yet, the dearest. -ERR_NOT_FOUND: not
 * in the table and not given; the message says how to give it. */
int prices_instance(const struct prices *p, const char *region, const char *instance_type,
		    int64_t *ret_micro_usd, struct err *reterr) MUSTCHECK;
/* Of a serverless endpoint: micro-dollars per GB of memory and second of one request. */
int prices_serverless(const struct prices *p, const char *region, int64_t *ret_micro_usd,
		      struct err *reterr) MUSTCHECK;
/* "2025-11": when the table was noted. Borrowed. */
const char *prices_noted(const struct prices *p);
