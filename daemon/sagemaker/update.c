/* SPDX-License-Identifier: MIT */
/*
 * Updates an endpoint (on_existing: update). A new model and config are created, and the endpoint's
 * row names the new config as wanted. UpdateEndpoint is sent until describe reports that config in
 * use. Then the parity check decides: delete the old model and config, or name the old config again
 * and delete the new ones. SageMaker serves the old config all the time. Manager's thread.
 */
#include "daemon/sagemaker/update.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/schedule/job_state.h"

#include <string.h>

#define CONFIG_KEY "EndpointConfigName"

const char *sagemaker_config_wanted(const struct resource_row *endpoint)
{
	return json_get_str(endpoint->request, CONFIG_KEY, "");
}

const char *sagemaker_config_used(const struct resource_row *endpoint)
{
	return json_get_str(endpoint->answer, CONFIG_KEY, sagemaker_config_wanted(endpoint));
}

static const struct resource_row *config_named(const struct resource_rows *rows, const char *name)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->rows[i].kind == RESOURCE_ENDPOINT_CONFIG &&
		    str_eq(rows->rows[i].name, name))
			return &rows->rows[i];
	return NULL;
}

int sagemaker_deploy_of(struct manager *mgr, const struct resource_row *row, char job[ID_LEN],
			struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	const struct resource_row *config;
	int r = store_resource_of_endpoint(mgr->store, row->endpoint, &rows, reterr);

	if (r < 0)
		return r;
	config = config_named(&rows, sagemaker_config_wanted(row));
	memcpy(job, config ? config->job : row->job, ID_LEN);
	return 0;
}

/* ---- begin ---- */

/* Find the endpoint's own row. -ERR_NOT_FOUND if there is none. */
static int own_row(const struct resource_rows *rows, struct resource_row **ret, struct err *reterr)
{
	for (size_t i = 0; i < rows->n; i++) {
		*ret = &rows->rows[i];
		if ((*ret)->kind == RESOURCE_ENDPOINT && !resource_state_is_final((*ret)->state))
			return 0;
	}
	return err_set(reterr, ERR_NOT_FOUND, "the endpoint no longer exists");
}

/* Make this config the wanted one. */
static int want_config(struct manager *mgr, struct resource_row *row, const char *config,
		       struct err *reterr)
{
	json_object_set_new(row->request, CONFIG_KEY, json_string(config));
	if (row->answer) {
		json_object_del(row->answer, SAGEMAKER_TRIED_KEY);
		json_object_del(row->answer, SAGEMAKER_ASKED_KEY);
	}
	return sagemaker_resource_desire(mgr, row, reterr);
}

int sagemaker_update_want(struct manager *mgr, const struct endpoint_row *ep, const char *config,
			  struct resource_row *ret_row, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	struct resource_row *row;
	int r = store_resource_of_endpoint(mgr->store, ep->id, &rows, reterr);

	if (r >= 0)
		r = own_row(&rows, &row, reterr);
	if (r >= 0)
		r = want_config(mgr, row, config, reterr);
	return r < 0 ? r : store_resource_get(mgr->store, row->id, ret_row, reterr);
}

/* ---- the end ---- */

/* Delete the endpoint's models and configs except those of `keep`. */
static int drop_others(struct manager *mgr, const struct resource_rows *rows, const char *keep,
		       const struct reason *reason, struct err *reterr)
{
	const struct resource_row *kept = config_named(rows, keep);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		struct resource_row *row = &rows->rows[i];

		if (row->kind == RESOURCE_ENDPOINT || resource_state_is_final(row->state) ||
		    !row->wanted || (kept && str_eq(row->nonce, kept->nonce)))
			continue;
		r = sagemaker_resource_unwant(mgr, row, reason, reterr);
	}
	return r;
}

int sagemaker_update_done(struct manager *mgr, const struct resource_row *row,
			  const struct endpoint_row *ep, const json_t *result, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	struct reason none = {0};
	char id[ID_LEN];
	int r = sagemaker_deploy_of(mgr, row, id, reterr);

	if (r >= 0)
		r = endpoint_updated(mgr, ep, id, result, reterr);
	if (r >= 0)
		r = store_resource_of_endpoint(mgr->store, ep->id, &rows, reterr);
	return r < 0 ? r : drop_others(mgr, &rows, sagemaker_config_wanted(row), &none, reterr);
}

