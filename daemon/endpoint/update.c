/* SPDX-License-Identifier: MIT */
/*
 * Updates an endpoint (on_existing: update): the common part of both targets, and local endpoints.
 * A local update starts a second server; its execution belongs to both the endpoint and the
 * updating job. After the server is ready (which includes the parity check), one transaction makes
 * the job the endpoint's deploy and retires the first server. The first server gets no new
 * requests, and a SIGTERM after its pending requests have arrived. If the second server ends first,
 * nothing changes. Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/schedule/job_state.h"

#include <string.h>

/* ---- both targets ---- */

bool endpoint_to_update(struct manager *mgr, const struct job_row *job, struct endpoint_row *ret)
{
	return job->kind == JOB_DEPLOY &&
	       str_eq(json_get_str(job->spec, "on_existing", ""), "update") &&
	       store_endpoint_find(mgr->store, json_get_str(job->spec, "endpoint", ""), ret,
				   NULL) >= 0;
}

bool endpoint_is_settled(struct manager *mgr, const struct job_row *job, struct reason *reason)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};

	if (!endpoint_to_update(mgr, job, &ep) || ep.state != ENDPOINT_DELETING)
		return true;
	reason_set(reason, REASON_ENDPOINT_TAKEN,
		   "endpoint '%s' is still being deleted; wait until it is gone", ep.name);
	return false;
}

static const struct execution *second_server(struct manager *mgr, const struct endpoint_row *ep)
{
	const struct execution *ex = mgr->executions;

	while (ex && !execution_updates(ex, ep))
		ex = ex->next;
	return ex;
}

int endpoint_update_begin(struct manager *mgr, const struct job_row *job,
			  const struct endpoint_row *ep, struct err *reterr)
{
	bool restarts =
		ep->target == TARGET_LOCAL && ep->state == ENDPOINT_CREATING && ep->in_service_us;
	bool updating = ep->state == ENDPOINT_UPDATING || second_server(mgr, ep);
	struct reason reason;
	int r;

	if (ep->state == ENDPOINT_IN_SERVICE && !updating) {
		reason_set(&reason, REASON_NONE,
			   "job '%s' is updating the endpoint; wait for its end", job->name);
		return endpoint_move(mgr, ep->id, ENDPOINT_IN_SERVICE, ENDPOINT_UPDATING, &reason,
				     reterr);
	}
	if (restarts && !updating)
		return 0; /* the new server will follow */
	reason_set(&reason, REASON_ENDPOINT_TAKEN,
		   "endpoint '%s' is %s; an update needs an endpoint in service", ep->name,
		   updating ? "updating" : endpoint_state_str(ep->state));
	r = job_finish(mgr, job, STATE_FAILED, &reason, NULL, reterr);
	return r < 0 ? r : 1;
}

int endpoint_update_end(struct manager *mgr, const char *id, enum job_state to,
			const struct reason *reason, const json_t *outputs, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	int r = store_job_get(mgr->store, id, &job, reterr);

	if (r < 0 || !job_state_is_active(job.state))
		return r < 0 ? r : 0;
	if (to == STATE_FAILED && job.cancel_requested_us)
		to = STATE_CANCELLED;
	return job_finish(mgr, &job, to, reason, outputs, reterr);
}

/* A new lease begins, unless a user has renewed the old one to a later end. */
static int lease_anew(struct manager *mgr, const struct endpoint_row *ep, const json_t *spec,
		      struct err *reterr)
{
	int64_t now = clock_now_us(), ttl_us = endpoint_ttl_us(mgr, spec), until_us = now + ttl_us;
	bool keep = ep->lease_renewed && ep->lease_until_us > until_us;
	int r;

	if (keep) {
		ttl_us = ep->lease_ttl_us;
		until_us = ep->lease_until_us;
	}
	r = store_endpoint_set_renewed(mgr->store, ep->id, keep, reterr);
	if (r < 0)
		return r;
	return store_endpoint_set_lease(mgr->store, ep->id, ttl_us, until_us, now, true, now,
					reterr);
}

int endpoint_updated(struct manager *mgr, const struct endpoint_row *ep, const char *id,
		     const json_t *result, struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL, *outputs = json_pack("{ss}", "endpoint", ep->name);
	OWN(job_row_done) struct job_row job = {0};
	struct reason none = {0};
	int r = store_job_get(mgr->store, id, &job, reterr);

	if (result)
		json_object_set(outputs, "metrics", (json_t *)result);
	if (r >= 0)
		r = job_resolve(mgr, &job, &spec, reterr);
	if (r >= 0)
		r = store_endpoint_set_deploy(mgr->store, ep->id, job.id, spec_model_name(spec),
					      spec, endpoint_idle_us(mgr, spec), reterr);
	if (r >= 0)
		r = store_endpoint_set_result(mgr->store, ep->id, result, reterr);
	if (r >= 0)
		r = lease_anew(mgr, ep, spec, reterr);
	if (r >= 0 && ep->state != ENDPOINT_IN_SERVICE)
		r = endpoint_move(mgr, ep->id, ep->state, ENDPOINT_IN_SERVICE, &none, reterr);
	return r < 0 ? r : endpoint_update_end(mgr, id, STATE_SUCCEEDED, &none, outputs, reterr);
}

