/* SPDX-License-Identifier: MIT */
/* Money. Internally int64 micro-dollars (millionths of a US dollar); externally decimal text,
 * because a binary fraction cannot represent a cent. Any thread. */
#pragma once

#include <stdint.h>

#define MICRO_USD_PER_USD INT64_C(1000000)
#define MONEY_MAX_USD	  INT64_C(1000000000) /* of one amount, far below the limit of a sum */
#define MONEY_MAX	  (MONEY_MAX_USD * MICRO_USD_PER_USD)
#define MONEY_NONE	  INT64_MAX /* the value of "no cap" */
#define MONEY_TEXT_LEN	  24	    /* "-9223372036854.775808" and NUL */

/* Limits of reserved plus settled money; MONEY_NONE: no cap. */
struct money_caps {
	int64_t job, day, month;
};

/* Parse "12" or "1.408": at most six decimals, no sign, at most MONEY_MAX. Returns 0, -EINVAL or
 * -ERANGE. */
int money_parse(const char *s, int64_t *ret_micro_usd);
/* Write "12.00", "1.408" or "-0.000001": at least two decimals, no further trailing zeros. buf has
 * MONEY_TEXT_LEN bytes. Returns buf. */
char *money_format(char *buf, int64_t micro_usd);