int sagemaker_update_accept(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	const char *used = sagemaker_config_used(row);
	struct resource_row *own;
	struct reason reason;
	int r = store_resource_of_endpoint(mgr->store, row->endpoint, &rows, reterr);

	if (r >= 0)
		r = own_row(&rows, &own, reterr);
	if (r < 0 || !used[0])
		return r;
	reason_set(&reason, REASON_DELETED_BY_USER, "the endpoint uses %s", used);
	r = want_config(mgr, own, used, reterr);
	return r < 0 ? r : drop_others(mgr, &rows, used, &reason, reterr);
}

/* The config of the last completed deploy. */
static const struct resource_row *old_config(const struct resource_rows *rows,
					     const struct endpoint_row *ep)
{
	const struct resource_row *found = NULL;

	for (size_t i = 0; i < rows->n; i++)
		if (rows->rows[i].kind == RESOURCE_ENDPOINT_CONFIG && rows->rows[i].wanted &&
		    str_eq(rows->rows[i].job, ep->job))
			found = &rows->rows[i];
	return found;
}

int sagemaker_update_undo(struct manager *mgr, const char *endpoint, const struct reason *reason,
			  struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	OWN(resource_rows_done) struct resource_rows rows = {0};
	OWN(job_row_done) struct job_row job = {0};
	const struct resource_row *old;
	struct resource_row *row;
	int r = store_endpoint_get(mgr->store, endpoint, &ep, reterr);

	if (r < 0 || ep.state != ENDPOINT_UPDATING)
		return r < 0 ? r : 0;
	r = sagemaker_update_job(mgr, &ep, &job, reterr);
	if (r >= 0)
		r = store_resource_of_endpoint(mgr->store, endpoint, &rows, reterr);
	if (r >= 0)
		r = own_row(&rows, &row, reterr);
	if (r < 0)
		return r;
	old = old_config(&rows, &ep);
	if (!old)
		return sagemaker_endpoint_fail(mgr, endpoint, reason, reterr);
	if (!str_eq(old->name, sagemaker_config_wanted(row)))
		r = want_config(mgr, row, old->name, reterr);
	if (r >= 0)
		r = drop_others(mgr, &rows, old->name, reason, reterr);
	if (r >= 0)
		r = endpoint_move(mgr, ep.id, ENDPOINT_UPDATING, ENDPOINT_IN_SERVICE, reason,
				  reterr);
	return r < 0 ? r : endpoint_update_end(mgr, job.id, STATE_FAILED, reason, NULL, reterr);
}

int sagemaker_update_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct reason reason;
	int r = sagemaker_staging_stop(mgr, job, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	reason_set(&reason, REASON_CANCELLED, "the update was cancelled");
	r = store_endpoint_find(mgr->store, json_get_str(job->spec, "endpoint", ""), &ep, reterr);
	if (r >= 0)
		r = sagemaker_update_undo(mgr, ep.id, &reason, reterr);
	if (r < 0 && r != -ERR_NOT_FOUND)
		return r;
	return endpoint_update_end(mgr, job->id, STATE_CANCELLED, &reason, NULL, reterr);
}

static bool was_just_accepted(const struct manager *mgr, const struct resource_row *row)
{
	int64_t since = json_get_int(row->answer, SAGEMAKER_TRIED_AT_KEY, 0);

	return clock_now_us() - since < mgr->settings->aws.settle_us;
}

/* A rollback blocked by quota or capacity waits: the current config keeps serving, and
 * UpdateEndpoint is sent again if its last answer is old. */
