/* SPDX-License-Identifier: MIT */
/*
 * The commands of manager.h, one function each. A negative result undoes only that command, not the
 * others of the batch; for that a command may run a second time (manager.c). Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/prune/prune.h"
#include "daemon/restore/restore.h"
#include "daemon/schedule/job_state.h"
#include "daemon/submit/models.h"
#include "storage/store_repeat.h"
#include "storage/write/prune.h"

#include <string.h>

static int check_endpoint_names(struct manager *mgr, const struct run_spec *run, struct err *reterr)
{
	for (size_t i = 0; i < run->jobs_n; i++) {
		const char *name = json_get_str(run->jobs[i].spec, "endpoint", "");
		OWN(endpoint_row_done) struct endpoint_row ep = {0};
		char field[ERR_FIELD_MAX];
		int r;

		if (run->jobs[i].kind != JOB_DEPLOY)
			continue;
		r = store_endpoint_find(mgr->store, name, &ep, reterr);
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

/* True if a new run has a job that may start at once. */
static bool has_ready_job(const struct run_spec *run)
{
	for (size_t i = 0; i < run->jobs_n; i++)
		if (!run->jobs[i].held && !run->jobs[i].needs_n)
			return true;
	return false;
}

static int run_submit(struct manager *mgr, struct command *c, struct err *reterr)
{
	char id[ID_LEN];
	/* the prepare may have happened long ago */
	int r = store_check_location(mgr->store, reterr);

	if (r >= 0)
		r = check_endpoint_names(mgr, c->run, reterr);
	if (r < 0)
		return r;
	id_new('r', id);
	r = store_run_insert(mgr->store, c->run, id, clock_now_us(), &c->submitted, reterr);
	if (r < 0)
		return r;
	str_assign(c->result_id, id);
	if (has_ready_job(c->run))
		manager_want_schedule(mgr);
	return 0;
}

static int explain_job(struct manager *mgr, const struct job_row *job, json_t **ret,
		       struct err *reterr)
{
	OWN(json_decrefp) json_t *items = NULL;
	int r = schedule_explain(mgr, &job, 1, &items, reterr);

	if (r >= 0)
		*ret = json_incref(json_array_get(items, 0));
	return r;
}

static int run_job_command(struct manager *mgr, struct command *c, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	int64_t now = clock_now_us();
	int r = store_job_get(mgr->store, c->id, &job, reterr);

	if (r < 0)
		return r;
	str_assign(c->result_id, job.id);
	if (c->kind == COMMAND_JOB_CANCEL)
		return job_cancel(mgr, &job, reterr);
	if (c->kind == COMMAND_JOB_RETRY) {
		r = store_prune_check(mgr->store, job.run, reterr);
		return r < 0 ? r : job_retry(mgr, &job, reterr);
	}
	if (c->kind == COMMAND_EXPLAIN)
		return explain_job(mgr, &job, &c->answer, reterr);
	if (job_state_is_final(job.state))
		return err_set(reterr, ERR_CONFLICT, "job %s has already ended (%s)", job.id,
			       job_state_str(job.state));
	manager_want_schedule(mgr);
	if (c->kind == COMMAND_JOB_PRIORITY)
		return store_job_set_priority(mgr->store, job.id, (int)c->number, now, reterr);
	if (c->kind == COMMAND_JOB_HOLD && job.state != STATE_BLOCKED && job.state != STATE_QUEUED)
		return err_set(reterr, ERR_CONFLICT,
			       "job %s is %s; you can hold a blocked or queued job only", job.id,
			       job_state_str(job.state));
	return store_job_set_held(mgr->store, job.id, c->kind == COMMAND_JOB_HOLD, now, reterr);
}

/* ---- endpoints ---- */

static int run_endpoint_delete(struct manager *mgr, struct command *c, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	int r = store_endpoint_find(mgr->store, c->id, &ep, reterr);

	if (r < 0)
		return r;
	str_assign(c->result_id, ep.name);
	return endpoint_delete(mgr, &ep, REASON_DELETED_BY_USER, "deleted on request", reterr);
}

/* True if the command stops work or removes something: a full disk must not refuse it. */
static bool is_for_a_full_disk(enum command_kind kind)
{
	return kind == COMMAND_JOB_CANCEL || kind == COMMAND_RUN_CANCEL ||
	       kind == COMMAND_ENDPOINT_DELETE || kind == COMMAND_MODEL_REMOVE;
}

static int run_kind(struct manager *mgr, struct command *c, struct err *reterr)
{
	if (is_for_a_full_disk(c->kind))
		store_use_last_reserve(mgr->store);
	switch (c->kind) {
	case COMMAND_SUBMIT:
		return run_submit(mgr, c, reterr);
	case COMMAND_JOB_CANCEL:
	case COMMAND_JOB_RETRY:
	case COMMAND_JOB_HOLD:
	case COMMAND_JOB_RELEASE:
	case COMMAND_JOB_PRIORITY:
	case COMMAND_EXPLAIN:
		return run_job_command(mgr, c, reterr);
	case COMMAND_RUN_CANCEL:
	case COMMAND_RUN_RETRY:
	case COMMAND_RUN_HOLD:
	case COMMAND_RUN_RELEASE:
	case COMMAND_RUN_PRIORITY:
	case COMMAND_RUN_EXPLAIN:
		return command_of_run(mgr, c, reterr);
	case COMMAND_PRUNE:
		return prune_command(mgr, c, reterr);
	case COMMAND_ENDPOINT_DELETE:
		return run_endpoint_delete(mgr, c, reterr);
	case COMMAND_ENDPOINT_RENEW:
		str_assign(c->result_id, c->id);
		return endpoint_renew(mgr, c->id, c->number, reterr);
	case COMMAND_MODEL_ADD:
	case COMMAND_MODEL_REMOVE:
		return model_command(mgr, c, reterr);
	case COMMAND_NOTIFIED:
		return store_notified(mgr->store, c->number, c->id, clock_now_us(), reterr);
	case COMMAND_RESTORE:
	case COMMAND_RESTORE_CONFIRM:
		return restore_command(mgr, c, reterr);
	}
	return err_set(reterr, ERR_UNSUPPORTED, "the command %d is unknown", (int)c->kind);
}

/* Returns 1 if the same request was done before. */
static int find_repeat(struct manager *mgr, struct command *c, struct err *reterr)
{
	int r = 0;

	c->repeated = false;
	if (c->key)
		r = store_repeat_find(mgr->store, c->key, c->request, c->result_id,
				      sizeof(c->result_id), clock_now_us(), reterr);
	c->repeated = r > 0;
	return r;
}

int command_run(struct manager *mgr, struct command *c, struct err *reterr)
{
	int r = find_repeat(mgr, c, reterr);

	if (r == 0)
		r = run_kind(mgr, c, reterr);
	if (r < 0 || c->repeated || !c->key || c->answer)
		return r;
	return store_repeat_add(mgr->store, c->key, c->request, c->result_id, clock_now_us(),
				reterr);
}
