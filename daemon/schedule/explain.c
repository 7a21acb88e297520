/* SPDX-License-Identifier: MIT */
/* Why a job does not run now: the rules of scheduler.c, asked without starting anything. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/lifecycle.h"
#include "daemon/schedule/placement.h"

static int explain_needs(struct engine *e, const struct job_row *job, json_t *waits,
			 struct err *reterr)
{
	OWN(need_rows_done) struct need_rows needs = {0};
	int r = store_needs_of(e->store, job->id, &needs, reterr);

	for (size_t i = 0; r >= 0 && i < needs.n; i++) {
		OWN(job_row_done) struct job_row other = {0};

		if (job_state_is_final(needs.rows[i].state))
			continue;
		r = store_job_get(e->store, needs.rows[i].job, &other, reterr);
		if (r >= 0)
			json_array_append_new(waits, json_pack("{ss ss ss}", "job", other.id,
							       "name", other.name, "state",
							       job_state_str(other.state)));
	}
	return r;
}

static void words_of_waits(const json_t *waits, struct reason *why)
{
	OWN(buf_done) struct buf names = BUF_INIT(REASON_MSG_MAX / 2);
	json_t *wait;
	size_t i;

	json_array_foreach(waits, i, wait)
		buf_printf(&names, "%s'%s' (%s)", i ? ", " : "", json_get_str(wait, "name", ""),
			   json_get_str(wait, "state", ""));
	reason_set(why, REASON_WAITING_FOR_JOBS, "waits for %s", buf_str(&names));
}

/* Jobs of the same line that are ahead; `u` then counts what they take, or what is kept for them.
 */
static int pass_those_ahead(struct engine *e, const struct job_row *job, struct usage *u, int *ret,
			    struct err *reterr)
{
	OWN(job_rows_done) struct job_rows ready = {0};
	int r = store_jobs_ready(e->store, job->target, placement_of(job), clock_now_us(), 0,
				 ENGINE_LINE_MAX, &ready, reterr);

	*ret = 0;
	while (r >= 0 && (size_t)*ret < ready.n && !str_eq(ready.rows[*ret].id, job->id)) {
		const struct job_row *other = &ready.rows[(*ret)++];
		struct execution_row row = {0};
		struct reason why;

		if (schedule_may_start(e, other, &why) && !placement_find(e, u, other, &row, &why))
			placement_keep(u, other);
	}
	return r;
}

/* Waiting for the next try after this end. */
static enum reason_code code_of_wait(enum reason_code code)
{
	return code == REASON_QUOTA	    ? REASON_WAITING_FOR_QUOTA
	       : code == REASON_CAPACITY    ? REASON_WAITING_FOR_CAPACITY
	       : code == REASON_CREDENTIALS ? REASON_WAITING_FOR_CREDENTIALS
					    : REASON_WAITING_FOR_RETRY;
}

static int explain_queued(struct engine *e, const struct job_row *job, struct reason *why,
			  int *ret_ahead, struct err *reterr)
{
	OWN(freep) struct usage *u = usage_read(e);
	struct execution_row row = {0};
	char at[CLOCK_TEXT_LEN];
	int r = u ? pass_those_ahead(e, job, u, ret_ahead, reterr)
		  : err_errno(reterr, ENOMEM, "explain the job");

	if (r < 0)
		return r;
	if (job->held)
		reason_set(why, REASON_HELD, "it is held; release it to let it start");
	else if (job->not_before_us > clock_now_us())
		reason_set(why, code_of_wait(job->reason.code), "it is tried again at %s (%s: %s)",
			   clock_format(at, job->not_before_us), reason_code_str(job->reason.code),
			   job->reason.message);
	else if (!schedule_may_start(e, job, why) || !placement_find(e, u, job, &row, why))
		return 0;
	else if (*ret_ahead)
		reason_set(why, REASON_WAITING_FOR_SLOT, "%d job%s of its kind of slot start first",
			   *ret_ahead, *ret_ahead > 1 ? "s" : "");
	else
		reason_set(why, REASON_NONE, "it starts now");
	return 0;
}

int schedule_explain(struct engine *e, const struct job_row *job, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *waits = json_array();
	const struct execution *ex = execution_of_job(e, job->id);
	struct reason why = job->reason;
	int ahead = 0, r = 0;

	if (job->state == STATE_BLOCKED) {
		r = explain_needs(e, job, waits, reterr);
		words_of_waits(waits, &why);
	} else if (job->state == STATE_QUEUED) {
		r = explain_queued(e, job, &why, &ahead, reterr);
	} else if ((!why.message[0] || job->state == STATE_STOPPING) &&
		   cloud_explain(e, job, &why)) {
		/* it says it */
	} else if (ex && ex->unstarted) {
		reason_set(
			&why, REASON_WAITING_FOR_ROOM,
			"the machine had no room for its process: disk, descriptors, processes or "
			"memory; it is started again");
	} else if (!why.message[0]) {
		reason_set(&why, why.code, "it %s%s",
			   job_state_is_final(job->state) && job->state < STATE_CANCELLED ? "has "
											  : "is ",
			   job_state_str(job->state));
	}
	if (r < 0)
		return r;
	*ret = json_pack("{ss ss ss s{ss ss} sO si}", "job", job->id, "name", job->name, "state",
			 job_state_str(job->state), "reason", "code", reason_code_str(why.code),
			 "message", why.message, "waits_for", waits, "ahead", ahead);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "explain the job");
}
