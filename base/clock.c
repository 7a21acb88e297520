/* SPDX-License-Identifier: MIT */
/*
 * Reads the clocks (tests may set or shift the wall clock), formats and parses times and durations,
 * and computes days and months in UTC.
 */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MIN_US INT64_C(-62167219200000000) /* 0000-01-01T00:00:00.000Z */
#define TEXT_MAX_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999Z */

#define DURATION_TEXT_LEN 32
#define DURATION_MAX_US	  (INT64_C(100) * 366 * 86400 * USEC_PER_SEC)

static int64_t fake_now_us, shifted_us;

void clock_fake_us(int64_t now_us)
{
	__atomic_store_n(&fake_now_us, now_us, __ATOMIC_RELAXED);
}

void clock_shift_us(int64_t by_us)
{
	__atomic_store_n(&shifted_us, by_us, __ATOMIC_RELAXED);
}

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
	int64_t fake = __atomic_load_n(&fake_now_us, __ATOMIC_RELAXED);

	return fake ? fake
		    : read_clock(CLOCK_REALTIME) + __atomic_load_n(&shifted_us, __ATOMIC_RELAXED);
}

int64_t clock_mono_us(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_thread_us(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void cond_wait_us(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t delay_us)
{
	int64_t until_us = read_clock(CLOCK_MONOTONIC) +
			   (delay_us > COND_WAIT_MAX_US ? COND_WAIT_MAX_US : delay_us);
	struct timespec until = {.tv_sec = until_us / USEC_PER_SEC,
				 .tv_nsec = until_us % USEC_PER_SEC * 1000};

	pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &until);
}

int64_t backoff_us(int64_t first_us, int64_t max_us, int tries)
{
	int64_t us = first_us < max_us ? first_us : max_us;

	for (int i = 1; i < tries && us < max_us; i++)
		us = us > max_us / 2 ? max_us : 2 * us;
	return us;
}

/* Write `v` as `n` digits and `after` behind them. Returns the end. */
static char *put_digits(char *at, int n, int v, char after)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		at[i] = (char)('0' + v % 10);
	at[n] = after;
	return at + n + 1;
}

/* By hand, because strftime() would be a tenth of the time of a list. */
char *clock_format(char *buf, int64_t at_us)
{
	int64_t in_range = at_us < TEXT_MIN_US	 ? TEXT_MIN_US
			   : at_us > TEXT_MAX_US ? TEXT_MAX_US
						 : at_us;
	int64_t us = (in_range - TEXT_MIN_US) % USEC_PER_SEC;
	time_t s = (time_t)((in_range - us) / USEC_PER_SEC);
	char *at = buf;
	struct tm tm;

	gmtime_r(&s, &tm);
	at = put_digits(at, 4, tm.tm_year + 1900, '-');
	at = put_digits(at, 2, tm.tm_mon + 1, '-');
	at = put_digits(at, 2, tm.tm_mday, 'T');
	at = put_digits(at, 2, tm.tm_hour, ':');
	at = put_digits(at, 2, tm.tm_min, ':');
	at = put_digits(at, 2, tm.tm_sec, '.');
	at = put_digits(at, 3, (int)(us / USEC_PER_MSEC), 'Z');
	*at = '\0';
	return buf;
}

