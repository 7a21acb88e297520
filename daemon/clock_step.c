/* SPDX-License-Identifier: MIT */
/*
 * The wall clock is set (by hand, by NTP after a long time): what waits for a while goes on for
 * what is left of it, and what stands by the wall clock (leases, expiry of keys, days of money) is
 * looked at again at once. Seen at each tick as a jump between the wall clock and the one that
 * nobody sets.
 */
#include "base/log.h"
#include "daemon/prune/prune.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/job_state.h"

#include <inttypes.h>

#define STEP_US	   (USEC_PER_SEC / 2)	 /* less is a clock that runs a little fast or slow */
#define FORWARD_US (3600 * USEC_PER_SEC) /* from here on everything seems old */

static int shift(struct manager *mgr, int64_t by_us)
{
	struct err why = {0};
	int r = txn_begin(mgr, &why);

	if (r < 0)
		return r;
	r = store_shift_waits(mgr->store, by_us, &why);
	if (r < 0)
		txn_fail(mgr, r, &why);
	return txn_end(mgr, &why);
}

void clock_step_look(struct manager *mgr)
{
	int64_t offset_us = clock_now_us() - clock_mono_us();
	int64_t by_us = offset_us - mgr->clock_offset_us;

	if (by_us >= STEP_US || by_us <= -STEP_US) {
		log_event(LOG_LEVEL_WARNING, "clock_set", "by_ms=%" PRId64, by_us / USEC_PER_MSEC);
		if (shift(mgr, by_us) < 0)
			return; /* again at the next tick */
		if (by_us >= FORWARD_US)
			prune_postpone(mgr);
		mgr->due_us = 0;
		manager_want_schedule(mgr);
		sagemaker_reconcile_soon(mgr);
	}
	mgr->clock_offset_us = offset_us;
}
