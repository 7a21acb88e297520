/* SPDX-License-Identifier: MIT */
/* Writes the plan as rows, all in one transaction. The controller then does the rest, in this
 * process or in the next daemon. */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/adopt/parts.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/schedule/budget.h"
#include "jobs/spec/parse.h"

#include <string.h>

/* The name from the tag, unless a live endpoint here has that name; then the resource's name on
 * SageMaker. */
static void choose_name(struct manager *mgr, const struct find *it, char name[SPEC_NAME_MAX + 1])
{
	OWN(endpoint_row_done) struct endpoint_row taken = {0};

	str_must_copy(name, SPEC_NAME_MAX + 1, it->endpoint);
	if (!spec_name_ok(name) || store_endpoint_find(mgr->store, name, &taken, NULL) >= 0)
		str_must_copy(name, SPEC_NAME_MAX + 1, it->name);
}

static bool is_coming(const struct find *it)
{
	return str_eq(it->status, "Creating") || str_eq(it->status, "Failed");
}

/* Insert the endpoint's row. The lease of a serving endpoint begins now; otherwise when it comes
 * into service. */
static int store_endpoint(struct manager *mgr, const struct find *it, struct err *reterr)
{
	const struct settings *set = mgr->settings;
	int64_t now = clock_now_us();
	char ttl[32];
	struct endpoint_row ep = {
		.target = TARGET_SAGEMAKER,
		.state = is_coming(it) ? ENDPOINT_CREATING : ENDPOINT_IN_SERVICE,
		.wanted = true,
		.spec = it->spec, /* borrowed by the insert */
		.lease_ttl_us = set->lease_ttl_default_us,
		.lease_idle_us = set->lease_idle_default_us,
		.created_us = now,
	};

	if (!is_coming(it)) {
		ep.in_service_us = ep.last_request_us = now;
		ep.lease_until_us = now + ep.lease_ttl_us;
	}
	memcpy(ep.id, it->row_endpoint, sizeof(ep.id));
	choose_name(mgr, it, ep.name);
	json_object_set_new(it->spec, "name", json_string(ep.name));
	json_object_set_new(it->spec, "endpoint", json_string(ep.name));
	json_object_set_new(it->spec, "lease",
			    json_pack("{ss}", "ttl", duration_format(ttl, ep.lease_ttl_us)));
	if (!str_copy(ep.model, sizeof(ep.model), json_get_str(it->spec, "model", "")))
		return err_set(reterr, ERR_CORRUPT,
			       "the model's address of '%s' has more than %d bytes", it->name,
			       SPEC_PATH_MAX);
	log_event(LOG_LEVEL_INFO, "endpoint_adopted", "endpoint=%s name=%s is=%s status=%s", ep.id,
		  ep.name, it->name, it->status);
	return store_endpoint_insert(mgr->store, &ep, reterr);
}

/* Reserve the cost of an endpoint's lease from now on, or a training job's worst case. No cap
 * refuses a resource that already runs. Without a price nothing is reserved. */
static int reserve(struct manager *mgr, const struct find *it, const struct resource_row *row,
		   struct err *reterr)
{
	enum job_kind kind = it->kind == RESOURCE_ENDPOINT ? JOB_DEPLOY : JOB_TRAIN;
	int64_t micro_usd;
	char words[160];

	if (str_eq(it->status, "Failed") ||
	    budget_worst_case(mgr->settings, it->spec, kind, &micro_usd, words, sizeof(words),
			      NULL) < 0)
		return 0;
	return budget_reserve(mgr, row, micro_usd, words, reterr);
}

