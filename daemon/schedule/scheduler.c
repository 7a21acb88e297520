/* SPDX-License-Identifier: MIT */
/*
 * Selects the ready job that starts next. Each kind of slot (none, CPU, endpoint, GPU) has its own
 * queue. Order: highest priority, then the run's submit and the job's position in the run, whenever
 * the job became ready. A job that must wait blocks only its own queue, so that it is not overtaken
 * forever. In the GPU queue it blocks only the GPUs that it could use. Manager's thread.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/checkpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/restore/restore.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/schedule/headroom.h"
#include "daemon/schedule/job_state.h"
#include "daemon/schedule/placement.h"

#include <assert.h>
#include <string.h>

#define JOB_WAITS 1 /* result: the job was not started and stays queued */

/* ---- starting one job ---- */

/* A job that fails before its process starts still has an attempt with the reason. */
static int fail_start(struct manager *mgr, const struct job_row *job, enum reason_code code,
		      const struct err *err, struct err *reterr)
{
	struct reason reason;

	reason_set(&reason, code, "%s", err->msg);
	return job_finish(mgr, job, STATE_FAILED, &reason, NULL, reterr);
}

/* What the attempts before have left to go on from: of the newest that has left something. Of
 * native training its newest complete checkpoint: it has a manifest, which is written last. Of a
 * script all that lies in checkpoints: which of them are whole is for the script to say. */
static int find_resume(struct manager *mgr, const struct job_row *job, char *path, size_t size,
		       struct err *reterr)
{
	bool script = json_object_get(job->spec, "entry_point");
	int r = 0;

	path[0] = '\0';
	for (int n = job->attempt; n > 0 && !path[0]; n--) {
		struct execution_row ex;

		r = store_execution_of_attempt(mgr->store, job->id, n, &ex, reterr);
		if (r < 0 && r != -ERR_NOT_FOUND)
			return r;
		if (r >= 0)
			(script ? checkpoint_of_script : checkpoint_find)(ex.dir, path, size);
	}
	return 0;
}

static int begin_attempt(struct manager *mgr, struct job_row *job, struct err *reterr)
{
	struct reason none = {0};
	int r = store_attempt_insert(mgr->store, job->id, clock_now_us(), &job->attempt, reterr);

	if (r >= 0)
		r = job_move(mgr, job->id, STATE_QUEUED, STATE_STARTING, &none, reterr);
	if (r >= 0)
		figures_job_started(mgr, job);
	job->state = STATE_STARTING;
	return r;
}

/* The files are written first: if the disk has no room, the job stays queued and no attempt is
 * recorded. Returns JOB_WAITS in that case, with the reason in *reason. */
static int start_process(struct manager *mgr, struct job_row *job, const json_t *spec,
			 struct execution_row *row, struct reason *reason, struct err *reterr)
{
	bool deploy = job->kind == JOB_DEPLOY, serve = deploy && !sagemaker_runs(job);
	enum reason_code code = REASON_EXEC_FAILED;
	char resume[SPEC_PATH_MAX] = "";
	struct err trouble = {0};
	int r = deploy ? 0 : find_resume(mgr, job, resume, sizeof(resume), reterr), prepared;

	if (r < 0)
		return r;
	str_assign(row->job, job->id);
	row->attempt = ++job->attempt;
	prepared = execution_prepare(mgr, job, serve, row, spec, resume[0] ? resume : NULL, &code,
				     &trouble);
	if (headroom_is_missing(prepared)) {
		reason_set(reason, REASON_WAITING_FOR_ROOM, "%s", trouble.msg);
		return JOB_WAITS;
	}
	r = begin_attempt(mgr, job, reterr);
	if (r < 0)
		return r;
	assert(row->attempt == job->attempt);
	if (prepared < 0)
		return fail_start(mgr, job, code, &trouble, reterr);
	return deploy ? endpoint_deploy(mgr, job, spec, row, reterr)
		      : execution_launch(mgr, row, reterr);
}

