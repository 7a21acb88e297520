/* SPDX-License-Identifier: MIT */
/* Money: one internal unit, int64 micro-dollars (millionths of a US dollar); decimal text outside,
 * because binary fractions cannot hold a cent. */
#pragma once

#include <stdint.h>

#define MICRO_USD_PER_USD INT64_C(1000000)
#define MONEY_MAX_USD	  INT64_C(1000000000) /* of one amount: far from the sums' end */
#define MONEY_MAX	  (MONEY_MAX_USD * MICRO_USD_PER_USD)
#define MONEY_NONE	  INT64_MAX /* a cap that is none */
#define MONEY_TEXT_LEN	  24	    /* "-9223372036854.775808" and NUL */

/* The most that may be reserved and spent; MONEY_NONE: no cap. */
struct money_caps {
	int64_t job, day, month;
};

/* "12", "1.408", at most six decimals, no sign, at most MONEY_MAX; 0, -EINVAL or -ERANGE. */
int money_parse(const char *s, int64_t *ret_micro_usd);
/* "12.00", "1.408", "-0.000001": at least two decimals, no useless zeros beyond. buf of
 * MONEY_TEXT_LEN; returns buf. */
char *money_format(char *buf, int64_t micro_usd);
