/* SPDX-License-Identifier: MIT */
/*
 * Ends an execution in a transaction: derives the result for its job or its endpoint from the exit
 * record, the failure line and a stop. Manager's thread.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/execution/transfers.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/job_state.h"

#include <signal.h>
#include <string.h>

static void drop_after(struct manager *mgr, void *arg, bool committed)
{
	struct execution *ex = execution_find(mgr, arg);

	if (ex && committed)
		execution_drop(mgr, ex);
	free(arg);
}

/* The reason after max_runtime, or after a stop that the user did not request. The worker's own
 * failure line is more precise, unless it only reports the stop. */
static void judge_stopped(const struct execution *ex, const struct exit_record *exit,
			  struct reason *reason)
{
	const char *killed = exit->signal == SIGKILL
				     ? "; the process did not end within the grace and was killed"
				     : "";

	if (exit->cause == EXIT_TIMED_OUT)
		reason_set(reason, REASON_TIMED_OUT, "%s%s",
			   exit->message[0] ? exit->message : "the job ran longer than max_runtime",
			   killed);
	else if (ex->failure.code != REASON_NONE && ex->failure.code != REASON_CANCELLED)
		*reason = ex->failure;
	else
		reason_set(reason, REASON_KILLED, "%s%s",
			   exit->message[0] ? exit->message
					    : "something outside Trainyard told the job's "
					      "supervisor to stop the job",
			   killed);
}

/* The reason if the program ended by itself or a foreign signal killed it. */
static void judge_failed(const struct execution *ex, const struct exit_record *exit,
			 struct reason *reason)
{
	if (exit->cause == EXIT_OOM_KILLED)
		reason_set(reason, REASON_OOM, "the kernel killed the process: out of memory");
	/* a stop that this daemon did not request */
	else if (ex->failure.code == REASON_CANCELLED)
		reason_set(reason, REASON_KILLED,
			   "SIGTERM from outside Trainyard ended the worker: %s",
			   ex->failure.message);
	else if (ex->failure.code != REASON_NONE)
		*reason = ex->failure;
	else if (exit->signal)
		reason_set(reason, REASON_KILLED, "the process was killed by signal %d (%s)%s%s",
			   exit->signal, strsignal(exit->signal), exit->message[0] ? "; " : "",
			   exit->message);
	else
		reason_set(reason, REASON_INTERNAL,
			   "the worker ended with exit code %d and no reason; see the log",
			   exit->code);
}

/* The result of the end. Only an end before the signal takes precedence over a stop. A later end is
 * a stop, even with exit status 0. */
static enum job_state judge_end(const struct execution *ex, const struct job_row *job,
				const struct exit_record *exit, struct reason *reason)
{
	bool stopped = exit->cause == EXIT_STOPPED || exit->cause == EXIT_TIMED_OUT;

	*reason = (struct reason){0};
	if (exit->cause == EXIT_EXEC_FAILED) {
		reason_set(reason, REASON_EXEC_FAILED, "%s", exit->message);
		return STATE_FAILED;
	}
	if (exit->cause == EXIT_STOPPED && job && job->cancel_requested_us) {
		reason_set(reason, REASON_CANCELLED, "stopped on request%s",
			   exit->signal == SIGKILL
				   ? "; the process did not end within the grace and was killed"
				   : "");
		return STATE_CANCELLED;
	}
	if (stopped) {
		judge_stopped(ex, exit, reason);
		return STATE_FAILED;
	}
	if (exit->cause == EXIT_EXITED && exit->signal == 0 && exit->code == 0 &&
	    ex->failure.code == REASON_NONE)
		return STATE_SUCCEEDED;
	judge_failed(ex, exit, reason);
	return STATE_FAILED;
}

/* The outputs. After a success all outputs of the kind; otherwise those that exist in the
 * execution's directory. */
static json_t *outputs_of(const struct execution *ex, const struct job_row *job, bool succeeded)
{
	OWN(json_decrefp) json_t *results = NULL;
	const char *const *names = job_kind_outputs(job->kind);
	json_t *outputs = json_object();

	for (; *names; names++) {
		const char *where = job_output_path(job->kind, *names);
		bool sure = succeeded && !str_eq(*names, OUTPUT_CHECKPOINTS);
		char path[SPEC_PATH_MAX * 2];

		if (spec_output_place(job->spec, *names, path, sizeof(path))) {
			if (!succeeded || str_starts(path, "${"))
				continue;
		} else if (!where || !path_join(path, sizeof(path), ex->row.dir, where) ||
			   (!sure && !path_exists(AT_FDCWD, path))) {
			continue;
		}
		json_object_set_new(outputs, *names, json_string(path));
	}
	if (ex->result)
		json_object_set(outputs, "metrics", ex->result);
	if (transfer_results_read(ex->row.dir, &results, NULL) >= 0)
		transfer_results_add(results, outputs);
	return outputs;
}

