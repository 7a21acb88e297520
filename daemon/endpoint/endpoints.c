/* SPDX-License-Identifier: MIT */
/*
 * Endpoints: deploy, crash, restart with back-off, delete. An endpoint outlives its deploy job. The
 * server process is an execution that the endpoint owns. Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/headroom.h"
#include "daemon/schedule/job_state.h"
#include "daemon/schedule/placement.h"

#include <string.h>

#define BACKOFF_FIRST_US (USEC_PER_SEC)
#define BACKOFF_MAX_US	 (60 * USEC_PER_SEC)
/* after this time in service, crashes are counted from zero */
#define STEADY_US	 (600 * USEC_PER_SEC)

/* ---- deploy ---- */

enum {
	MAKES_A_NEW_ONE,
	UPDATES,
	CANNOT_UPDATE
};

/* Update the endpoint if on_existing is "update" and one of that name exists on the job's
 * target. */
static int update_existing(struct manager *mgr, const struct job_row *job,
			   struct execution_row *row, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	int r;

	if (!endpoint_to_update(mgr, job, &ep) || ep.target != job_runs_at(job->kind, job->target))
		return MAKES_A_NEW_ONE;
	if (ep.target == TARGET_LOCAL)
		memcpy(row->endpoint, ep.id, sizeof(row->endpoint));
	r = endpoint_update_begin(mgr, job, &ep, reterr);
	return r < 0 ? r : r ? CANNOT_UPDATE : UPDATES;
}

int endpoint_deploy(struct manager *mgr, const struct job_row *job, const json_t *spec,
		    struct execution_row *row, struct err *reterr)
{
	struct endpoint_row ep = {
		.target = job_runs_at(job->kind, job->target),
		.state = ENDPOINT_CREATING,
		.wanted = true,
		.spec = (json_t *)spec, /* borrowed by the insert */
		.lease_ttl_us = endpoint_ttl_us(mgr, spec),
		.lease_idle_us = endpoint_idle_us(mgr, spec),
		.created_us = clock_now_us(),
	};
	struct reason reason;
	struct err taken = {0};
	int r = update_existing(mgr, job, row, reterr);

	if (r < 0 || r == CANNOT_UPDATE)
		return r < 0 ? r : 0;
	if (r == UPDATES)
		return execution_launch(mgr, row, reterr);
	id_new('e', ep.id);
	str_must_copy(ep.name, sizeof(ep.name), json_get_str(spec, "endpoint", ""));
	if (!str_copy(ep.model, sizeof(ep.model), spec_model_name(spec))) {
		reason_set(&reason, REASON_INVALID_INPUT,
			   "the model's path has more than %d bytes: '%.64s…'; use a data "
			   "directory with a shorter path",
			   SPEC_PATH_MAX, spec_model_name(spec));
		return job_finish(mgr, job, STATE_FAILED, &reason, NULL, reterr);
	}
	memcpy(ep.run, job->run, sizeof(ep.run));
	memcpy(ep.job, job->id, sizeof(ep.job));
	r = store_endpoint_insert(mgr->store, &ep, &taken);
	if (r == -ERR_EXISTS) {
		reason_set(&reason, REASON_ENDPOINT_TAKEN,
			   "an endpoint named '%s' is live; delete it or choose another name",
			   ep.name);
		return job_finish(mgr, job, STATE_FAILED, &reason, NULL, reterr);
	}
	if (r < 0) {
		*reterr = taken;
		return r;
	}
	live_changed(mgr);
	if (ep.target == TARGET_LOCAL) /* otherwise the execution belongs to the job: its staging */
		memcpy(row->endpoint, ep.id, sizeof(row->endpoint));
	return execution_launch(mgr, row, reterr);
}

/* ---- the end of a server ---- */

static bool has_other_server(struct manager *mgr, const struct execution *except)
{
	for (const struct execution *ex = mgr->executions; ex; ex = ex->next)
		if (ex != except && str_eq(ex->row.endpoint, except->row.endpoint))
			return true;
	return false;
}

/* Stop all servers: during an update there are two. Returns their number. */
static int stop_servers(struct manager *mgr, const char *endpoint, struct err *reterr)
{
	int n = 0, r = 0;

	for (struct execution *ex = mgr->executions; r >= 0 && ex; ex = ex->next)
		if (str_eq(ex->row.endpoint, endpoint)) {
			r = execution_stop_later(mgr, ex, reterr);
			n++;
		}
	return r < 0 ? r : n;
}