static int start_job(struct manager *mgr, struct job_row *job, struct execution_row *row,
		     struct reason *reason, struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL;
	struct reason gone;
	struct err trouble = {0};
	int resolved = job_resolve_checked(mgr, job, &spec, &trouble), r;

	if (resolved == -ERR_NOT_FOUND && job->kind == JOB_DELETE_ENDPOINT) {
		reason_set(&gone, REASON_DEPENDENCY, "the job has no endpoint to delete: %s",
			   trouble.msg);
		return job_end_unstarted(mgr, job, STATE_SKIPPED, &gone, reterr);
	}
	if (resolved >= 0 && placement_of(job) != PLACE_NONE)
		return start_process(mgr, job, spec, row, reason, reterr);
	r = begin_attempt(mgr, job, reterr);
	if (r < 0)
		return r;
	if (resolved < 0)
		return fail_start(mgr, job,
				  resolved == -ERR_REMOVED  ? REASON_REMOVED_OUTSIDE
				  : resolved == -ERR_PRUNED ? REASON_PRUNED
							    : REASON_DATA_MISSING,
				  &trouble, reterr);
	return action_start(mgr, job, spec, reterr);
}

/* The earlier attempts have used up the job's cap, so the job can never start. */
static int never_starts(struct manager *mgr, struct job_row *job, const struct reason *reason,
			struct err *reterr)
{
	int r = begin_attempt(mgr, job, reterr);

	return r < 0 ? r : job_finish(mgr, job, STATE_FAILED, reason, NULL, reterr);
}

/* Store a long wait with the job, so that the job itself shows it, not only explain. */
static int say_wait(struct manager *mgr, const struct job_row *job, const struct reason *reason,
		    struct err *reterr)
{
	bool money = reason->code == REASON_WAITING_FOR_MONEY;

	if (!money && reason->code != REASON_WAITING_FOR_ROOM && mgr->aws &&
	    mgr->sagemaker->pause.code == REASON_NONE)
		return 0; /* a look-up is running, which takes a moment */
	if (job->reason.code == reason->code &&
	    (!money || str_eq(job->reason.message, reason->message)))
		return 0;
	return store_job_set_reason(mgr->store, job->id, reason, clock_now_us(), reterr);
}

/* True if say_wait() has stored this reason. The job then waits for something other than a slot,
 * and the reason does not belong to its last attempt. */
static bool is_published_wait(enum reason_code code)
{
	return code == REASON_WAITING_FOR_MONEY || code == REASON_WAITING_FOR_ROOM ||
	       code == REASON_WAITING_FOR_CREDENTIALS || code == REASON_WAITING_FOR_SLOT ||
	       code == REASON_ENDPOINT_TAKEN;
}

static int forget_wait(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	return is_published_wait(job->reason.code)
		       ? store_job_set_reason(mgr->store, job->id, NULL, clock_now_us(), reterr)
		       : 0;
}

static void look_again(struct manager *mgr, void *arg, bool committed)
{
	manager_want_schedule(mgr);
}

bool schedule_may_start(struct manager *mgr, struct usage *u, const struct job_row *job,
			struct reason *reason)
{
	const char *stray = stray_of_job(mgr, job->id);

	if (mgr->restored_us) {
		restore_reason(mgr, reason);
		return false;
	}
	if (stray) {
		reason_set(reason, REASON_WAITING_FOR_SLOT,
			   "execution %s of the job, which the database does not know, is still "
			   "ending",
			   stray);
		return false;
	}
	if (!endpoint_is_settled(mgr, job, reason) || !sagemaker_may_start(mgr, job, reason))
		return false;
	return placement_of(job) == PLACE_NONE || usage_has_room(mgr, u, reason);
}

/* The job waits for something other than a slot and does not block the jobs behind it. */
static int wait_for(struct manager *mgr, struct job_row *job, const struct reason *reason,
		    struct err *reterr)
{
	if (reason->code == REASON_MONEY_CAP)
		return never_starts(mgr, job, reason, reterr);
	mgr->time_helps = true;
	return say_wait(mgr, job, reason, reterr);
}

struct pass {
	struct manager *mgr;
	struct usage *u;
	enum slot_class place; /* of the line that is walked */
};

