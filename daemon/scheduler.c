/* SPDX-License-Identifier: MIT */
/*
 * Which ready job starts now. One line for each place (nothing, CPU, endpoint, GPU): highest
 * priority first, then the longest queued; a job that must wait holds back its own line, so that
 * it is not overtaken for ever, but no other.
 */
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/checkpoint.h"
#include "daemon/cloud.h"
#include "daemon/endpoint.h"
#include "daemon/execution.h"
#include "daemon/lifecycle.h"
#include "daemon/placement.h"

#include <string.h>

/* ---- references ---- */

struct outputs_of_run {
	struct engine *e;
	struct job_rows jobs;
	char file[SPEC_PATH_MAX + 64];
};

/* An output whose values stand in its place, such as metrics: the file that they are from. */
static const char *output_file(struct outputs_of_run *run, const struct job_row *job,
			       const char *output)
{
	const char *where = job_output_path(job->kind, output);
	struct execution_row last;

	if (!where || store_execution_last(run->e->store, job->id, &last, NULL) < 0 ||
	    !path_join(run->file, sizeof(run->file), last.dir, where) ||
	    !path_exists(AT_FDCWD, run->file))
		return NULL;
	return run->file;
}

static const char *find_output(void *userdata, const char *job, const char *output)
{
	struct outputs_of_run *run = userdata;

	for (size_t i = 0; i < run->jobs.n; i++) {
		const struct job_row *row = &run->jobs.rows[i];

		if (!str_eq(row->name, job) || row->state != STATE_SUCCEEDED)
			continue;
		if (json_is_object(json_object_get(row->outputs, output)))
			return output_file(run, row, output);
		return json_get_str(row->outputs, output, NULL);
	}
	return NULL;
}

int job_resolve(struct engine *e, const struct job_row *job, json_t **ret, struct err *reterr)
{
	struct outputs_of_run run = {.e = e};
	int r = store_jobs_of_run(e->store, job->run, &run.jobs, reterr);

	if (r >= 0)
		r = spec_resolve(job->spec, find_output, &run, ret, reterr);
	job_rows_done(&run.jobs);
	return r;
}

/* ---- starting one job ---- */

/* A job that fails before it has a process still has an attempt that says why. */
static int fail_start(struct engine *e, const struct job_row *job, enum reason_code code,
		      const struct err *why, struct err *reterr)
{
	struct reason reason;

	reason_set(&reason, code, "%s", why->msg);
	return job_finish(e, job, STATE_FAILED, &reason, NULL, reterr);
}

/* What the attempt before has left to go on from. Of native training its newest complete
 * checkpoint: it has a manifest, which is written last. Of a script all that lies in checkpoints:
 * which of them are whole is for the script to say. */
static int find_resume(struct engine *e, const struct job_row *job, char *path, size_t size,
		       struct err *reterr)
{
	struct execution_row last;
	int r = store_execution_last(e->store, job->id, &last, reterr);

	path[0] = '\0';
	if (r == -ERR_NOT_FOUND)
		return 0;
	if (r >= 0)
		(json_object_get(job->spec, "entry_point") ? checkpoint_of_script
							   : checkpoint_find)(last.dir, path, size);
	return r < 0 ? r : 0;
}

static int start_process(struct engine *e, const struct job_row *job, const json_t *spec,
			 struct execution_row *row, struct err *reterr)
{
	bool deploy = job->kind == JOB_DEPLOY, serve = deploy && !cloud_runs(job);
	enum reason_code code = REASON_EXEC_FAILED;
	char resume[SPEC_PATH_MAX] = "";
	struct err why = {0};
	int r = deploy ? 0 : find_resume(e, job, resume, sizeof(resume), reterr);

	if (r < 0)
		return r;
	r = execution_prepare(e, job, serve, row, spec, resume[0] ? resume : NULL, &code, &why);
	if (r < 0)
		return fail_start(e, job, r == -ENOSPC ? REASON_DISK_FULL : code, &why, reterr);
	return deploy ? endpoint_deploy(e, job, spec, row, reterr)
		      : execution_launch(e, row, reterr);
}

static int begin_attempt(struct engine *e, struct job_row *job, struct err *reterr)
{
	struct reason none = {0};
	int r = store_attempt_insert(e->store, job->id, clock_now_us(), &job->attempt, reterr);

	if (r >= 0)
		r = job_move(e, job->id, STATE_QUEUED, STATE_STARTING, &none, reterr);
	job->state = STATE_STARTING;
	return r;
}

static int start_job(struct engine *e, struct job_row *job, struct execution_row *row,
		     struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL;
	struct reason gone;
	struct err why = {0};
	int resolved = job_resolve(e, job, &spec, &why), r;

	if (resolved == -ERR_NOT_FOUND && job->kind == JOB_DELETE_ENDPOINT) {
		reason_set(&gone, REASON_DEPENDENCY, "there is no endpoint to delete: %s", why.msg);
		r = job_move(e, job->id, STATE_QUEUED, STATE_SKIPPED, &gone, reterr);
		return r < 0 ? r : job_settle_dependents(e, job->id, reterr);
	}
	r = begin_attempt(e, job, reterr);
	if (r < 0)
		return r;
	if (resolved < 0)
		return fail_start(e, job, REASON_DATA_MISSING, &why, reterr);
	str_copy(row->job, sizeof(row->job), job->id);
	row->attempt = job->attempt;
	if (placement_of(job) == PLACE_NONE)
		return action_start(e, job, spec, reterr);
	return start_process(e, job, spec, row, reterr);
}

