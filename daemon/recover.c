/* SPDX-License-Identifier: MIT */
/*
 * Recovery at the start. Each live execution is re-attached (its lock is held), finished (exit.json
 * exists), started (it never ran) or declared lost. Jobs that the daemon runs itself continue.
 * Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/schedule/job_state.h"
#include "daemon/submit/models.h"

static int reattach_all(struct manager *mgr, struct err *reterr)
{
	OWN(execution_rows_done) struct execution_rows rows = {0};
	int r = store_executions_live(mgr->store, &rows, reterr);

	for (size_t i = 0; r >= 0 && i < rows.n; i++)
		if (!execution_add(mgr, &rows.rows[i], false))
			return err_errno(reterr, ENOMEM, "recover the executions");
	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		struct execution *ex = execution_find(mgr, rows.rows[i].id);

		if (ex)
			execution_reattach(mgr, ex);
	}
	return r;
}

static int resume_actions(struct manager *mgr, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows running = {0};
	int r = txn_begin(mgr, reterr);

	if (r < 0)
		return r;
	r = store_jobs_in_state(mgr->store, STATE_RUNNING, &running, reterr);
	for (size_t i = 0; r >= 0 && i < running.n; i++) {
		const struct job_row *job = &running.rows[i];

		if (job->kind != JOB_DEPLOY && !job_kind_has_execution(job->kind))
			r = action_resume(mgr, job, reterr);
	}
	if (r < 0)
		txn_fail(mgr, r, reterr);
	return txn_end(mgr, reterr);
}

/* True if this is a server, or a staging, of an endpoint that is being deleted or is gone. */
static bool is_unwanted(const struct endpoint_rows *live, const struct execution *ex)
{
	for (size_t i = 0; i < live->n; i++) {
		const struct endpoint_row *ep = &live->rows[i];

		if (str_eq(ex->row.endpoint, ep->id))
			return ep->state == ENDPOINT_DELETING;
		if (!ex->row.endpoint[0] && str_eq(ex->row.job, ep->job))
			return ep->state == ENDPOINT_DELETING;
	}
	return ex->row.endpoint[0];
}

/* Repeat the stops: jobs in stopping, and servers and stagings of endpoints that are being
 * deleted. */
static int resume_stops(struct manager *mgr, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows stopping = {0};
	OWN(endpoint_rows_done) struct endpoint_rows live = {0};
	int r = store_jobs_in_state(mgr->store, STATE_STOPPING, &stopping, reterr);

	for (size_t i = 0; r >= 0 && i < stopping.n; i++)
		for (struct execution *ex = mgr->executions; ex; ex = ex->next)
			if (str_eq(ex->row.job, stopping.rows[i].id))
				execution_stop(mgr, ex);
	if (r >= 0)
		r = store_endpoints_live(mgr->store, &live, reterr);
	for (struct execution *ex = mgr->executions; r >= 0 && ex; ex = ex->next)
		if (is_unwanted(&live, ex))
			execution_stop(mgr, ex);
	return r;
}

int manager_recover(struct manager *mgr, struct err *reterr)
{
	int r = reattach_all(mgr, reterr);

	if (r >= 0)
		r = strays_find(mgr, reterr);
	if (r >= 0)
		live_refresh(mgr);
	if (r >= 0)
		r = resume_actions(mgr, reterr);
	if (r >= 0)
		r = resume_stops(mgr, reterr);
	if (r >= 0)
		r = models_log_hidden(mgr, reterr);
	slots_publish(mgr);
	return r < 0 ? err_ctx(reterr, r, "recover") : 0;
}
