/* SPDX-License-Identifier: MIT */
/* Time: one internal unit, int64 microseconds; UTC; RFC 3339 with milliseconds outside. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#define CLOCK_TEXT_LEN	 25 /* "2026-01-02T03:04:05.678Z" and NUL */
#define USEC_PER_SEC	 INT64_C(1000000)
#define USEC_PER_MSEC	 INT64_C(1000)
#define USEC_NEVER	 INT64_MAX
#define COND_WAIT_MAX_US (5 * USEC_PER_SEC)

int64_t clock_now_us(void);  /* wall clock, microseconds since the epoch */
int64_t clock_mono_us(void); /* CLOCK_BOOTTIME: goes on while the machine sleeps */
/* Tests only: make clock_now_us() return this until set to 0. */
void clock_fake_us(int64_t now_us);
/* Tests only: as if the wall clock had been set by so much; 0: it is right again. */
void clock_shift_us(int64_t by_us);
/* Wait on a condition for at most delay_us, at most COND_WAIT_MAX_US, whatever is done to the wall
 * clock meanwhile. The kernel counts such waits without the time of a suspend: who waits longer
 * looks at clock_mono_us() and waits again. */
void cond_wait_us(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t delay_us);
/* "2026-01-02T03:04:05.678Z" into buf (CLOCK_TEXT_LEN); returns buf. */
char *clock_format(char *buf, int64_t at_us);
/* RFC 3339 (any offset, optional fraction) or a bare date (midnight UTC). 0 or -EINVAL. */
int clock_parse(const char *s, int64_t *ret_us);
/* "90s", "15m", "1h", "7d", "500ms", also sums such as "1h30m"; 0 or -EINVAL / -ERANGE. */
int duration_parse(const char *s, int64_t *ret_us);
/* The shortest such text, for messages. buf of at least 32 bytes; returns buf. */
char *duration_format(char *buf, int64_t us);
/* Days since 1970-01-01, UTC; its month: the first day and the first of the next month. */
int64_t utc_day(int64_t at_us);
void utc_month(int64_t day, int64_t *ret_first, int64_t *ret_next);
/* "2026-01-02" of a day; buf of CLOCK_TEXT_LEN; returns buf. */
char *utc_day_format(char *buf, int64_t day);