/* End the staging of a SageMaker job. */
static int end_staging(struct manager *mgr, struct execution *ex, const struct job_row *job,
		       struct job_end *end, struct err *reterr)
{
	if (end->to == STATE_SUCCEEDED && !job->cancel_requested_us)
		return sagemaker_staged(mgr, job, ex, reterr);
	if (end->to == STATE_SUCCEEDED) {
		end->to = STATE_CANCELLED;
		reason_set(&end->reason, REASON_CANCELLED,
			   "the job was stopped before it was sent to SageMaker");
	}
	if (job->kind == JOB_DEPLOY)
		return sagemaker_endpoint_abandon(mgr, job, &end->reason, reterr);
	return job_end(mgr, job, end, reterr);
}

static int keep_record(struct manager *mgr, const struct execution *ex, const struct job_row *job,
		       const struct exit_record *exit, struct err *reterr)
{
	OWN(json_decrefp) json_t *record = exit ? exit_record_format(exit) : NULL;
	int r = 0;

	if (record)
		r = store_attempt_set_result(mgr->store, job->id, job->attempt, record, NULL,
					     reterr);
	if (r >= 0 && ex->progress)
		r = store_attempt_set_progress(mgr->store, job->id, job->attempt, ex->progress,
					       reterr);
	return r;
}

static int end_job(struct manager *mgr, struct execution *ex, const struct exit_record *exit,
		   const struct reason *lost, struct err *reterr)
{
	OWN(json_decrefp) json_t *outputs = NULL;
	OWN(job_row_done) struct job_row job = {0};
	struct job_end end = {.to = STATE_FAILED, .reason = *lost, .may_live = ex->may_live};
	struct reason none = {0};
	int r = store_job_get(mgr->store, ex->row.job, &job, reterr);

	if (r < 0)
		return r;
	if (job_state_is_final(job.state) || job.attempt != ex->row.attempt)
		return 0;			   /* ended already for another reason */
	if (job.state == STATE_STARTING && exit) { /* its start could not be recorded */
		r = job_move(mgr, job.id, STATE_STARTING, STATE_RUNNING, &none, reterr);
		if (r < 0)
			return r;
		job.state = STATE_RUNNING;
	}
	if (exit) {
		end.to = judge_end(ex, &job, exit, &end.reason);
		end.at_us = exit->finished_us;
	} else if (job.cancel_requested_us) {
		end.to = STATE_CANCELLED;
	}
	r = keep_record(mgr, ex, &job, exit, reterr);
	if (r < 0)
		return r;
	if (sagemaker_runs(&job))
		return end_staging(mgr, ex, &job, &end, reterr);
	end.outputs = outputs = outputs_of(ex, &job, end.to == STATE_SUCCEEDED);
	return job_end(mgr, &job, &end, reterr);
}

/* The end time of the record, but never a future time (the clock may have been set back). */
static int64_t ended_us(const struct exit_record *exit)
{
	int64_t now = clock_now_us();

	return exit && exit->finished_us > 0 && exit->finished_us < now ? exit->finished_us : now;
}

static void lost_words(const struct execution *ex, enum reason_code lost, struct reason *reason)
{
	const char *what = ex->dirfd >= 0 && dir_is_removed(ex->dirfd)
				   ? "the directory of the execution was removed while it ran"
				   : "the supervisor of the execution was killed";

	if (lost == REASON_HOST_LOST)
		reason_set(reason, lost, "the machine restarted while the execution ran");
	else if (ex->may_live)
		reason_set(reason, lost,
			   "%s, so its exit status is unknown; the processes that were found were "
			   "killed, but others may still run (look for TRAINYARD_EXECUTION=%s in "
			   "their environment), so there is no automatic retry",
			   what, ex->row.id);
	else
		reason_set(reason, lost,
			   "%s, so its exit status is unknown; all of its processes have ended",
			   what);
}

int execution_end(struct manager *mgr, struct execution *ex, const struct exit_record *exit,
		  enum reason_code lost, struct err *reterr)
{
	struct reason reason = {0};
	char *id = strdup(ex->row.id);
	int r;

	if (!id)
		return err_errno(reterr, ENOMEM, "end an execution");
	if (!exit)
		lost_words(ex, lost, &reason);
	r = store_execution_set_state(mgr->store, ex->row.id, EXECUTION_ENDED, ex->row.pid,
				      ended_us(exit), reterr);
	if (r >= 0 && ex->row.endpoint[0]) {
		if (exit)
			judge_end(ex, NULL, exit, &reason);
		r = endpoint_server_ended(mgr, ex, &reason, reterr);
	} else if (r >= 0) {
		r = end_job(mgr, ex, exit, &reason, reterr);
	}
	if (r < 0) {
		free(id);
		return r;
	}
	txn_log(mgr, LOG_LEVEL_INFO, "execution_ended", "execution=%s cause=%s code=%d signal=%d",
		ex->row.id, exit ? exit_cause_str(exit->cause) : reason_code_str(lost),
		exit ? exit->code : -1, exit ? exit->signal : 0);
	txn_on_commit(mgr, drop_after, id);
	return 0;
}
