/* SPDX-License-Identifier: MIT */
/*
 * Leases: an endpoint is deleted if its lease has ended or it was idle too long, unless jobs of its
 * run still need it. Manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/sagemaker/idle.h"
#include "daemon/schedule/budget.h"

/* Accuracy of the stored time of the last request. */
#define REQUEST_SAVED_US (10 * USEC_PER_SEC)

/* ---- the rules ---- */

/* The reason why the lease is over; REASON_NONE if it is not. */
static enum reason_code lease_verdict(const struct endpoint_row *ep, int64_t last_request_us,
				      int64_t now, char *words, size_t size)
{
	char text[32];

	if (ep->lease_until_us && now >= ep->lease_until_us) {
		str_excerptf(words, size, "the lease of %s has ended",
			     duration_format(text, ep->lease_ttl_us));
		return REASON_LEASE_EXPIRED;
	}
	if (ep->lease_idle_us && ep->in_service_us && now - last_request_us >= ep->lease_idle_us) {
		str_excerptf(words, size, "no request came for %s",
			     duration_format(text, ep->lease_idle_us));
		return REASON_IDLE;
	}
	return REASON_NONE;
}

static int look_at_lease(struct manager *mgr, const struct endpoint_row *ep, struct err *reterr)
{
	int64_t now = clock_now_us(), last = live_last_request(mgr, ep->id);
	enum reason_code reason;
	char words[128];
	bool needed;
	int r = 0;

	if (last < ep->last_request_us)
		last = ep->last_request_us;
	reason = lease_verdict(ep, last, now, words, sizeof(words));
	if (reason == REASON_IDLE && ep->target == TARGET_SAGEMAKER) {
		if (!sagemaker_idle_known(mgr, ep, &last))
			return 0; /* checked again after it came into service */
		reason = lease_verdict(ep, last, now, words, sizeof(words));
	}
	if (last - ep->last_request_us >= REQUEST_SAVED_US)
		r = store_endpoint_set_lease(mgr->store, ep->id, ep->lease_ttl_us,
					     ep->lease_until_us, last, false, now, reterr);
	if (r < 0 || reason == REASON_NONE)
		return r;
	r = store_endpoint_needed(mgr->store, ep->id, &needed, reterr);
	return r < 0 || needed ? r : endpoint_delete(mgr, ep, reason, words, reterr);
}

static int look_at(struct manager *mgr, const struct endpoint_row *ep, struct err *reterr)
{
	const struct execution *ex = execution_of_endpoint(mgr, ep);
	int64_t now = clock_now_us(), limit_us = mgr->settings->endpoint_start_timeout_us;
	char words[128], text[32];

	if (ep->state == ENDPOINT_IN_SERVICE)
		return look_at_lease(mgr, ep, reterr);
	if (ep->state == ENDPOINT_CREATING && ep->in_service_us && ep->lease_until_us &&
	    now >= ep->lease_until_us) /* its lease ended during a restart */
		return look_at_lease(mgr, ep, reterr);
	if (ep->target == TARGET_SAGEMAKER)
		return 0; /* sagemaker/endpoint.c starts it */
	if (ep->state == ENDPOINT_CREATING && !ex && now >= ep->not_before_us && ep->wanted)
		return endpoint_restart(mgr, ep, reterr);
	if (ep->state == ENDPOINT_CREATING && ex && limit_us > 0 &&
	    clock_mono_us() - ex->since_mono_us > limit_us) {
		str_excerptf(words, sizeof(words),
			     "the server gave no answer within %s of its start",
			     duration_format(text, limit_us));
		return endpoint_delete(mgr, ep, REASON_TIMED_OUT, words, reterr);
	}
	return 0;
}

/* Handle all live endpoints in one transaction. If no transaction can be opened, do nothing. */
void endpoints_tick(struct manager *mgr)
{
	OWN(endpoint_rows_done) struct endpoint_rows rows = {0};
	struct err err = {0};
	int r = 0;

	if (!mgr->live || store_endpoints_live(mgr->store, &rows, &err) < 0 || !rows.n)
		return;
	for (size_t i = 0; i < rows.n; i++)
		endpoint_update_look(mgr, &rows.rows[i]);
	if (txn_begin(mgr, &err) < 0)
		return;
	for (size_t i = 0; r >= 0 && i < rows.n; i++)
		r = look_at(mgr, &rows.rows[i], &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	txn_end(mgr, NULL);
}

int endpoint_renew(struct manager *mgr, const char *name, int64_t ttl_us, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	char most[32], asked[32];
	int64_t now = clock_now_us();
	int r = store_endpoint_find(mgr->store, name, &ep, reterr);

	if (r < 0)
		return r;
	if (ep.state == ENDPOINT_DELETING)
		return err_set(reterr, ERR_CONFLICT,
			       "endpoint '%s' is being deleted, so its lease cannot change", name);
	if (ttl_us == 0)
		ttl_us = ep.lease_ttl_us;
	if (ttl_us > mgr->settings->lease_ttl_max_us)
		return err_at(
			reterr, ERR_INVALID, "/ttl",
			"a lease of %s is longer than lease.ttl_max, %s; ask for less and renew it",
			duration_format(asked, ttl_us),
			duration_format(most, mgr->settings->lease_ttl_max_us));
	/* The reservation covers the time until the lease's end, or the whole lease before its
	 * start. */
	r = budget_renew(mgr, &ep,
			 ep.in_service_us ? now + ttl_us - ep.lease_until_us
					  : ttl_us - ep.lease_ttl_us,
			 reterr);
	if (r < 0)
		return r;
	r = store_endpoint_set_renewed(mgr->store, ep.id, true, reterr);
	if (r < 0)
		return r;
	return store_endpoint_set_lease(mgr->store, ep.id, ttl_us,
					ep.in_service_us ? now + ttl_us : 0, now, true, now,
					reterr);
}
