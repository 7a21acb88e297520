/* SPDX-License-Identifier: MIT */
/* Parses and formats amounts of dollars without floating point. */
#include "base/money.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DECIMALS     6
#define DECIMALS_MIN 2

int money_parse(const char *s, int64_t *ret_micro_usd)
{
	int64_t value = 0;
	int decimals = -1; /* -1: no decimal point yet */

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; *s; s++) {
		if (*s == '.' && decimals < 0 && isdigit((unsigned char)s[1])) {
			decimals = 0;
			continue;
		}
		if (!isdigit((unsigned char)*s) || decimals == DECIMALS)
			return -EINVAL;
		value = value * 10 + (*s - '0');
		if (value > MONEY_MAX)
			return -ERANGE;
		decimals += decimals >= 0;
	}
	for (int i = decimals < 0 ? 0 : decimals; i < DECIMALS; i++) {
		if (value > MONEY_MAX / 10)
			return -ERANGE;
		value *= 10;
	}
	*ret_micro_usd = value;
	return 0;
}

char *money_format(char *buf, int64_t micro_usd)
{
	uint64_t size = micro_usd < 0 ? -(uint64_t)micro_usd : (uint64_t)micro_usd;
	size_t n = (size_t)snprintf(buf, MONEY_TEXT_LEN, "%s%" PRIu64 ".%06" PRIu64,
				    micro_usd < 0 ? "-" : "", size / MICRO_USD_PER_USD,
				    size % MICRO_USD_PER_USD);

	for (int i = DECIMALS; i > DECIMALS_MIN && buf[n - 1] == '0'; i--)
		buf[--n] = '\0';
	return buf;
}
