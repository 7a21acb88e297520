/* SPDX-License-Identifier: MIT */
/*
 * The end of an execution, inside a turn: what its exit record, its failure line and a stop mean
 * for the job or the endpoint that owns it.
 */
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/cloud.h"
#include "daemon/endpoint.h"
#include "daemon/execution.h"
#include "daemon/lifecycle.h"
#include "daemon/stage.h"

#include <signal.h>
#include <string.h>

static void drop_after(struct engine *e, void *arg, bool committed)
{
	struct execution *ex = execution_find(e, arg);

	if (ex && committed)
		execution_drop(e, ex);
	free(arg);
}

/* What the end of the process means. Facts win: a success stays one after a stop. */
static enum job_state judge_end(const struct execution *ex, const struct job_row *job,
				const struct exit_record *exit, struct reason *why)
{
	*why = (struct reason){0};
	if (exit->cause == EXIT_EXEC_FAILED) {
		reason_set(why, REASON_EXEC_FAILED, "%s", exit->message);
		return STATE_FAILED;
	}
	if (exit->signal == 0 && exit->code == 0 && ex->failure.code == REASON_NONE)
		return STATE_SUCCEEDED;
	if (job && job->cancel_requested_us) {
		reason_set(why, REASON_CANCELLED, "stopped on request");
		return STATE_CANCELLED;
	}
	if (exit->cause == EXIT_TIMED_OUT) {
		reason_set(why, REASON_TIMED_OUT, "%s",
			   exit->message[0] ? exit->message : "max_runtime was over");
		return STATE_FAILED;
	}
	if (exit->cause == EXIT_OOM_KILLED)
		reason_set(why, REASON_OOM, "the kernel killed it: out of memory");
	else if (ex->failure.code != REASON_NONE)
		*why = ex->failure;
	else if (exit->signal)
		reason_set(why, REASON_KILLED, "killed by signal %d (%s)%s", exit->signal,
			   strsignal(exit->signal),
			   exit->signal == SIGKILL ? "; if nobody did it, look for the kernel's "
						     "out-of-memory killer in dmesg"
						   : "");
	else
		reason_set(why, REASON_INTERNAL,
			   "the worker ended with exit code %d and no reason; its log may say more",
			   exit->code);
	return STATE_FAILED;
}

static json_t *outputs_of(const struct execution *ex, const struct job_row *job)
{
	OWN(json_decrefp) json_t *results = NULL;
	const char *const *names = job_kind_outputs(job->kind);
	json_t *outputs = json_object();

	for (; *names; names++) {
		const char *where = job_output_path(job->kind, *names);
		char path[SPEC_PATH_MAX * 2];

		if (spec_output_place(job->spec, *names, path, sizeof(path))) {
			if (str_starts(path, "${"))
				continue;
		} else if (!where || !path_join(path, sizeof(path), ex->row.dir, where)) {
			continue;
		}
		json_object_set_new(outputs, *names, json_string(path));
	}
	if (ex->result)
		json_object_set(outputs, "metrics", ex->result);
	if (stage_results(ex->row.dir, &results, NULL) >= 0)
		stage_add_outputs(results, outputs);
	return outputs;
}

/* The staging of a job that runs in the cloud is over. */
static int end_staging(struct engine *e, struct execution *ex, const struct job_row *job,
		       enum job_state to, struct reason *why, struct err *reterr)
{
	if (to == STATE_SUCCEEDED && !job->cancel_requested_us)
		return cloud_staged(e, job, ex, reterr);
	if (to == STATE_SUCCEEDED) {
		to = STATE_CANCELLED;
		reason_set(why, REASON_CANCELLED, "stopped before it was sent to SageMaker");
	}
	if (job->kind == JOB_DEPLOY)
		return cloud_endpoint_abandon(e, job, why, reterr);
	return job_finish(e, job, to, why, NULL, reterr);
}

static int end_job(struct engine *e, struct execution *ex, const struct exit_record *exit,
		   const struct reason *lost, struct err *reterr)
{
	OWN(json_decrefp) json_t *outputs = NULL;
	OWN(json_decrefp) json_t *record = exit ? exit_record_format(exit) : NULL;
	OWN(job_row_done) struct job_row job = {0};
	enum job_state to = STATE_FAILED;
	struct reason why = {0};
	int r = store_job_get(e->store, ex->row.job, &job, reterr);

	if (r < 0)
		return r;
	if (job_state_is_final(job.state) || job.attempt != ex->row.attempt)
		return 0;			   /* ended by other facts before */
	if (job.state == STATE_STARTING && exit) { /* its start could not be written down */
		r = job_move(e, job.id, STATE_STARTING, STATE_RUNNING, &why, reterr);
		if (r < 0)
			return r;
		job.state = STATE_RUNNING;
	}
	why = *lost;
	if (exit)
		to = judge_end(ex, &job, exit, &why);
	else if (job.cancel_requested_us)
		to = STATE_CANCELLED;
	if (to == STATE_SUCCEEDED && !cloud_runs(&job))
		outputs = outputs_of(ex, &job);
	if (record)
		r = store_attempt_set_result(e->store, job.id, job.attempt, record, NULL, reterr);
	if (r >= 0 && ex->progress)
		r = store_attempt_set_progress(e->store, job.id, job.attempt, ex->progress, reterr);
	if (r >= 0 && cloud_runs(&job))
		return end_staging(e, ex, &job, to, &why, reterr);
	return r < 0 ? r : job_finish(e, &job, to, &why, outputs, reterr);
}

static void lost_words(enum reason_code lost, struct reason *why)
{
	if (lost == REASON_HOST_LOST)
		reason_set(why, lost, "the machine restarted while it ran");
	else
		reason_set(why, lost,
			   "its supervisor was killed, so its exit status is unknown; "
			   "what was left of it has been killed");
}

int execution_end(struct engine *e, struct execution *ex, const struct exit_record *exit,
		  enum reason_code lost, struct err *reterr)
{
	struct reason why = {0};
	char *id = strdup(ex->row.id);
	int r;

	if (!id)
		return err_errno(reterr, ENOMEM, "end an execution");
	if (!exit)
		lost_words(lost, &why);
	r = store_execution_set_state(e->store, ex->row.id, EXECUTION_ENDED, ex->row.pid,
				      clock_now_us(), reterr);
	if (r >= 0 && ex->row.endpoint[0]) {
		if (exit)
			judge_end(ex, NULL, exit, &why);
		r = endpoint_server_ended(e, ex, &why, reterr);
	} else if (r >= 0) {
		r = end_job(e, ex, exit, &why, reterr);
	}
	if (r < 0) {
		free(id);
		return r;
	}
	log_event(LOG_LEVEL_INFO, "execution_ended", "execution=%s cause=%s code=%d signal=%d",
		  ex->row.id, exit ? exit_cause_str(exit->cause) : reason_code_str(lost),
		  exit ? exit->code : -1, exit ? exit->signal : 0);
	turn_after(e, drop_after, id);
	return 0;
}
