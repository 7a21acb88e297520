/* SPDX-License-Identifier: MIT */
/*
 * The only file that changes a job's state: ends, automatic retries, dependents, retry. Everything
 * runs in a transaction and changes only rows. Manager's thread.
 */
#include "daemon/schedule/job_state.h"
#include "base/own.h"
#include "daemon/sagemaker/sagemaker.h"

#include <assert.h>

#define RETRY_DELAY_US	   (2 * USEC_PER_SEC) /* doubled at each automatic retry */
#define RETRY_DELAY_MAX_US (300 * USEC_PER_SEC)
#define RETRY_DEFAULT_MAX  3 /* for reasons with an automatic retry by default (host_lost) */

int job_move(struct manager *mgr, const char *id, enum job_state from, enum job_state to,
	     const struct reason *reason, struct err *reterr)
{
	int r = store_job_set_state(mgr->store, id, from, to, reason, clock_now_us(), reterr);

	if (r < 0)
		return r;
	txn_log(mgr, LOG_LEVEL_INFO, "job_state", "job=%s from=%s to=%s cause=%s msg=\"%s\"", id,
		job_state_str(from), job_state_str(to), reason ? reason_code_str(reason->code) : "",
		reason ? reason->message : "");
	manager_want_schedule(mgr);
	return 0;
}

static enum attempt_state attempt_state_of(enum job_state s)
{
	return s == STATE_SUCCEEDED   ? ATTEMPT_SUCCEEDED
	       : s == STATE_CANCELLED ? ATTEMPT_CANCELLED
				      : ATTEMPT_FAILED;
}

/* True if the job is retried without a limit: the service had no capacity, or the keys have
 * expired. */
static bool retries_forever(const struct job_row *job, enum reason_code code)
{
	return code == REASON_QUOTA || code == REASON_CAPACITY || code == REASON_THROTTLED ||
	       (code == REASON_CREDENTIALS && sagemaker_runs(job));
}

/* True if this failure is retried automatically. Sets the back-off. */
static bool plan_retry(const struct job_row *job, const struct reason *reason, int *ret_retries,
		       int64_t *ret_not_before_us)
{
	struct job_resources res;
	bool patient = retries_forever(job, reason->code);
	bool by_default = patient || reason_retried_by_default(reason->code), named;

	job_resources_of(job->spec, &res);
	named = res.retry_max > 0 && (res.retry_on >> reason->code & 1);
	if (job->cancel_requested_us || (!named && !by_default))
		return false;
	if (!patient && job->auto_retries >= (named ? res.retry_max : RETRY_DEFAULT_MAX))
		return false;
	*ret_retries = job->auto_retries + 1;
	*ret_not_before_us =
		clock_now_us() + backoff_us(RETRY_DELAY_US, RETRY_DELAY_MAX_US, *ret_retries);
	return true;
}

static int end_attempt(struct manager *mgr, const struct job_row *job, const struct job_end *end,
		       int64_t at_us, struct err *reterr)
{
	int r = 0;

	if (job->attempt > 0)
		r = store_attempt_set_state(mgr->store, job->id, job->attempt,
					    attempt_state_of(end->to), &end->reason, at_us, reterr);
	if (r >= 0 && job->attempt > 0)
		r = store_attempt_set_result(mgr->store, job->id, job->attempt, NULL, end->outputs,
					     reterr);
	return r;
}

/* Settle each job that needs `id`, which has just become final. */
static int job_settle_dependents(struct manager *mgr, const char *id, struct err *reterr)
{
	OWN(need_rows_done) struct need_rows dependents = {0};
	int r = store_needed_by(mgr->store, id, &dependents, reterr);

	for (size_t i = 0; r >= 0 && i < dependents.n; i++)
		if (dependents.rows[i].state == STATE_BLOCKED)
			r = job_settle(mgr, dependents.rows[i].job, reterr);
	return r;
}

int job_end(struct manager *mgr, const struct job_row *job, const struct job_end *end,
	    struct err *reterr)
{
	int64_t not_before_us, now = clock_now_us();
	int64_t at_us = end->at_us && end->at_us < now ? end->at_us : now;
	int r, retries;

	assert(job_state_is_final(end->to));
	r = end_attempt(mgr, job, end, at_us, reterr);
	if (r < 0)
		return r;
	if (end->to == STATE_FAILED && !end->may_live &&
	    plan_retry(job, &end->reason, &retries, &not_before_us)) {
		r = store_job_set_retry(mgr->store, job->id, retries, not_before_us, reterr);
		return r < 0 ? r
			     : job_move(mgr, job->id, job->state, STATE_QUEUED, &end->reason,
					reterr);
	}
	r = job_move(mgr, job->id, job->state, end->to, &end->reason, reterr);
	if (r >= 0)
		figures_job_ended(mgr, job, end->to, at_us);
	if (r >= 0 && end->outputs)
		r = store_job_set_outputs(mgr->store, job->id, end->outputs, reterr);
	if (r >= 0 && at_us < now)
		r = store_job_set_finished(mgr->store, job->id, at_us, reterr);
	return r < 0 ? r : job_settle_dependents(mgr, job->id, reterr);
}

