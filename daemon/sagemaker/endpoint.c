/* SPDX-License-Identifier: MIT */
/*
 * Endpoints on SageMaker. Model, endpoint config and endpoint are three rows, created in this order
 * and deleted in the reverse order. An endpoint is in service after it has answered like its model
 * after training (sagemaker/parity.c). If anything fails before, all three are deleted. Manager's
 * thread.
 */
#include "daemon/endpoint/endpoint.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/parity.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/budget.h"

#include <string.h>

/* ---- the three together ---- */

/* True if `upper` depends on `base`: a config on its model, an endpoint on its current or wanted
 * config. */
static bool builds_upon(const struct resource_row *upper, const struct resource_row *base)
{
	if (!str_eq(upper->region, base->region))
		return false;
	if (upper->kind == RESOURCE_ENDPOINT_CONFIG)
		return base->kind == RESOURCE_MODEL && str_eq(upper->nonce, base->nonce);
	return upper->kind == RESOURCE_ENDPOINT && base->kind == RESOURCE_ENDPOINT_CONFIG &&
	       (str_eq(sagemaker_config_wanted(upper), base->name) ||
		str_eq(sagemaker_config_used(upper), base->name) ||
		str_eq(json_get_str(upper->answer, SAGEMAKER_PENDING_KEY, ""), base->name));
}

/* True if the resource on which this row depends exists. */
static bool has_base(const struct resource_rows *rows, const struct resource_row *row)
{
	if (row->kind == RESOURCE_MODEL)
		return true;
	for (size_t i = 0; i < rows->n; i++)
		if (builds_upon(row, &rows->rows[i]) && rows->rows[i].state == RESOURCE_PRESENT)
			return true;
	return false;
}

/* True if a row that is not gone depends on this one. */
static bool is_used(const struct resource_rows *rows, const struct resource_row *row)
{
	for (size_t i = 0; i < rows->n; i++)
		if (builds_upon(&rows->rows[i], row) &&
		    !resource_state_is_final(rows->rows[i].state))
			return true;
	return false;
}

/* Returns 1 if the step may happen now, else 0. Any resource may depend on one without an endpoint
 * here (adopted, to be deleted). */
static int resource_may(struct manager *mgr, const struct resource_row *row, bool create,
			struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = row->endpoint[0]
			? store_resource_of_endpoint(mgr->store, row->endpoint, &rows, reterr)
			: store_resource_live(mgr->store, &rows, reterr);

	if (r < 0)
		return r;
	return create ? has_base(&rows, row) : !is_used(&rows, row);
}

/* One of the three resources has ended. During a deploy the others are deleted, too, even if this
 * one was unwanted because it was refused after an unclear attempt. During an update the old
 * resources stay. */
static int part_over(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	OWN(job_row_done) struct job_row job = {0};
	int r = store_endpoint_get(mgr->store, row->endpoint, &ep, reterr);

	if (r < 0)
		return r;
	if (ep.state == ENDPOINT_CREATING ||
	    (row->wanted && (row->kind == RESOURCE_ENDPOINT || str_eq(row->job, ep.job))))
		return sagemaker_endpoint_fail(mgr, ep.id, &row->reason, reterr);
	if (ep.state != ENDPOINT_UPDATING)
		return 0;
	r = sagemaker_update_job(mgr, &ep, &job, reterr);
	return r <= 0 || !str_eq(row->job, job.id) || row->attempt != job.attempt
		       ? r
		       : sagemaker_update_undo(mgr, ep.id, &row->reason, reterr);
}

static int resource_over(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	int64_t up_us = row->present_us ? row->ended_us - row->present_us : 0;
	int r = row->kind == RESOURCE_ENDPOINT ? budget_settle(mgr, row, up_us, reterr) : 0;

	if (!row->endpoint[0])
		return r;
	if (r >= 0)
		r = part_over(mgr, row, reterr);
	return r < 0 ? r : sagemaker_endpoint_close(mgr, row->endpoint, reterr);
}

/* ---- describe answers ---- */

/* A model or a config: existence is all that matters. */
static int plain_seen(struct manager *mgr, struct resource_row *row, const json_t *answer,
		      struct err *reterr)
{
	if (row->wanted)
		row->next_us = USEC_NEVER;
	return 0;
}

static int check_time(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	int64_t limit_us = mgr->settings->aws.endpoint_timeout_us;
	struct reason reason;
	char text[32];

	if (!limit_us || clock_now_us() - row->present_us < limit_us)
		return 0;
	reason_set(&reason, REASON_TIMED_OUT,
		   "endpoint %s is still %s after %s; the daemon deletes it as soon as SageMaker "
		   "allows",
		   row->name, row->status, duration_format(text, limit_us));
	return sagemaker_endpoint_fail(mgr, row->endpoint, &reason, reterr);
}

static int in_service(struct manager *mgr, const struct resource_row *row,
		      enum sagemaker_step *ret_next, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	char job[ID_LEN];
	int r = store_endpoint_get(mgr->store, row->endpoint, &ep, reterr);

	if (r >= 0 && !sagemaker_config_wanted(row)[0])
		return sagemaker_update_accept(mgr, row, reterr);
	if (r >= 0 && !str_eq(sagemaker_config_used(row), sagemaker_config_wanted(row)))
		return sagemaker_update_check(mgr, row, ret_next, reterr);
	if (r < 0 || (ep.state != ENDPOINT_CREATING && ep.state != ENDPOINT_UPDATING))
		return r < 0 ? r : 0;
	r = sagemaker_deploy_of(mgr, row, job, reterr);
	if (r < 0 || (ep.state == ENDPOINT_UPDATING && str_eq(job, ep.job)))
		return r; /* its new config is not planned yet */
	return sagemaker_parity_begin(mgr, row, &ep, reterr);
}

