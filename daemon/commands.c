/* SPDX-License-Identifier: MIT */
/*
 * The commands of engine.h, one function each, inside a savepoint of the batch's turn: a negative
 * result undoes exactly that command.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint.h"
#include "daemon/lifecycle.h"

#include <string.h>

static int check_endpoint_names(struct engine *e, const struct run_spec *run, struct err *reterr)
{
	for (size_t i = 0; i < run->jobs_n; i++) {
		const char *name = json_get_str(run->jobs[i].spec, "endpoint", "");
		OWN(endpoint_row_done) struct endpoint_row ep = {0};
		char field[ERR_FIELD_MAX];
		int r;

		if (run->jobs[i].kind != JOB_DEPLOY)
			continue;
		r = store_endpoint_find(e->store, name, &ep, reterr);
		if (r == -ERR_NOT_FOUND)
			continue;
		if (r < 0)
			return r;
		if (ep.target == run->jobs[i].target &&
		    str_eq(json_get_str(run->jobs[i].spec, "on_existing", ""), "update"))
			continue;
		snprintf(field, sizeof(field), "/jobs/%zu/endpoint", i);
		return err_at(reterr, ERR_EXISTS, field,
			      "an endpoint named '%s' is %s; delete it or choose another name",
			      name, endpoint_state_str(ep.state));
	}
	return 0;
}

static int run_submit(struct engine *e, struct command *c, struct err *reterr)
{
	char id[ID_LEN];
	int r = check_endpoint_names(e, c->run, reterr);

	if (r < 0)
		return r;
	id_new('r', id);
	r = store_run_insert(e->store, c->run, id, clock_now_us(), reterr);
	if (r < 0)
		return r;
	str_copy(c->result_id, sizeof(c->result_id), id);
	engine_want_schedule(e);
	return 0;
}

static int run_job_command(struct engine *e, struct command *c, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	int64_t now = clock_now_us();
	int r = store_job_get(e->store, c->id, &job, reterr);

	if (r < 0)
		return r;
	str_copy(c->result_id, sizeof(c->result_id), job.id);
	if (c->kind == COMMAND_JOB_CANCEL)
		return job_cancel(e, &job, reterr);
	if (c->kind == COMMAND_JOB_RETRY)
		return job_retry(e, &job, reterr);
	if (c->kind == COMMAND_EXPLAIN)
		return schedule_explain(e, &job, &c->json, reterr);
	if (job_state_is_final(job.state))
		return err_set(reterr, ERR_CONFLICT, "job %s has already ended (%s)", job.id,
			       job_state_str(job.state));
	engine_want_schedule(e);
	if (c->kind == COMMAND_JOB_PRIORITY)
		return store_job_set_priority(e->store, job.id, (int)c->number, now, reterr);
	if (c->kind == COMMAND_JOB_HOLD && job.state != STATE_BLOCKED && job.state != STATE_QUEUED)
		return err_set(reterr, ERR_CONFLICT,
			       "job %s is %s; only a blocked or queued job can be held", job.id,
			       job_state_str(job.state));
	return store_job_set_held(e->store, job.id, c->kind == COMMAND_JOB_HOLD, now, reterr);
}

/* ---- whole runs ---- */

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

/* Dependents first, so that they are cancelled and not skipped. A delete-endpoint job stays when
 * the run has made an endpoint: nothing is left that costs memory or money. */
static int run_cancel(struct engine *e, struct command *c, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows jobs = {0};
	bool any = false;
	int r = store_jobs_of_run(e->store, c->id, &jobs, reterr);

	if (r >= 0 && !jobs.n)
		return err_set(reterr, ERR_NOT_FOUND, "there is no run '%s'", c->id);
	for (size_t i = jobs.n; r >= 0 && i-- > 0;) {
		OWN(job_row_done) struct job_row job = {0};

		r = store_job_get(e->store, jobs.rows[i].id, &job, reterr);
		if (r < 0 || job_state_is_final(job.state))
			continue;
		any = true;
		if (!is_cleanup(&jobs, i))
			r = job_cancel(e, &job, reterr);
	}
	if (r >= 0 && !any)
		return err_set(reterr, ERR_CONFLICT, "run %s has already ended", c->id);
	str_copy(c->result_id, sizeof(c->result_id), c->id);
	return r;
}

static bool may_retry(enum job_state s)
{
	return s == STATE_FAILED || s == STATE_CANCELLED || s == STATE_SKIPPED;
}

static int run_retry(struct engine *e, struct command *c, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows jobs = {0};
	size_t retried = 0;
	int r = store_jobs_of_run(e->store, c->id, &jobs, reterr);

	if (r >= 0 && !jobs.n)
		return err_set(reterr, ERR_NOT_FOUND, "there is no run '%s'", c->id);
	for (size_t i = 0; r >= 0 && i < jobs.n; i++) {
		if (!may_retry(jobs.rows[i].state))
			continue;
		retried++;
		r = job_reset(e, &jobs.rows[i], STATE_BLOCKED, reterr);
	}
	if (r >= 0 && !retried)
		return err_set(reterr, ERR_CONFLICT,
			       "run %s has no failed, cancelled or skipped job to retry", c->id);
	for (size_t i = 0; r >= 0 && i < jobs.n; i++)
		if (may_retry(jobs.rows[i].state))
			r = job_settle(e, jobs.rows[i].id, reterr);
	str_copy(c->result_id, sizeof(c->result_id), c->id);
	return r;
}

/* ---- endpoints ---- */

static int run_endpoint_delete(struct engine *e, struct command *c, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	int r = store_endpoint_find(e->store, c->id, &ep, reterr);

	if (r < 0)
		return r;
	str_copy(c->result_id, sizeof(c->result_id), ep.name);
	return endpoint_delete(e, &ep, REASON_DELETED_BY_USER, "deleted on request", reterr);
}

int command_run(struct engine *e, struct command *c, struct err *reterr)
{
	switch (c->kind) {
	case COMMAND_SUBMIT:
		return run_submit(e, c, reterr);
	case COMMAND_JOB_CANCEL:
	case COMMAND_JOB_RETRY:
	case COMMAND_JOB_HOLD:
	case COMMAND_JOB_RELEASE:
	case COMMAND_JOB_PRIORITY:
	case COMMAND_EXPLAIN:
		return run_job_command(e, c, reterr);
	case COMMAND_RUN_CANCEL:
		return run_cancel(e, c, reterr);
	case COMMAND_RUN_RETRY:
		return run_retry(e, c, reterr);
	case COMMAND_ENDPOINT_DELETE:
		return run_endpoint_delete(e, c, reterr);
	case COMMAND_ENDPOINT_RENEW:
		str_copy(c->result_id, sizeof(c->result_id), c->id);
		return endpoint_renew(e, c->id, c->number, reterr);
	}
	return err_set(reterr, ERR_UNSUPPORTED, "unknown command %d", (int)c->kind);
}
