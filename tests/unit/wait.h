/* SPDX-License-Identifier: MIT */
/* The one way to wait in a unit program: for a condition, with a deadline, never for a time. */
#pragma once

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_S 60

/* Wait until the condition is true; it is looked at every 5 ms. Fails the test after WAIT_S, with
 * the text of the condition or `what`. */
#define wait_until(condition) wait_until_what(condition, #condition)
#define wait_until_what(condition, what)                                              \
	for (int64_t end_us_ = clock_mono_us() + WAIT_S * USEC_PER_SEC; !(condition); \
	     wait_a_little(what, end_us_))                                            \
	continue

static inline void wait_a_little(const char *what, int64_t end_us)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	if (clock_mono_us() > end_us)
		fail_msg("not in %d s: %s", WAIT_S, what);
	nanosleep(&pause, NULL);
}