static json_t *keep_shown(const json_t *answer)
{
	static const char *const shown[] = {"EndpointStatus",	  "FailureReason",
					    "EndpointConfigName", "ProductionVariants",
					    "CreationTime",	  "LastModifiedTime"};
	json_t *kept = json_object();

	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (json_object_get(answer, shown[i]))
			json_object_set(kept, shown[i], json_object_get(answer, shown[i]));
	return kept;
}

static int endpoint_seen(struct manager *mgr, struct resource_row *row, const json_t *answer,
			 struct err *reterr)
{
	static const char *const notes[] = {SAGEMAKER_TRIED_KEY, SAGEMAKER_TRIED_AT_KEY,
					    SAGEMAKER_ASKED_KEY, SAGEMAKER_PENDING_KEY};
	bool settled = str_eq(json_get_str(answer, "EndpointStatus", ""), "InService");
	json_t *kept = keep_shown(answer);

	for (size_t i = 0; i < ARRAY_LEN(notes) - settled; i++)
		if (json_object_get(row->answer, notes[i]))
			json_object_set(kept, notes[i], json_object_get(row->answer, notes[i]));
	json_decref(row->answer);
	row->answer = kept;
	str_excerpt(row->status, sizeof(row->status), json_get_str(answer, "EndpointStatus", ""));
	return 0;
}

static int endpoint_act(struct manager *mgr, const struct resource_row *row,
			enum sagemaker_step *ret_next, struct err *reterr)
{
	const char *text = json_get_str(row->answer, "FailureReason", "SageMaker gave no reason");
	struct reason reason;
	int r;

	if (row->state != RESOURCE_PRESENT || !row->wanted)
		return 0;
	if (str_eq(row->status, "InService"))
		return in_service(mgr, row, ret_next, reterr);
	if (str_eq(row->status, "Creating"))
		return check_time(mgr, row, reterr);
	if (str_eq(row->status, "Failed")) {
		enum reason_code code = sagemaker_failure_code(text);

		reason_set(&reason, code, "endpoint %s failed: %s%s", row->name, text,
			   code == REASON_HEALTH_CHECK_FAILED ? SAGEMAKER_LAYOUT_HINT : "");
	} else if (str_eq(row->status, "UpdateRollbackFailed")) {
		reason_set(&reason, sagemaker_failure_code(text),
			   "SageMaker could neither update endpoint %s nor roll it back: %s",
			   row->name, text);
	} else {
		r = sagemaker_update_late(mgr, row, reterr);
		return r < 0 ? r : 0;
	}
	return sagemaker_endpoint_fail(mgr, row->endpoint, &reason, reterr);
}

/* ---- called by endpoints.c and for jobs ---- */

int sagemaker_endpoint_abandon(struct manager *mgr, const struct job_row *job,
			       const struct reason *reason, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	int r = store_endpoint_find(mgr->store, json_get_str(job->spec, "endpoint", ""), &ep,
				    reterr);
	struct reason gone;

	if (r < 0 && r != -ERR_NOT_FOUND)
		return r;
	if (r < 0 || !str_eq(ep.job, job->id)) { /* an update */
		if (r >= 0 && ep.state == ENDPOINT_UPDATING)
			return sagemaker_update_undo(mgr, ep.id, reason, reterr);
		reason_set(&gone, REASON_ENDPOINT_MISSING,
			   "endpoint '%s' was deleted during its update",
			   json_get_str(job->spec, "endpoint", ""));
		return endpoint_update_end(mgr, job->id, STATE_FAILED, &gone, NULL, reterr);
	}
	if (ep.state == ENDPOINT_DELETING)
		return sagemaker_endpoint_close(mgr, ep.id, reterr);
	return sagemaker_endpoint_fail(mgr, ep.id, reason, reterr);
}

const struct sagemaker_driver sagemaker_model_driver = {
	.create = "CreateModel",
	.describe = "DescribeModel",
	.end = "DeleteModel",
	.name_key = "ModelName",
	.arn_key = "ModelArn",
	.on_described = plain_seen,
	.on_ended = resource_over,
	.can_proceed = resource_may,
};

const struct sagemaker_driver sagemaker_config_driver = {
	.create = "CreateEndpointConfig",
	.describe = "DescribeEndpointConfig",
	.end = "DeleteEndpointConfig",
	.name_key = "EndpointConfigName",
	.arn_key = "EndpointConfigArn",
	.on_described = plain_seen,
	.on_ended = resource_over,
	.can_proceed = resource_may,
};

const struct sagemaker_driver sagemaker_endpoint_driver = {
	.create = "CreateEndpoint",
	.describe = "DescribeEndpoint",
	.end = "DeleteEndpoint",
	.name_key = "EndpointName",
	.arn_key = "EndpointArn",
	.polled = true,
	.on_described = endpoint_seen,
	.on_stored = endpoint_act,
	.on_ended = resource_over,
	.can_proceed = resource_may,
};
