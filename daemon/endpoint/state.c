/* SPDX-License-Identifier: MIT */
/*
 * The only file that changes an endpoint's state, with the effect on the jobs that wait for it. A
 * deploy job runs until its endpoint is in service, a delete-endpoint job until the endpoint is
 * gone. Runs in a transaction and changes only rows. Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/schedule/job_state.h"

int endpoint_move(struct manager *mgr, const char *id, enum endpoint_state from,
		  enum endpoint_state to, const struct reason *reason, struct err *reterr)
{
	int r = store_endpoint_set_state(mgr->store, id, from, to, reason, clock_now_us(), reterr);

	if (r < 0)
		return r;
	txn_log(mgr, LOG_LEVEL_INFO, "endpoint_state",
		"endpoint=%s from=%s to=%s cause=%s msg=\"%s\"", id, endpoint_state_str(from),
		endpoint_state_str(to), reason_code_str(reason->code), reason->message);
	live_changed(mgr);
	return 0;
}

/* ---- the lease of a spec ---- */

static int64_t duration_of(const json_t *obj, const char *key, int64_t fallback_us)
{
	const char *text = json_get_str(obj, key, NULL);
	int64_t us;

	return text && duration_parse(text, &us) >= 0 ? us : fallback_us;
}

int64_t endpoint_ttl_us(const struct manager *mgr, const json_t *spec)
{
	return duration_of(json_object_get(spec, "lease"), "ttl",
			   mgr->settings->lease_ttl_default_us);
}

int64_t endpoint_idle_us(const struct manager *mgr, const json_t *spec)
{
	return duration_of(json_object_get(spec, "lease"), "idle",
			   mgr->settings->lease_idle_default_us);
}

/* ---- in service, gone ---- */

/* Find the deploy job of this endpoint if it is not final. Returns 1 and *job, else 0 (an adopted
 * endpoint has none). */
static int open_deploy(struct manager *mgr, const struct endpoint_row *ep, struct job_row *job,
		       struct err *reterr)
{
	int r;

	if (!ep->job[0])
		return 0;
	r = store_job_get(mgr->store, ep->job, job, reterr);
	if (r < 0)
		return r;
	return job_state_is_active(job->state) && ep->in_service_us == 0;
}

static int finish_deploy(struct manager *mgr, const struct endpoint_row *ep, enum job_state to,
			 const struct reason *reason, struct err *reterr)
{
	OWN(json_decrefp) json_t *outputs = NULL;
	OWN(job_row_done) struct job_row job = {0};
	int r = open_deploy(mgr, ep, &job, reterr);

	if (r <= 0)
		return r;
	if (to == STATE_SUCCEEDED) {
		outputs = json_pack("{ss}", "endpoint", ep->name);
		if (ep->result)
			json_object_set(outputs, "metrics", ep->result);
	}
	if (job.cancel_requested_us && to == STATE_FAILED)
		to = STATE_CANCELLED;
	return job_finish(mgr, &job, to, reason, outputs, reterr);
}

int endpoint_ready(struct manager *mgr, const char *id, json_t *result, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct reason none = {0};
	int64_t now = clock_now_us();
	int r = store_endpoint_get(mgr->store, id, &ep, reterr);

	if (r < 0 || ep.state != ENDPOINT_CREATING)
		return r;
	if (result) {
		r = store_endpoint_set_result(mgr->store, ep.id, result, reterr);
		json_decref(ep.result);
		ep.result = json_incref(result);
	}
	if (r >= 0)
		r = endpoint_move(mgr, ep.id, ENDPOINT_CREATING, ENDPOINT_IN_SERVICE, &none,
				  reterr);
	if (r >= 0 && ep.in_service_us == 0) /* the lease begins now */
		r = store_endpoint_set_lease(mgr->store, ep.id, ep.lease_ttl_us,
					     now + ep.lease_ttl_us, now, true, now, reterr);
	return r < 0 ? r : finish_deploy(mgr, &ep, STATE_SUCCEEDED, &none, reterr);
}

/* Finish the delete-endpoint jobs that wait for the endpoint's end. */
static int finish_deletes(struct manager *mgr, const struct endpoint_row *ep, struct err *reterr)
{
	OWN(job_rows_done) struct job_rows running = {0};
	struct reason none = {0};
	int r = store_jobs_in_state(mgr->store, STATE_RUNNING, &running, reterr);

	for (size_t i = 0; r >= 0 && i < running.n; i++) {
		struct job_row *job = &running.rows[i];

		if (job->kind != JOB_DELETE_ENDPOINT ||
		    !str_eq(json_get_str(job->outputs, "endpoint", ""), ep->name))
			continue;
		r = job_finish(mgr, job, STATE_SUCCEEDED, &none, job->outputs, reterr);
	}
	return r;
}

int endpoint_gone(struct manager *mgr, const struct endpoint_row *ep, enum endpoint_state to,
		  const struct reason *reason, struct err *reterr)
{
	int r = endpoint_move(mgr, ep->id, ep->state, to, reason, reterr);

	if (r >= 0)
		r = finish_deploy(mgr, ep, STATE_FAILED, reason, reterr);
	return r < 0 ? r : finish_deletes(mgr, ep, reterr);
}