static int wait_for_place(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	if (was_just_accepted(mgr, row) || json_object_del(row->answer, SAGEMAKER_TRIED_KEY) < 0)
		return 0;
	return store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

/* If the new config is refused, roll back. If the rollback is refused, wait for quota or capacity;
 * after any other refusal the endpoint fails. */
static int cannot_have(struct manager *mgr, const struct resource_row *row, enum reason_code code,
		       const char *words, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct reason reason;
	int r = store_endpoint_get(mgr->store, row->endpoint, &ep, reterr);

	if (r < 0)
		return r;
	if (ep.state == ENDPOINT_UPDATING) {
		reason_set(&reason, code, "%s", words);
		return sagemaker_update_undo(mgr, ep.id, &reason, reterr);
	}
	if (ep.state == ENDPOINT_IN_SERVICE && (code == REASON_QUOTA || code == REASON_CAPACITY))
		return wait_for_place(mgr, row, reterr);
	reason_set(&reason, code,
		   "after a failed update SageMaker cannot roll the endpoint back to %s: %s",
		   sagemaker_config_wanted(row), words);
	return sagemaker_endpoint_fail(mgr, ep.id, &reason, reterr);
}

/* ---- looking ---- */

int sagemaker_update_late(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int64_t limit_us = mgr->settings->aws.endpoint_timeout_us;
	const struct resource_row *config;
	struct reason reason;
	char text[32];
	int r = store_endpoint_get(mgr->store, row->endpoint, &ep, reterr);

	if (r >= 0)
		r = store_resource_of_endpoint(mgr->store, row->endpoint, &rows, reterr);
	if (r < 0 || ep.state != ENDPOINT_UPDATING)
		return r < 0 ? r : 0;
	config = config_named(&rows, sagemaker_config_wanted(row));
	if (!config || str_eq(config->job, ep.job) || !config->present_us || !limit_us ||
	    clock_now_us() - config->present_us < limit_us)
		return 0;
	reason_set(&reason, REASON_TIMED_OUT,
		   "endpoint %s is still %s, %s after its update began%s%s", row->name, row->status,
		   duration_format(text, limit_us), row->reason.code ? ": " : "",
		   row->reason.message);
	r = sagemaker_update_undo(mgr, ep.id, &reason, reterr);
	return r < 0 ? r : 1;
}

/* SageMaker went back by itself: the config that UpdateEndpoint accepted is not in use. */
static int went_back(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	const char *problem = json_get_str(row->answer, "FailureReason", NULL);
	char words[REASON_MSG_MAX];

	if (!problem && was_just_accepted(mgr, row))
		return 0; /* describe may show an older state */
	str_excerptf(words, sizeof(words), "SageMaker rolled back to the old endpoint config: %s",
		     problem ? problem : "SageMaker gave no reason");
	return cannot_have(mgr, row, sagemaker_failure_code(words), words, reterr);
}

int sagemaker_update_check(struct manager *mgr, const struct resource_row *row,
			   enum sagemaker_step *ret_next, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	const char *wanted = sagemaker_config_wanted(row);
	const struct resource_row *config;
	int r = store_resource_of_endpoint(mgr->store, row->endpoint, &rows, reterr);

	if (r < 0)
		return r;
	if (str_eq(json_get_str(row->answer, SAGEMAKER_TRIED_KEY, ""), wanted))
		return went_back(mgr, row, reterr);
	config = config_named(&rows, wanted);
	if (!config || config->state != RESOURCE_PRESENT)
		return 0; /* not created yet */
	r = sagemaker_update_late(mgr, row, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	/* Record the config before the call, because it may be in use even if the answer is
	 * lost. */
	json_object_set_new(row->answer, SAGEMAKER_PENDING_KEY, json_string(wanted));
	*ret_next = SAGEMAKER_STEP_UPDATE;
	return store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

/* Runs in the transaction of UpdateEndpoint's answer. */
int sagemaker_update_answered(struct manager *mgr, struct resource_row *row,
			      const struct aws_call *c, struct err *reterr)
{
	enum reason_code code = c->kind == AWS_ERROR_QUOTA	? REASON_QUOTA
				: c->kind == AWS_ERROR_CAPACITY ? REASON_CAPACITY
				: c->kind == AWS_ERROR_DENIED	? REASON_ACCESS_DENIED
				: c->kind == AWS_ERROR_INVALID	? REASON_REFUSED
								: REASON_NONE;
	int r;

	row->next_us = clock_now_us() + mgr->settings->aws.poll_us;
	row->reason = (struct reason){0};
	if (c->result == 0) {
		if (!row->answer)
			row->answer = json_object();
		json_object_set_new(row->answer, SAGEMAKER_TRIED_KEY,
				    json_string(sagemaker_config_wanted(row)));
		json_object_set_new(row->answer, SAGEMAKER_TRIED_AT_KEY,
				    json_integer(clock_now_us()));
		str_assign(row->status, "Updating");
	} else {
		reason_set(&row->reason, code ? code : REASON_WAITING_FOR_RETRY, "%s", c->err.msg);
	}
	r = store_resource_update(mgr->store, row, clock_now_us(), reterr);
	return r < 0 || !code ? r : cannot_have(mgr, row, code, c->err.msg, reterr);
}