/* Start the job, or let it wait and keep its position. */
static int look_at_job(void *arg, struct job_row *job, struct err *reterr)
{
	const struct pass *p = arg;
	struct manager *mgr = p->mgr;
	struct execution_row row = {0};
	struct reason reason;
	int r;

	if (!schedule_may_start(mgr, p->u, job, &reason)) {
		r = wait_for(mgr, job, &reason, reterr);
		return r < 0 ? r : reason.code == REASON_MONEY_CAP ? LINE_GOES_ON : LINE_STAYS;
	}
	if (!placement_find(mgr, p->u, job, &row, &reason)) {
		mgr->time_helps |= p->place == PLACE_GPU;
		r = forget_wait(mgr, job, reterr);
		if (r < 0)
			return r;
		return p->place == PLACE_GPU && placement_keep(p->u, job) ? LINE_STAYS : LINE_ENDS;
	}
	r = start_job(mgr, job, &row, &reason, reterr);
	if (r != JOB_WAITS)
		return r < 0 ? r : LINE_GOES_ON;
	r = wait_for(mgr, job, &reason, reterr); /* its slot stays counted as used in this pass */
	return r < 0 ? r : LINE_STAYS;
}

/* Twice the page before, at most MANAGER_READY_MAX and what is left. */
static size_t next_page(size_t page, size_t left)
{
	page = 2 * page < MANAGER_READY_MAX ? 2 * page : MANAGER_READY_MAX;
	return page < left ? page : left;
}

int schedule_walk(struct manager *mgr, enum job_target target, enum slot_class place, size_t max,
		  int (*look)(void *arg, struct job_row *job, struct err *reterr), void *arg,
		  struct err *reterr)
{
	size_t stay = 0, looked = 0, page = 1, n;
	int r;

	for (;; page = next_page(page, max - looked)) {
		OWN(job_rows_done) struct job_rows ready = {0};

		r = store_jobs_ready(mgr->store, target, place, clock_now_us(), stay, page, &ready,
				     reterr);
		n = ready.n;
		for (size_t i = 0; r >= 0 && i < n; i++) {
			r = look(arg, &ready.rows[i], reterr);
			if (r == LINE_ENDS)
				return 0;
			stay += r == LINE_STAYS;
		}
		looked += n;
		if (r < 0 || n < page || looked >= max)
			return r < 0 ? r : n == page;
	}
}

static int start_line(struct manager *mgr, enum job_target target, enum slot_class place,
		      struct usage *u, struct err *reterr)
{
	struct pass pass = {.mgr = mgr, .u = u, .place = place};
	bool waits = place != PLACE_NONE;
	int r = schedule_walk(mgr, target, place, waits ? MANAGER_LINE_MAX : MANAGER_READY_MAX,
			      look_at_job, &pass, reterr);

	if (r > 0 && !waits)
		txn_on_commit(mgr, look_again, NULL); /* these jobs never wait: go on */
	return r < 0 ? r : 0;
}

static int start_all(struct manager *mgr, struct usage *u, struct err *reterr)
{
	int r = 0;

	mgr->time_helps = false;
	for (int target = 0; target < TARGETS_; target++)
		for (int place = 0; r >= 0 && place < PLACES_; place++)
			r = start_line(mgr, (enum job_target)target, (enum slot_class)place, u,
				       reterr);
	return r < 0 ? r : store_next_not_before(mgr->store, clock_now_us(), &mgr->due_us, reterr);
}

void schedule_pass(struct manager *mgr)
{
	OWN(freep) struct usage *u = usage_read(mgr);
	struct err err = {0};
	int r;

	if (mgr->restored_us)
		return;	 /* its end schedules a pass */
	mgr->due_us = 0; /* if the pass fails, the next tick tries again */
	if (!u || txn_begin(mgr, &err) < 0)
		return;
	spare_fill(&mgr->spare);
	r = start_all(mgr, u, &err);
	if (r < 0) {
		mgr->due_us = 0;
		txn_fail(mgr, r, &err);
	}
	txn_end(mgr, NULL);
}

bool schedule_is_due(const struct manager *mgr)
{
	return mgr->time_helps || clock_now_us() >= mgr->due_us;
}