/* ---- local endpoints ---- */

static void retire_after(struct manager *mgr, void *arg, bool committed)
{
	const struct execution *now = execution_find(mgr, arg);

	for (struct execution *ex = mgr->executions; committed && now && ex; ex = ex->next)
		if (ex != now && str_eq(ex->row.endpoint, now->row.endpoint))
			ex->row.retired = true;
	free(arg);
}

static int switch_to(struct manager *mgr, const struct endpoint_row *ep, const struct execution *ex,
		     struct err *reterr)
{
	struct reason none = {0};
	char *id = strdup(ex->row.id);
	int r = id ? store_executions_retire(mgr->store, ep->id, id, reterr)
		   : err_errno(reterr, ENOMEM, "update the endpoint");

	if (r < 0) {
		free(id);
		return r;
	}
	txn_before_publish(mgr, retire_after, id); /* before the live table is rebuilt */
	if (ep->restarts)
		r = store_endpoint_set_restart(mgr->store, ep->id, 0, 0, &none, clock_now_us(),
					       reterr);
	if (r >= 0)
		r = endpoint_updated(mgr, ep, ex->row.job, ex->result, reterr);
	live_changed(mgr);
	return r;
}

int endpoint_server_ready(struct manager *mgr, const struct execution *ex, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	OWN(job_row_done) struct job_row job = {0};
	int r = store_endpoint_get(mgr->store, ex->row.endpoint, &ep, reterr);

	if (r < 0 || ex->row.retired)
		return r;
	if (!execution_updates(ex, &ep))
		return endpoint_ready(mgr, ep.id, ex->result, reterr);
	r = store_job_get(mgr->store, ex->row.job, &job, reterr);
	if (r < 0 || job.cancel_requested_us || !job_state_is_active(job.state) ||
	    ep.state == ENDPOINT_DELETING || !endpoint_state_is_live(ep.state))
		return r; /* it was told to stop; its end also ends the job */
	return switch_to(mgr, &ep, ex, reterr);
}

int endpoint_update_failed(struct manager *mgr, const struct endpoint_row *ep,
			   const struct execution *ex, const struct reason *cause,
			   struct err *reterr)
{
	bool live = endpoint_state_is_live(ep->state) && ep->state != ENDPOINT_DELETING;
	OWN(job_row_done) struct job_row job = {0};
	struct reason reason = *cause;
	int r = store_job_get(mgr->store, ex->row.job, &job, reterr);

	if (r < 0)
		return r;
	if (job.cancel_requested_us)
		reason_set(&reason, REASON_CANCELLED, "the update was cancelled");
	else if (!live)
		reason_set(&reason, ep->reason.code,
			   "endpoint '%s' was deleted during its update: %s", ep->name,
			   ep->reason.message);
	else if (!reason.code)
		reason_set(&reason, REASON_KILLED, "the new server ended before it answered");
	if (ep->state == ENDPOINT_UPDATING)
		r = endpoint_move(mgr, ep->id, ep->state, ENDPOINT_IN_SERVICE, &reason, reterr);
	return r < 0 ? r
		     : endpoint_update_end(mgr, ex->row.job, STATE_FAILED, &reason, NULL, reterr);
}

int endpoint_update_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	struct reason reason;

	for (struct execution *ex = mgr->executions; ex; ex = ex->next)
		if (ex->row.endpoint[0] && str_eq(ex->row.job, job->id))
			return execution_stop_later(mgr, ex, reterr); /* ends the job, too */
	reason_set(&reason, REASON_CANCELLED, "the update was cancelled");
	return endpoint_update_end(mgr, job->id, STATE_CANCELLED, &reason, NULL, reterr);
}

static void look_at_server(struct manager *mgr, struct execution *ex, bool updates)
{
	int64_t limit_us = mgr->settings->endpoint_start_timeout_us;
	char text[32];

	if (ex->stop_wanted)
		return;
	if (ex->row.retired) {
		if (ex->retired_seen)
			execution_stop(mgr, ex);
		ex->retired_seen = true;
	} else if (updates && limit_us > 0 && clock_mono_us() - ex->since_mono_us > limit_us) {
		reason_set(&ex->failure, REASON_TIMED_OUT,
			   "the new server gave no answer within %s of its start",
			   duration_format(text, limit_us));
		execution_stop(mgr, ex);
	}
}

void endpoint_update_look(struct manager *mgr, const struct endpoint_row *ep)
{
	for (struct execution *ex = mgr->executions; ex; ex = ex->next)
		if (str_eq(ex->row.endpoint, ep->id))
			look_at_server(mgr, ex, execution_updates(ex, ep));
}
