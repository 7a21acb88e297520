/* SPDX-License-Identifier: MIT */
/* The life of the pruner, and what it does each second. */
#include "base/own.h"
#include "daemon/prune/steps.h"

/* ---- each second ---- */

void prune_postpone(struct manager *mgr)
{
	if (mgr->pruner)
		retention_postpone(mgr);
}

void prune_tick(struct manager *mgr)
{
	struct err err = {0};

	if (mgr->pruner->retry_us && clock_mono_us() >= mgr->pruner->retry_us) {
		mgr->pruner->retry_us = 0;
		sources_move(mgr);
		if (removals_resume(mgr, &err) < 0)
			prune_try_later(mgr, "", &err);
	}
	retention_tick(mgr);
}

/* ---- life ---- */

int prune_open(struct manager *mgr, struct err *reterr)
{
	int r;

	mgr->pruner = calloc(1, sizeof(*mgr->pruner));
	if (!mgr->pruner)
		return err_errno(reterr, ENOMEM, "prepare to prune");
	r = trash_open(mgr->settings->data_dir, removal_on_done, mgr, &mgr->pruner->trash, reterr);
	if (r >= 0)
		r = removals_resume(mgr, reterr);
	if (r < 0)
		return r;
	sources_move(mgr);
	sources_tidy(mgr);
	trash_sweep(mgr->pruner->trash);
	return 0;
}

void prune_close(struct manager *mgr)
{
	if (!mgr->pruner)
		return;
	trash_close(mgr->pruner->trash);
	retention_close(mgr);
	free(TAKE(mgr->pruner));
}

int manager_measure(struct manager *mgr, struct measure *m, struct err *reterr)
{
	return trash_measure(mgr->pruner->trash, m, reterr);
}
