/* SPDX-License-Identifier: MIT */
/*
 * One step of one row: its call, and the transaction that applies the answer. An answer may request
 * another step at once: create a missing resource, read the tags of an existing one, update an
 * endpoint in service with another config. Manager's thread.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/update.h"
#include "jobs/sagemaker/requests.h"

#include <string.h>

static void answered(struct manager *mgr, struct sagemaker_call *cc);

/* NULL if memory is out, or if the service does not accept a name. */
static struct sagemaker_call *update_of(struct manager *mgr, const struct resource_row *row)
{
	struct sagemaker_endpoint endpoint = {
		.name = row->name,
		.config_name = sagemaker_config_wanted(row),
	};
	struct err err = {0};
	json_t *body = NULL;

	if (sagemaker_endpoint_update_request(&endpoint, &body, &err) < 0) {
		log_event(LOG_LEVEL_ERROR, "resource_not_updated", "name=%s msg=\"%s\"", row->name,
			  err.msg);
		return NULL;
	}
	return sagemaker_call_new(mgr, AWS_SAGEMAKER, "UpdateEndpoint", NULL, body);
}

static json_t *name_only(const struct resource_row *row)
{
	return json_pack("{ss}", sagemaker_drivers[row->kind]->name_key, row->name);
}

static struct sagemaker_call *call_of_step(struct manager *mgr, const struct resource_row *row,
					   enum sagemaker_step step)
{
	const struct sagemaker_driver *d = sagemaker_drivers[row->kind];

	switch (step) {
	case SAGEMAKER_STEP_CREATE:
		return sagemaker_call_new(mgr, AWS_SAGEMAKER, d->create, NULL,
					  json_incref(row->request));
	case SAGEMAKER_STEP_DESCRIBE:
		return sagemaker_call_new(mgr, AWS_SAGEMAKER, d->describe, NULL, name_only(row));
	case SAGEMAKER_STEP_END:
		return sagemaker_call_new(mgr, AWS_SAGEMAKER, d->end, NULL, name_only(row));
	case SAGEMAKER_STEP_UPDATE:
		return update_of(mgr, row);
	case SAGEMAKER_STEP_TAGS:
		return sagemaker_call_new(
			mgr, AWS_SAGEMAKER, "ListTags", NULL,
			json_pack("{ss si}", "ResourceArn", row->arn, "MaxResults", 100));
	case SAGEMAKER_STEP_LOGS:
	case SAGEMAKER_STEP_LOOKUP:
	case SAGEMAKER_STEP_PARITY:
		break;
	}
	return NULL;
}

/* Record the create before it is sent, because from then on the resource may exist. Returns 1 to
 * send it, 0 if the resource is no longer wanted. */
static int note_create(struct manager *mgr, struct resource_row *row)
{
	OWN(resource_row_done) struct resource_row now = {0};
	struct err err = {0};
	bool send;
	int r = txn_begin(mgr, &err);

	if (r < 0)
		return r;
	r = store_resource_get(mgr->store, row->id, &now, &err);
	send = r >= 0 && now.state == RESOURCE_PLANNED && now.wanted;
	if (send) {
		now.sent_us = clock_now_us();
		r = store_resource_update(mgr->store, &now, now.sent_us, &err);
	}
	if (r < 0)
		txn_fail(mgr, r, &err);
	return txn_end(mgr, NULL) >= 0 && send;
}

void sagemaker_step(struct manager *mgr, struct resource_row *row, enum sagemaker_step step)
{
	bool fresh = row->sent_us == 0;
	struct sagemaker_call *cc;

	if (mgr->restored_us && (step == SAGEMAKER_STEP_CREATE || step == SAGEMAKER_STEP_UPDATE))
		return; /* a restored database starts nothing that is paid */
	if (step == SAGEMAKER_STEP_CREATE && note_create(mgr, row) <= 0)
		return; /* the next resync tries again */
	cc = call_of_step(mgr, row, step);
	if (!cc)
		return;
	cc->step = step;
	cc->fresh = fresh;
	memcpy(cc->row, row->id, sizeof(cc->row));
	str_assign(cc->text[0], row->region);
	cc->call.region = cc->text[0];
	cc->answered = answered;
	sagemaker_call_send(cc);
}

/* In a separate transaction: apply the answer; then send the step that follows at once, if any. */
static void answered(struct manager *mgr, struct sagemaker_call *cc)
{
	OWN(resource_row_done) struct resource_row row = {0};
	enum sagemaker_step next = SAGEMAKER_STEP_DESCRIBE;
	struct err err = {0};
	int r = txn_begin(mgr, &err);

	if (r < 0)
		return; /* the row records what was sent; the next resync describes it */
	r = store_resource_get(mgr->store, cc->row, &row, &err);
	if (r >= 0 && !resource_state_is_final(row.state))
		r = sagemaker_judge(mgr, &row, cc, &next, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	if (txn_end(mgr, NULL) >= 0 && next != SAGEMAKER_STEP_DESCRIBE)
		sagemaker_step(mgr, &row, next);
	FAULT("sagemaker.call.stored");
}