int job_end_unstarted(struct manager *mgr, const struct job_row *job, enum job_state to,
		      const struct reason *reason, struct err *reterr)
{
	int r = job_move(mgr, job->id, job->state, to, reason, reterr);

	if (r < 0)
		return r;
	figures_job_ended(mgr, job, to, clock_now_us());
	return job_settle_dependents(mgr, job->id, reterr);
}

int job_finish(struct manager *mgr, const struct job_row *job, enum job_state to,
	       const struct reason *reason, const json_t *outputs, struct err *reterr)
{
	struct job_end end = {.to = to, .reason = *reason, .outputs = outputs};

	return job_end(mgr, job, &end, reterr);
}

/* ---- dependents ---- */

enum verdict {
	VERDICT_WAIT,
	VERDICT_GO,
	VERDICT_SKIP,
};

static bool need_is_met(const struct need_row *need)
{
	switch (need->when) {
	case NEED_SUCCESS:
		return need->state == STATE_SUCCEEDED;
	case NEED_FAILURE:
		return need->state == STATE_FAILED || need->state == STATE_CANCELLED;
	case NEED_ALWAYS:
		return true;
	}
	return false;
}

/* *ret_need is the need that decided (for SKIP), borrowed from `needs`. */
static enum verdict judge(const struct need_rows *needs, const struct need_row **ret_need)
{
	enum verdict v = VERDICT_GO;

	for (size_t i = 0; i < needs->n; i++) {
		if (!job_state_is_final(needs->rows[i].state)) {
			v = VERDICT_WAIT;
		} else if (!need_is_met(&needs->rows[i])) {
			*ret_need = &needs->rows[i];
			return VERDICT_SKIP;
		}
	}
	return v;
}

static int skip_job(struct manager *mgr, const struct job_row *job, const struct need_row *need,
		    struct err *reterr)
{
	struct reason reason;

	reason_set(&reason, REASON_DEPENDENCY, "job '%s' %s%s", need->name,
		   job_state_str(need->state),
		   need->when == NEED_FAILURE ? ", and this job runs only when it fails" : "");
	return job_end_unstarted(mgr, job, STATE_SKIPPED, &reason, reterr);
}

int job_settle(struct manager *mgr, const char *id, struct err *reterr)
{
	OWN(need_rows_done) struct need_rows needs = {0};
	OWN(job_row_done) struct job_row job = {0};
	const struct need_row *need = NULL;
	struct reason none = {0};
	int r = store_job_get(mgr->store, id, &job, reterr);

	if (r >= 0)
		r = store_needs_of(mgr->store, id, &needs, reterr);
	if (r < 0 || job.state != STATE_BLOCKED)
		return r;
	switch (judge(&needs, &need)) {
	case VERDICT_WAIT:
		return 0;
	case VERDICT_GO:
		return job_move(mgr, id, STATE_BLOCKED, STATE_QUEUED, &none, reterr);
	case VERDICT_SKIP:
		return skip_job(mgr, &job, need, reterr);
	}
	return 0;
}

/* ---- retry ---- */

static int retry_dependents(struct manager *mgr, const char *id, struct err *reterr)
{
	OWN(need_rows_done) struct need_rows dependents = {0};
	struct reason none = {0};
	int r = store_needed_by(mgr->store, id, &dependents, reterr);

	for (size_t i = 0; r >= 0 && i < dependents.n; i++) {
		const struct need_row *d = &dependents.rows[i];

		if (d->state != STATE_SKIPPED)
			continue;
		r = job_move(mgr, d->job, STATE_SKIPPED, STATE_BLOCKED, &none, reterr);
		if (r >= 0)
			r = retry_dependents(mgr, d->job, reterr);
	}
	return r;
}

int job_reset(struct manager *mgr, const struct job_row *job, enum job_state to, struct err *reterr)
{
	struct reason none = {0};
	int r = store_job_set_retry(mgr->store, job->id, 0, 0, reterr);

	if (r >= 0)
		r = store_job_set_cancel_requested(mgr->store, job->id, 0, reterr);
	return r < 0 ? r : job_move(mgr, job->id, job->state, to, &none, reterr);
}

int job_retry(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	OWN(need_rows_done) struct need_rows needs = {0};
	const struct need_row *need = NULL;
	enum verdict v;
	int r;

	if (job->state != STATE_FAILED && job->state != STATE_CANCELLED &&
	    job->state != STATE_SKIPPED)
		return err_set(
			reterr, ERR_CONFLICT,
			"job %s is %s; you can retry a failed, cancelled or skipped job only",
			job->id, job_state_str(job->state));
	r = store_needs_of(mgr->store, job->id, &needs, reterr);
	if (r < 0)
		return r;
	v = judge(&needs, &need);
	if (v == VERDICT_SKIP)
		return err_set(reterr, ERR_CONFLICT,
			       "job '%s' needs '%s', which %s: retry that job or the whole run",
			       job->name, need->name, job_state_str(need->state));
	r = job_check_folders(mgr, job, reterr);
	if (r < 0)
		return r;
	r = job_reset(mgr, job, v == VERDICT_GO ? STATE_QUEUED : STATE_BLOCKED, reterr);
	return r < 0 ? r : retry_dependents(mgr, job->id, reterr);
}
