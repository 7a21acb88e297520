/* SPDX-License-Identifier: MIT */
/*
 * Ends an endpoint on SageMaker: marks all its rows as unwanted; the endpoint is gone when its
 * resources are. Runs in a transaction on the manager's thread.
 */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/update.h"

#include <string.h>

enum reason_code sagemaker_failure_code(const char *text)
{
	static const struct {
		const char *part;
		enum reason_code code;
	} known[] = {
		{"health check", REASON_HEALTH_CHECK_FAILED},
		{"apacity", REASON_CAPACITY},
		{"image", REASON_IMAGE_MISSING},
		{"model data", REASON_DATA_MISSING},
		{"ccess denied", REASON_ACCESS_DENIED},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strstr(text, known[i].part))
			return known[i].code;
	return REASON_CONTAINER_FAILED;
}

static int unwant_all(struct manager *mgr, const char *endpoint, const struct reason *reason,
		      bool *ret_live, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = store_resource_of_endpoint(mgr->store, endpoint, &rows, reterr);

	*ret_live = false;
	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		struct resource_row *row = &rows.rows[i];

		if (resource_state_is_final(row->state))
			continue;
		*ret_live = true;
		if (!row->wanted)
			continue;
		r = sagemaker_resource_unwant(mgr, row, reason, reterr);
	}
	return r < 0 ? r : 0;
}

/* ENDPOINT_DELETED if a user or a lease requested the end, ENDPOINT_FAILED after an error. */
static enum endpoint_state end_of(const struct endpoint_row *ep)
{
	enum reason_code reason = ep->reason.code;
	bool wished = reason == REASON_DELETED_BY_USER || reason == REASON_LEASE_EXPIRED ||
		      reason == REASON_IDLE || reason == REASON_CANCELLED;

	return wished ? ENDPOINT_DELETED : ENDPOINT_FAILED;
}

int sagemaker_endpoint_close(struct manager *mgr, const char *endpoint, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = store_endpoint_get(mgr->store, endpoint, &ep, reterr);

	if (r >= 0)
		r = store_resource_of_endpoint(mgr->store, endpoint, &rows, reterr);
	if (r < 0 || ep.state != ENDPOINT_DELETING)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < rows.n; i++)
		if (!resource_state_is_final(rows.rows[i].state))
			return 0;
	manager_want_schedule(mgr); /* its name is free */
	return endpoint_gone(mgr, &ep, end_of(&ep), &ep.reason, reterr);
}

/* The endpoint does not work: delete all its resources. */
int sagemaker_endpoint_fail(struct manager *mgr, const char *endpoint, const struct reason *reason,
			    struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	bool live;
	int r = store_endpoint_get(mgr->store, endpoint, &ep, reterr);

	if (r < 0 || !endpoint_state_is_live(ep.state) || ep.state == ENDPOINT_DELETING)
		return r < 0 ? r : 0;
	r = store_endpoint_set_wanted(mgr->store, ep.id, false, reterr);
	if (r >= 0)
		r = endpoint_move(mgr, ep.id, ep.state, ENDPOINT_DELETING, reason, reterr);
	if (r >= 0)
		r = sagemaker_update_drop(mgr, &ep, reason, reterr);
	if (r >= 0)
		r = unwant_all(mgr, ep.id, reason, &live, reterr);
	return r < 0 || live ? r : sagemaker_endpoint_close(mgr, ep.id, reterr);
}

int sagemaker_endpoint_delete(struct manager *mgr, const struct endpoint_row *ep,
			      struct err *reterr)
{
	const struct execution *staging = ep->in_service_us ? NULL : execution_of_job(mgr, ep->job);
	bool live;
	int r = sagemaker_update_drop(mgr, ep, &ep->reason, reterr);

	if (r >= 0)
		r = unwant_all(mgr, ep->id, &ep->reason, &live, reterr);
	if (r < 0 || live)
		return r;
	return staging ? execution_stop_later(mgr, staging, reterr) /* the staging ends first */
		       : sagemaker_endpoint_close(mgr, ep->id, reterr);
}
