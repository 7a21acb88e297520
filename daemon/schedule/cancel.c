/* SPDX-License-Identifier: MIT */
/*
 * Cancels a job, from its row down to the running work: an execution, a training job, an endpoint.
 * Runs in a transaction. Processes are stopped after the commit, and their ends end the job.
 * Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/job_state.h"

static int stop_job(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	const struct execution *ex = execution_of_job(mgr, job->id);
	struct reason reason;
	int r = sagemaker_runs(job) ? sagemaker_cancel(mgr, job, reterr) : 0;

	if (r < 0)
		return r;
	reason_set(&reason, REASON_CANCELLED, "the job was asked to stop");
	r = job->state == STATE_STOPPING
		    ? 0
		    : job_move(mgr, job->id, job->state, STATE_STOPPING, &reason, reterr);
	return r < 0 || !ex ? r : execution_stop_later(mgr, ex, reterr);
}

static int cancel_deploy(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	OWN(endpoint_rows_done) struct endpoint_rows live = {0};
	struct reason reason;
	bool made = false;
	int r = 0;

	if (job->state != STATE_STOPPING) {
		reason_set(&reason, REASON_CANCELLED, "the job was asked to stop");
		r = job_move(mgr, job->id, job->state, STATE_STOPPING, &reason, reterr);
	}
	if (r >= 0)
		r = store_endpoints_live(mgr->store, &live, reterr);
	for (size_t i = 0; r >= 0 && i < live.n; i++) {
		if (!str_eq(live.rows[i].job, job->id))
			continue;
		made = true;
		r = endpoint_delete(mgr, &live.rows[i], REASON_CANCELLED,
				    "the deploy job of the endpoint was cancelled", reterr);
	}
	if (r < 0 || made)
		return r;
	return sagemaker_runs(job) ? sagemaker_update_cancel(mgr, job, reterr)
				   : endpoint_update_cancel(mgr, job, reterr);
}

/* A job inside the daemon ends at once, a deploy with its endpoint. For any other job the execution
 * or the training job is stopped. */
static int cancel_active(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	struct job_row now = *job;
	struct reason reason;
	int r;

	if (job_kind_has_execution(job->kind))
		return stop_job(mgr, job, reterr);
	if (job->kind == JOB_DEPLOY)
		return cancel_deploy(mgr, job, reterr);
	reason_set(&reason, REASON_CANCELLED, "the job was asked to stop");
	r = job_move(mgr, job->id, job->state, STATE_STOPPING, &reason, reterr);
	now.state = STATE_STOPPING;
	return r < 0 ? r : job_finish(mgr, &now, STATE_CANCELLED, &reason, NULL, reterr);
}

int job_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	struct reason reason;
	int r;

	if (job_state_is_final(job->state))
		return err_set(
			reterr, ERR_CONFLICT, "job %s has already ended: the job %s%s", job->id,
			job->state == STATE_CANCELLED || job->state == STATE_SKIPPED ? "was " : "",
			job_state_str(job->state));
	r = store_job_set_cancel_requested(mgr->store, job->id, clock_now_us(), reterr);
	if (r < 0)
		return r;
	if (job->state == STATE_BLOCKED || job->state == STATE_QUEUED) {
		reason_set(&reason, REASON_CANCELLED, "the job was cancelled before it started");
		return job_end_unstarted(mgr, job, STATE_CANCELLED, &reason, reterr);
	}
	return cancel_active(mgr, job, reterr);
}