/* Read exactly `digits` decimal digits at *s and advance *s. Returns -1 if there are fewer. */
static int take_digits(const char **s, int digits)
{
	int v = 0;

	for (int i = 0; i < digits; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

/* Parse "Z" or "+hh:mm", which must be the rest of the text. */
static bool parse_offset(const char *s, int64_t *ret_s)
{
	int sign = *s == '-' ? -1 : 1, h, m;

	*ret_s = 0;
	if ((*s == 'Z' || *s == 'z') && !s[1])
		return true;
	if (*s != '+' && *s != '-')
		return false;
	s++;
	h = take_digits(&s, 2);
	if (h < 0 || h > 23 || *s++ != ':')
		return false;
	m = take_digits(&s, 2);
	if (m < 0 || m > 59 || *s)
		return false;
	*ret_s = sign * (h * 3600 + m * 60);
	return true;
}

static int64_t parse_fraction(const char **s)
{
	int64_t us = 0, unit = USEC_PER_SEC / 10;

	for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		us += (**s - '0') * unit;
	return us;
}

int clock_parse(const char *s, int64_t *ret_us)
{
	struct tm tm = {0}, check;
	int64_t offset_s = 0, fraction_us = 0;
	time_t t;

	tm.tm_year = take_digits(&s, 4) - 1900;
	if (tm.tm_year < 70 || *s++ != '-')
		return -EINVAL;
	tm.tm_mon = take_digits(&s, 2) - 1;
	if (tm.tm_mon < 0 || tm.tm_mon > 11 || *s++ != '-')
		return -EINVAL;
	tm.tm_mday = take_digits(&s, 2);
	if (tm.tm_mday < 1 || tm.tm_mday > 31)
		return -EINVAL;
	if (*s) {
		if (*s != 'T' && *s != 't' && *s != ' ')
			return -EINVAL;
		s++;
		tm.tm_hour = take_digits(&s, 2);
		if (tm.tm_hour < 0 || tm.tm_hour > 23 || *s++ != ':')
			return -EINVAL;
		tm.tm_min = take_digits(&s, 2);
		if (tm.tm_min < 0 || tm.tm_min > 59 || *s++ != ':')
			return -EINVAL;
		tm.tm_sec = take_digits(&s, 2);
		if (tm.tm_sec < 0 || tm.tm_sec > 60)
			return -EINVAL;
		if (*s == '.') {
			s++;
			if (*s < '0' || *s > '9')
				return -EINVAL;
			fraction_us = parse_fraction(&s);
		}
		if (!parse_offset(s, &offset_s))
			return -EINVAL;
	}
	check = tm;
	t = timegm(&check);
	if (check.tm_mday != tm.tm_mday || check.tm_mon != tm.tm_mon) /* e.g. 31 February */
		return -EINVAL;
	*ret_us = ((int64_t)t - offset_s) * USEC_PER_SEC + fraction_us;
	return 0;
}

static const struct {
	const char *unit;
	int64_t us;
} duration_units[] = {
	{"d", 86400 * USEC_PER_SEC}, {"h", 3600 * USEC_PER_SEC}, {"m", 60 * USEC_PER_SEC},
	{"s", USEC_PER_SEC},	     {"ms", USEC_PER_MSEC},
};

#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

int duration_parse(const char *s, int64_t *ret_us)
{
	int64_t sum = 0;

	if (!*s)
		return -EINVAL;
	while (*s) {
		char *end;
		long long v;
		size_t u, n;

		if (*s < '0' || *s > '9')
			return -EINVAL;
		errno = 0;
		v = strtoll(s, &end, 10);
		if (errno)
			return -ERANGE;
		n = strspn(end, "dhms");
		for (u = 0; u < DURATION_UNITS; u++)
			if (strlen(duration_units[u].unit) == n &&
			    memcmp(end, duration_units[u].unit, n) == 0)
				break;
		if (u == DURATION_UNITS)
			return -EINVAL;
		if (v > DURATION_MAX_US / duration_units[u].us)
			return -ERANGE;
		sum += v * duration_units[u].us;
		if (sum > DURATION_MAX_US)
			return -ERANGE;
		s = end + n;
	}
	*ret_us = sum;
	return 0;
}

char *duration_format(char *buf, int64_t us)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t u = 0; u < DURATION_UNITS; u++) {
		int64_t v = us / duration_units[u].us;

		if (v <= 0)
			continue;
		n += (size_t)snprintf(buf + n, DURATION_TEXT_LEN - n, "%lld%s", (long long)v,
				      duration_units[u].unit);
		us -= v * duration_units[u].us;
	}
	if (!n)
		snprintf(buf, DURATION_TEXT_LEN, "0s");
	return buf;
}

#define USEC_PER_DAY (86400 * USEC_PER_SEC)

int64_t utc_day(int64_t at_us)
{
	return at_us / USEC_PER_DAY - (at_us % USEC_PER_DAY < 0);
}

static void day_tm(int64_t day, struct tm *ret)
{
	time_t s = (time_t)(day * 86400);

	gmtime_r(&s, ret);
}

void utc_month(int64_t day, int64_t *ret_first, int64_t *ret_next)
{
	struct tm tm;

	day_tm(day, &tm);
	*ret_first = day - (tm.tm_mday - 1);
	tm.tm_mday = 1;
	tm.tm_mon++; /* timegm turns the 13th month into January */
	*ret_next = timegm(&tm) / 86400;
}

char *utc_day_format(char *buf, int64_t day)
{
	struct tm tm;

	day_tm(day, &tm);
	strftime(buf, CLOCK_TEXT_LEN, "%Y-%m-%d", &tm);
	return buf;
}