static void fill_json(const struct find *it, struct resource_row *row)
{
	static const char *const kept[] = {"EndpointConfigName", "EndpointStatus", "FailureReason",
					   "TrainingJobStatus",	 "CreationTime",   NULL};
	bool moving = str_eq(it->status, "Updating") || str_eq(it->status, "SystemUpdating") ||
		      str_eq(it->status, "RollingBack");

	row->request = json_pack("{ss}", sagemaker_drivers[it->kind]->name_key, it->name);
	/* otherwise it is set when the update has settled */
	if (it->kind == RESOURCE_ENDPOINT && !moving)
		json_object_set_new(row->request, "EndpointConfigName",
				    json_string(adopt_config_of(it)));
	if (it->kind == RESOURCE_TRAINING_JOB && row->wanted)
		json_object_set(row->request, SAGEMAKER_ADOPTED_KEY, it->spec);
	if (it->kind != RESOURCE_ENDPOINT && it->kind != RESOURCE_TRAINING_JOB)
		return;
	row->answer = json_object();
	for (const char *const *key = kept; *key; key++)
		if (json_object_get(it->about, *key))
			json_object_set(row->answer, *key, json_object_get(it->about, *key));
}

static int store_row(struct manager *mgr, const struct find *it, struct err *reterr)
{
	OWN(resource_row_done)
	struct resource_row row = {
		.kind = it->kind,
		.state = RESOURCE_PRESENT,
		.wanted = it->plan == PLAN_TAKE,
	};
	int r;

	id_new('c', row.id);
	str_assign(row.name, it->name);
	str_assign(row.nonce, it->nonce);
	str_assign(row.region, it->region);
	str_assign(row.arn, it->arn);
	str_assign(row.endpoint, it->row_endpoint);
	str_assign(row.status, it->status);
	row.created_us = row.present_us = clock_now_us();
	row.sent_us = it->created_us > 0 ? it->created_us : row.created_us;
	row.next_us = row.wanted && !sagemaker_drivers[it->kind]->polled ? USEC_NEVER : 0;
	if (!row.wanted)
		reason_set(&row.reason, REASON_DELETED_BY_USER,
			   "adoption found the resource by its tags, and nothing here needs it");
	fill_json(it, &row);
	log_event(LOG_LEVEL_INFO, "resource_found", "resource=%s name=%s wanted=%d endpoint=%s",
		  row.id, row.name, row.wanted, row.endpoint);
	r = store_resource_insert(mgr->store, &row, reterr);
	return r >= 0 && it->spec && row.wanted ? reserve(mgr, it, &row, reterr) : r;
}

/* Mark a training job that was adopted before as unwanted. */
static int unwant(struct manager *mgr, const struct find *it, struct err *reterr)
{
	OWN(resource_row_done) struct resource_row row = {0};
	int r = store_resource_get(mgr->store, it->row, &row, reterr);

	if (r < 0)
		return r;
	row.wanted = false;
	row.next_us = 0;
	reason_set(&row.reason, REASON_DELETED_BY_USER,
		   "adoption was asked to stop the training job");
	return store_resource_update(mgr->store, &row, clock_now_us(), reterr);
}

static int store_find(struct manager *mgr, const struct find *it, struct err *reterr)
{
	int r = 0;

	if (it->plan == PLAN_LEAVE)
		return 0;
	if (it->row[0])
		return unwant(mgr, it, reterr);
	if (it->kind == RESOURCE_ENDPOINT && it->plan == PLAN_TAKE)
		r = store_endpoint(mgr, it, reterr);
	return r < 0 ? r : store_row(mgr, it, reterr);
}

int adopt_store(struct manager *mgr, const struct finds *f, struct err *reterr)
{
	struct err err = {0};
	int r = txn_begin(mgr, reterr);

	if (r < 0)
		return r;
	/* Endpoints first, because the other resources refer to them. */
	for (size_t i = 0; r >= 0 && i < f->n; i++)
		if (f->items[i].kind == RESOURCE_ENDPOINT)
			r = store_find(mgr, &f->items[i], &err);
	for (size_t i = 0; r >= 0 && i < f->n; i++)
		if (f->items[i].kind != RESOURCE_ENDPOINT)
			r = store_find(mgr, &f->items[i], &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	return txn_end(mgr, reterr);
}

int adopt_ending(struct manager *mgr, int *ret, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = store_resource_live(mgr->store, &rows, reterr);

	*ret = 0;
	for (size_t i = 0; i < rows.n; i++)
		if (!rows.rows[i].wanted && !rows.rows[i].job[0] && !rows.rows[i].endpoint[0])
			++*ret;
	return r;
}
