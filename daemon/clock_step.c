/* SPDX-License-Identifier: MIT */
/*
 * Detects that the wall clock was set (by hand, or by NTP after a long time). Relative waits keep
 * the rest of their duration; rules that use the wall clock (leases, expiry of keys, days of money)
 * are checked at once. Each tick compares the wall clock with the monotonic clock. Manager's
 * thread.
 */
#include "base/log.h"
#include "daemon/prune/prune.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/job_state.h"

#include <inttypes.h>

#define STEP_US	   (USEC_PER_SEC / 2)	 /* a smaller difference is only drift of the clock */
#define FORWARD_US (3600 * USEC_PER_SEC) /* from this step on everything seems old */

static int shift(struct manager *mgr, int64_t by_us)
{
	struct err err = {0};
	int r = txn_begin(mgr, &err);

	if (r < 0)
		return r;
	r = store_shift_waits(mgr->store, by_us, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	return txn_end(mgr, &err);
}

void clock_step_look(struct manager *mgr)
{
	int64_t offset_us = clock_now_us() - clock_mono_us();
	int64_t by_us = offset_us - mgr->clock_offset_us;

	if (by_us >= STEP_US || by_us <= -STEP_US) {
		log_event(LOG_LEVEL_WARNING, "clock_set", "by_ms=%" PRId64, by_us / USEC_PER_MSEC);
		if (shift(mgr, by_us) < 0)
			return; /* tried again at the next tick */
		if (by_us >= FORWARD_US)
			prune_postpone(mgr);
		mgr->due_us = 0;
		manager_want_schedule(mgr);
		sagemaker_reconcile_soon(mgr);
	}
	mgr->clock_offset_us = offset_us;
}