static int restart_later(struct manager *mgr, const struct endpoint_row *ep, int64_t started_us,
			 const struct reason *cause, struct err *reterr)
{
	int64_t now = clock_now_us(), next_us;
	int restarts = now - started_us > STEADY_US ? 1 : ep->restarts + 1;
	struct reason reason;
	int r;

	if (restarts > ENDPOINT_RESTARTS_MAX) {
		reason_set(&reason, cause->code ? cause->code : REASON_KILLED,
			   "the server ended %d times in a row; the last time: %s",
			   ENDPOINT_RESTARTS_MAX + 1, cause->message);
		r = stop_servers(mgr, ep->id, reterr);
		return r < 0 ? r : endpoint_gone(mgr, ep, ENDPOINT_FAILED, &reason, reterr);
	}
	next_us = now + backoff_us(BACKOFF_FIRST_US, BACKOFF_MAX_US, restarts);
	reason_set(&reason, REASON_RESTARTING,
		   "the server ended (%s); the daemon starts it again (restart %d of %d)",
		   cause->message[0] ? cause->message : "no reason was given", restarts,
		   ENDPOINT_RESTARTS_MAX);
	r = ep->state == ENDPOINT_IN_SERVICE || ep->state == ENDPOINT_UPDATING
		    ? endpoint_move(mgr, ep->id, ep->state, ENDPOINT_CREATING, &reason, reterr)
		    : 0;
	return r < 0 ? r
		     : store_endpoint_set_restart(mgr->store, ep->id, restarts, next_us, &reason,
						  now, reterr);
}

int endpoint_server_ended(struct manager *mgr, struct execution *ex, const struct reason *reason,
			  struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	int r = store_endpoint_get(mgr->store, ex->row.endpoint, &ep, reterr);
	bool updates = r >= 0 && execution_updates(ex, &ep);

	if (updates)
		r = endpoint_update_failed(mgr, &ep, ex, reason, reterr);
	if (r < 0 || !endpoint_state_is_live(ep.state))
		return r;
	live_changed(mgr);
	if (ep.state == ENDPOINT_DELETING || !ep.wanted)
		return has_other_server(mgr, ex)
			       ? 0
			       : endpoint_gone(mgr, &ep, ENDPOINT_DELETED, &ep.reason, reterr);
	if (ex->row.retired || updates)
		return 0;
	if (ex->may_live || /* a second server must not run beside it */
	    (ep.in_service_us == 0 && reason->code != REASON_HOST_LOST)) /* it has never worked */
		return endpoint_gone(mgr, &ep, ENDPOINT_FAILED, reason, reterr);
	return restart_later(mgr, &ep, ex->row.started_us, reason, reterr);
}

/* ---- delete ---- */

int endpoint_delete(struct manager *mgr, const struct endpoint_row *ep, enum reason_code cause,
		    const char *words, struct err *reterr)
{
	struct endpoint_row now = *ep;
	struct reason reason;
	int r;

	if (ep->state == ENDPOINT_DELETING)
		return 0;
	reason_set(&reason, cause, "%s", words);
	r = store_endpoint_set_wanted(mgr->store, ep->id, false, reterr);
	if (r >= 0)
		r = endpoint_move(mgr, ep->id, ep->state, ENDPOINT_DELETING, &reason, reterr);
	if (r < 0)
		return r;
	now.state = ENDPOINT_DELETING; /* borrows its JSON */
	now.reason = reason;
	if (ep->target == TARGET_SAGEMAKER)
		return sagemaker_endpoint_delete(mgr, &now, reterr);
	r = stop_servers(mgr, ep->id, reterr);
	if (r != 0)
		return r < 0 ? r : 0; /* the end of its last server ends the endpoint */
	return endpoint_gone(mgr, &now, ENDPOINT_DELETED, &reason, reterr);
}

/* ---- restarts that are due ---- */

int endpoint_restart(struct manager *mgr, const struct endpoint_row *ep, struct err *reterr)
{
	OWN(freep) struct usage *u = usage_read(mgr);
	OWN(job_row_done) struct job_row job = {0};
	struct execution_row row = {0};
	enum reason_code code;
	struct reason reason;
	int r = store_job_get(mgr->store, ep->job, &job, reterr);

	if (r < 0 || !u || execution_of_endpoint(mgr, ep) || stray_of_job(mgr, ep->job) ||
	    !sagemaker_may_start(mgr, &job, &reason) || headroom_check(mgr, NULL) < 0 ||
	    !placement_find(mgr, u, &job, &row, &reason))
		return r; /* no slot is free, or a fact is unknown: the next tick tries again */
	r = store_folder_check(mgr->store, spec_model_name(ep->spec), reterr);
	if (err_is_removed(r)) { /* a removed folder does not come back */
		reason_set(&reason, r == -ERR_PRUNED ? REASON_PRUNED : REASON_REMOVED_OUTSIDE, "%s",
			   reterr->msg);
		return endpoint_gone(mgr, ep, ENDPOINT_FAILED, &reason, reterr);
	}
	memcpy(row.endpoint, ep->id, sizeof(row.endpoint));
	r = execution_prepare(mgr, &job, true, &row, ep->spec, NULL, &code, reterr);
	if (headroom_is_missing(r))
		return 0;
	if (r < 0) {
		reason_set(&reason, code, "%s", reterr->msg);
		return restart_later(mgr, ep, clock_now_us(), &reason, reterr);
	}
	return execution_launch(mgr, &row, reterr);
}