/* Its tries have used up what a job may cost: nothing that could come makes it fit. */
static int never_starts(struct engine *e, struct job_row *job, const struct reason *why,
			struct err *reterr)
{
	int r = begin_attempt(e, job, reterr);

	return r < 0 ? r : job_finish(e, job, STATE_FAILED, why, NULL, reterr);
}

/* What holds a job back for long is shown by the job itself, not only by explain. */
static int say_wait(struct engine *e, const struct job_row *job, const struct reason *why,
		    struct err *reterr)
{
	bool money = why->code == REASON_WAITING_FOR_MONEY;

	if (!money && e->aws && e->cloud->pause.code == REASON_NONE)
		return 0; /* something is being looked up: it takes a moment */
	if (job->reason.code == why->code && (!money || str_eq(job->reason.message, why->message)))
		return 0;
	return store_job_set_reason(e->store, job->id, why, clock_now_us(), reterr);
}

static int forget_wait(struct engine *e, const struct job_row *job, struct err *reterr)
{
	if (job->reason.code != REASON_WAITING_FOR_MONEY &&
	    job->reason.code != REASON_WAITING_FOR_CREDENTIALS)
		return 0;
	return store_job_set_reason(e->store, job->id, NULL, clock_now_us(), reterr);
}

static void look_again(struct engine *e, void *arg, bool committed)
{
	engine_want_schedule(e);
}

/* Does it wait for something else than a place? */
static bool may_start(struct engine *e, const struct job_row *job, struct reason *why)
{
	return endpoint_is_settled(e, job, why) && cloud_may_start(e, job, why);
}

/* The jobs of one line: the first that must wait for a place holds back those behind it; one that
 * waits for AWS or for money does not. */
static int start_line(struct engine *e, enum job_target target, enum job_place place,
		      struct usage *u, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows ready = {0};
	int r = store_jobs_ready(e->store, target, place, clock_now_us(), ENGINE_READY_MAX, &ready,
				 reterr);

	for (size_t i = 0; r >= 0 && i < ready.n; i++) {
		struct execution_row row = {0};
		struct reason why;

		if (!may_start(e, &ready.rows[i], &why)) {
			if (why.code == REASON_MONEY_CAP) {
				r = never_starts(e, &ready.rows[i], &why, reterr);
				continue;
			}
			e->time_helps = true;
			r = say_wait(e, &ready.rows[i], &why, reterr);
			continue;
		}
		if (!placement_find(e, u, &ready.rows[i], &row, &why)) {
			e->time_helps |= place == PLACE_GPU;
			r = forget_wait(e, &ready.rows[i], reterr);
			break;
		}
		r = start_job(e, &ready.rows[i], &row, reterr);
	}
	if (r >= 0 && ready.n == ENGINE_READY_MAX && place == PLACE_NONE)
		turn_after(e, look_again, NULL); /* these never wait: the rest is due, too */
	return r;
}

static int start_all(struct engine *e, struct usage *u, struct err *reterr)
{
	int r = 0;

	e->time_helps = false;
	for (int target = 0; target < TARGETS_; target++)
		for (int place = 0; r >= 0 && place < PLACES_; place++)
			r = start_line(e, (enum job_target)target, (enum job_place)place, u,
				       reterr);
	return r < 0 ? r : store_next_not_before(e->store, clock_now_us(), &e->due_us, reterr);
}

void schedule_pass(struct engine *e)
{
	OWN(freep) struct usage *u = usage_read(e);
	struct err why = {0};
	int r;

	e->due_us = 0; /* if this fails, the next tick tries again */
	if (!u || turn_begin(e, &why) < 0)
		return;
	r = start_all(e, u, &why);
	if (r < 0) {
		e->due_us = 0;
		turn_fail(e, r, &why);
	}
	turn_end(e, NULL);
}

bool schedule_is_due(const struct engine *e)
{
	return e->time_helps || clock_now_us() >= e->due_us;
}

/* ---- explain ---- */

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

/* Jobs of the same line that are ahead. */
static int count_ahead(struct engine *e, const struct job_row *job, int *ret, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows ready = {0};
	int r = store_jobs_ready(e->store, job->target, placement_of(job), clock_now_us(),
				 ENGINE_READY_MAX, &ready, reterr);

	*ret = 0;
	while (r >= 0 && (size_t)*ret < ready.n && !str_eq(ready.rows[*ret].id, job->id))
		++*ret;
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
	int r = count_ahead(e, job, ret_ahead, reterr);

	if (r < 0)
		return r;
	if (job->held)
		reason_set(why, REASON_HELD, "it is held; release it to let it start");
	else if (job->not_before_us > clock_now_us())
		reason_set(why, code_of_wait(job->reason.code), "it is tried again at %s (%s: %s)",
			   clock_format(at, job->not_before_us), reason_code_str(job->reason.code),
			   job->reason.message);
	else if (!may_start(e, job, why) || (u && !placement_find(e, u, job, &row, why)))
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
