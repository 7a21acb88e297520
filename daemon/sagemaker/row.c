/* SPDX-License-Identifier: MIT */
/* Changes the desired state of a resource: stores its row and reconciles it after the commit.
 * Manager's thread. */
#include "base/str.h"
#include "daemon/sagemaker/controller.h"

#include <errno.h>
#include <string.h>

static void cancel_after(struct manager *mgr, void *arg, bool committed)
{
	for (struct sagemaker_call *cc = mgr->sagemaker->calls; committed && cc; cc = cc->next)
		if (cc->step == SAGEMAKER_STEP_PARITY && str_eq(cc->row, arg))
			aws_cancel(mgr->aws, &cc->call);
	free(arg);
}

/* Cancel a running parity check of the old state. */
static int give_up_parity(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	char *id = strdup(row->id);

	if (!id)
		return err_errno(reterr, ENOMEM, "end the check of the endpoint");
	txn_on_commit(mgr, cancel_after, id);
	return 0;
}

int sagemaker_resource_desire(struct manager *mgr, struct resource_row *row, struct err *reterr)
{
	int r = row->kind == RESOURCE_ENDPOINT ? give_up_parity(mgr, row, reterr) : 0;

	row->next_us = 0;
	txn_on_commit(mgr, sagemaker_reconcile_on_commit, NULL);
	return r < 0 ? r : store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

int sagemaker_resource_unwant(struct manager *mgr, struct resource_row *row,
			      const struct reason *reason, struct err *reterr)
{
	row->wanted = false;
	row->reason = *reason;
	return sagemaker_resource_desire(mgr, row, reterr);
}
