/* SPDX-License-Identifier: MIT */
/* Time. Internally int64 microseconds, UTC; externally RFC 3339 with milliseconds. Any thread. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#define CLOCK_TEXT_LEN	 25 /* "2026-01-02T03:04:05.678Z" and NUL */
#define USEC_PER_SEC	 INT64_C(1000000)
#define USEC_PER_MSEC	 INT64_C(1000)
#define USEC_NEVER	 INT64_MAX
#define COND_WAIT_MAX_US (5 * USEC_PER_SEC)

int64_t clock_now_us(void);    /* wall clock, microseconds since the epoch */
int64_t clock_mono_us(void);   /* CLOCK_BOOTTIME: continues during a suspend */
int64_t clock_thread_us(void); /* CPU time of the calling thread */
/* Tests only: clock_now_us() returns this value; 0 ends that. */
void clock_fake_us(int64_t now_us);
/* Tests only: shift the wall clock by this amount; 0 ends that. */
void clock_shift_us(int64_t by_us);
/* Wait on a condition for at most delay_us, limited to COND_WAIT_MAX_US. Changes of the wall clock
 * have no effect. The kernel does not count the time of a suspend, so a caller with a longer wait
 * checks clock_mono_us() and waits again. */
void cond_wait_us(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t delay_us);
/* The wait after failure number `tries` (from 1): first_us, doubled at each further failure, at
 * most max_us. */
int64_t backoff_us(int64_t first_us, int64_t max_us, int tries);
/* Write "2026-01-02T03:04:05.678Z" into buf (CLOCK_TEXT_LEN). A time outside of the years 0 to 9999
 * is written as the nearest one inside. Returns buf. */
char *clock_format(char *buf, int64_t at_us);
/* Parse RFC 3339 (any offset, optional fraction) or a date alone (midnight UTC). Returns 0 or
 * -EINVAL. */
int clock_parse(const char *s, int64_t *ret_us);
/* Parse "90s", "15m", "1h", "7d", "500ms" or a sum such as "1h30m". Returns 0, -EINVAL or
 * -ERANGE. */
int duration_parse(const char *s, int64_t *ret_us);
/* The shortest such text, for messages. buf has at least 32 bytes. Returns buf. */
char *duration_format(char *buf, int64_t us);
/* utc_day: days since 1970-01-01, UTC. utc_month: the first day of the day's month and of the next
 * month. */
int64_t utc_day(int64_t at_us);
void utc_month(int64_t day, int64_t *ret_first, int64_t *ret_next);
/* Write a day as "2026-01-02" into buf (CLOCK_TEXT_LEN). Returns buf. */
char *utc_day_format(char *buf, int64_t day);
