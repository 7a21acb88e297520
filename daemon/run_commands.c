/* SPDX-License-Identifier: MIT */
/*
 * The commands of manager.h for a whole run: each applies the command of one job to the run's jobs,
 * as one command. A command that changes no job is refused. Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/schedule/job_state.h"
#include "storage/write/prune.h"

#include <assert.h>

static bool is_cleanup(const struct job_rows *jobs, size_t i)
{
	if (jobs->rows[i].kind != JOB_DELETE_ENDPOINT)
		return false;
	for (size_t d = 0; d < jobs->n; d++)
		if (jobs->rows[d].kind == JOB_DEPLOY && (jobs->rows[d].state == STATE_SUCCEEDED ||
							 job_state_is_active(jobs->rows[d].state)))
			return true;
	return false;
}

/* Cancels dependents first, so that they become cancelled, not skipped. A delete-endpoint job stays
 * if the run has made an endpoint, so that no endpoint remains that costs memory or money. */
static int run_cancel(struct manager *mgr, struct command *c, const struct job_rows *jobs,
		      struct err *reterr)
{
	bool any = false;
	int r = 0;

	for (size_t i = jobs->n; r >= 0 && i-- > 0;) {
		OWN(job_row_done) struct job_row job = {0};

		r = store_job_get(mgr->store, jobs->rows[i].id, &job, reterr);
		if (r < 0 || job_state_is_final(job.state))
			continue;
		any = true;
		if (!is_cleanup(jobs, i))
			r = job_cancel(mgr, &job, reterr);
	}
	if (r >= 0 && !any)
		return err_set(reterr, ERR_CONFLICT, "run %s has already ended", c->id);
	return r;
}

static bool may_retry(enum job_state s)
{
	return s == STATE_FAILED || s == STATE_CANCELLED || s == STATE_SKIPPED;
}

static int run_retry(struct manager *mgr, struct command *c, const struct job_rows *jobs,
		     struct err *reterr)
{
	size_t retried = 0;
	int r = store_prune_check(mgr->store, c->id, reterr);

	for (size_t i = 0; r >= 0 && i < jobs->n; i++) {
		if (!may_retry(jobs->rows[i].state))
			continue;
		retried++;
		r = job_check_folders(mgr, &jobs->rows[i], reterr);
		if (r < 0)
			return err_ctx(reterr, r, "job '%s' cannot be retried", jobs->rows[i].name);
		r = job_reset(mgr, &jobs->rows[i], STATE_BLOCKED, reterr);
	}
	if (r >= 0 && !retried)
		return err_set(reterr, ERR_CONFLICT,
			       "run %s has no failed, cancelled or skipped job to retry", c->id);
	for (size_t i = 0; r >= 0 && i < jobs->n; i++)
		if (may_retry(jobs->rows[i].state))
			r = job_settle(mgr, jobs->rows[i].id, reterr);
	return r;
}

static bool is_waiting(const struct job_row *job)
{
	return job->state == STATE_BLOCKED || job->state == STATE_QUEUED;
}

static int run_hold(struct manager *mgr, struct command *c, const struct job_rows *jobs,
		    struct err *reterr)
{
	bool hold = c->kind == COMMAND_RUN_HOLD, any = false;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < jobs->n; i++) {
		const struct job_row *job = &jobs->rows[i];

		if (hold ? !is_waiting(job) : job_state_is_final(job->state))
			continue;
		any |= hold || job->held;
		if (job->held != hold)
			r = store_job_set_held(mgr->store, job->id, hold, clock_now_us(), reterr);
	}
	if (r >= 0 && !any)
		return err_set(reterr, ERR_CONFLICT, "run %s has no %s", c->id,
			       hold ? "waiting job; you can hold a blocked or queued job only"
				    : "held job to release");
	return r;
}

static int run_priority(struct manager *mgr, struct command *c, const struct job_rows *jobs,
			struct err *reterr)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < jobs->n; i++) {
		if (job_state_is_final(jobs->rows[i].state))
			continue;
		any = true;
		r = store_job_set_priority(mgr->store, jobs->rows[i].id, (int)c->number,
					   clock_now_us(), reterr);
	}
	if (r >= 0 && !any)
		return err_set(reterr, ERR_CONFLICT, "run %s has already ended", c->id);
	return r;
}

/* Explain each job of the run that has not ended. */
static int run_explain(struct manager *mgr, struct command *c, const struct job_rows *jobs,
		       struct err *reterr)
{
	const struct job_row *asked[SPEC_JOBS_MAX];
	json_t *items = NULL;
	size_t n = 0;
	int r;

	assert(jobs->n <= ARRAY_LEN(asked));
	for (size_t i = 0; i < jobs->n; i++)
		if (!job_state_is_final(jobs->rows[i].state))
			asked[n++] = &jobs->rows[i];
	r = schedule_explain(mgr, asked, n, &items, reterr);
	if (r < 0)
		return r;
	c->answer = json_pack("{s:s, s:o}", "run", c->id, "items", items);
	return c->answer ? 0 : err_errno(reterr, ENOMEM, "explain the run");
}

int command_of_run(struct manager *mgr, struct command *c, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows jobs = {0};
	int r = store_jobs_of_run(mgr->store, c->id, &jobs, reterr);

	if (r >= 0 && !jobs.n)
		return err_set(reterr, ERR_NOT_FOUND, "there is no run '%s'", c->id);
	if (r < 0)
		return r;
	str_assign(c->result_id, c->id);
	if (c->kind == COMMAND_RUN_CANCEL)
		return run_cancel(mgr, c, &jobs, reterr);
	if (c->kind == COMMAND_RUN_EXPLAIN)
		return run_explain(mgr, c, &jobs, reterr);
	manager_want_schedule(mgr);
	if (c->kind == COMMAND_RUN_RETRY)
		return run_retry(mgr, c, &jobs, reterr);
	if (c->kind == COMMAND_RUN_PRIORITY)
		return run_priority(mgr, c, &jobs, reterr);
	return run_hold(mgr, c, &jobs, reterr);
}
