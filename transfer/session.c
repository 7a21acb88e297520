/* SPDX-License-Identifier: MIT */
/* What the items of a transfer share: progress, and the check for a stop. */
#include "transfer/transfer.h"

void transfer_expect(struct transfer *t, int64_t bytes)
{
	__atomic_add_fetch(&t->total_bytes, bytes, __ATOMIC_RELAXED);
}

void transfer_moved(struct transfer *t, int64_t bytes)
{
	int64_t done = __atomic_add_fetch(&t->done_bytes, bytes, __ATOMIC_RELAXED);
	int64_t total = __atomic_load_n(&t->total_bytes, __ATOMIC_RELAXED);

	/* never report 100 %: more items may come */
	if (done < total)
		report_progress(t->report, t->phase, "bytes", done, total);
}

int transfer_stopped(const struct transfer *t, struct err *reterr)
{
	if (!*t->stop)
		return 0;
	return err_set(reterr, ERR_CANCELLED, "the transfer was stopped");
}
