/* SPDX-License-Identifier: MIT */
/*
 * Writes the intents of a staged job for the controller: a training job, or model, config and
 * endpoint. Everything that can be refused is refused before the first row is written. Manager's
 * thread.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/transfers.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/budget.h"
#include "daemon/schedule/job_state.h"
#include "jobs/s3_uri.h"
#include "jobs/sagemaker/requests.h"

#include <string.h>
#include <sys/stat.h>

static json_t *tags_of(struct manager *mgr, const struct job_row *job,
		       const struct resource_row *row)
{
	json_t *tags = json_object_get(job->spec, "tags")
			       ? json_deep_copy(json_object_get(job->spec, "tags"))
			       : json_object();

	json_object_set_new(tags, RESOURCE_TAG_INSTALL, json_string(store_install_id(mgr->store)));
	json_object_set_new(tags, RESOURCE_TAG_NONCE, json_string(row->nonce));
	json_object_set_new(tags, RESOURCE_TAG_RUN, json_string(job->run));
	json_object_set_new(tags, RESOURCE_TAG_JOB, json_string(job->id));
	json_object_set_new(tags, RESOURCE_TAG_KIND, json_string(resource_kind_str(row->kind)));
	if (row->endpoint[0])
		json_object_set_new(tags, RESOURCE_TAG_ENDPOINT,
				    json_string(json_get_str(job->spec, "endpoint", "")));
	return tags;
}

static void row_begin(struct resource_row *row, enum resource_kind kind, const struct job_row *job,
		      const struct sagemaker_location *at, const char *endpoint, const char *nonce)
{
	const char *words = endpoint ? json_get_str(job->spec, "endpoint", "") : job->name;

	*row = (struct resource_row){.kind = kind, .state = RESOURCE_PLANNED, .wanted = true};
	id_new('c', row->id);
	str_must_copy(row->nonce, sizeof(row->nonce), nonce);
	resource_name(row->name, words, nonce);
	str_assign(row->region, at->region);
	str_assign(row->job, job->id);
	row->attempt = job->attempt;
	if (endpoint)
		str_must_copy(row->endpoint, sizeof(row->endpoint), endpoint);
	row->created_us = clock_now_us();
}

/* The spec for the requests: URIs replace the pushed files. */
static json_t *with_uris(const json_t *spec, const json_t *results)
{
	json_t *copy = json_deep_copy(spec), *channels = json_object_get(copy, "channels");
	const char *pointer;
	json_t *value;

	json_object_foreach((json_t *)results, pointer, value) {
		if (str_starts(pointer, "/channels/") && json_is_string(value))
			json_object_set(channels, pointer + strlen("/channels/"), value);
		else if (str_eq(pointer, "/model") && json_is_string(value))
			json_object_set(copy, "model", value);
	}
	return copy;
}

static int64_t log_size(const struct execution *ex)
{
	struct stat st;

	return fstatat(ex->dirfd, EXECUTION_LOG, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
}

/* Report the requests' warnings, unknown at the submit, as one warning of the job. */
static int say_warnings(struct manager *mgr, const struct job_row *job, const json_t *warnings,
			struct err *reterr)
{
	char all[ERR_MSG_MAX] = "";
	const json_t *text;
	size_t i, used = 0;
	bool known;
	int r = 0;

	json_array_foreach(warnings, i, text) {
		r = store_warning_known(mgr->store, job->id, json_string_value(text), &known,
					reterr);
		if (r < 0)
			return r;
		if (known || used >= sizeof(all) - 1)
			continue;
		str_excerptf(all + used, sizeof(all) - used, "%s%s", used ? "; " : "",
			     json_string_value(text));
		used = strlen(all);
	}
	if (!used)
		return 0;
	return store_warning_insert(mgr->store, job->id, job->attempt, "sagemaker_request", all,
				    clock_now_us(), reterr);
}

struct price {
	int64_t micro_usd;
	char words[160];
};

static int price_of(struct manager *mgr, const struct job_row *job, struct price *ret,
		    struct err *reterr)
{
	return budget_worst_case(mgr->settings, job->spec, job->kind, &ret->micro_usd, ret->words,
				 sizeof(ret->words), reterr);
}

static int plan_training(struct manager *mgr, const struct job_row *job, const struct execution *ex,
			 const struct sagemaker_location *at, const json_t *spec,
			 const json_t *results, struct err *reterr)
{
	OWN(json_decrefp) json_t *warnings = json_array();
	OWN(json_decrefp) json_t *tags = NULL;
	OWN(resource_row_done) struct resource_row row = {0};
	const json_t *checkpoint = json_object_get(spec, "checkpoint");
	char nonce[RESOURCE_NONCE_LEN], place[SPEC_PATH_MAX], keep[SPEC_PATH_MAX];
	struct price price;
	int r;

	resource_nonce_new(nonce);
	row_begin(&row, RESOURCE_TRAINING_JOB, job, at, NULL, nonce);
	tags = tags_of(mgr, job, &row);
	str_must_format(place, sizeof(place), "s3://%s/%s", at->bucket, at->prefix);
	str_must_format(keep, sizeof(keep), "s3://%s/%scheckpoints/", at->bucket, at->prefix);
	struct sagemaker_training t = {
		.spec = spec,
		.name = row.name,
		.region = at->region,
		.role_arn = at->role_arn,
		.source_uri = json_get_str(results, "/source", NULL),
		.output_uri = json_get_str(spec, "output", place),
		.checkpoint_uri = json_get_str(checkpoint, "s3", keep),
		.checkpoint_path = json_get_str(checkpoint, "path", NULL),
		.tags = tags,
	};
	r = sagemaker_training_request(&t, &row.request, warnings, reterr);
	row.log_size = log_size(ex);
	if (r >= 0)
		r = price_of(mgr, job, &price, reterr);
	if (r >= 0)
		r = say_warnings(mgr, job, warnings, reterr);
	if (r >= 0)
		r = store_resource_insert(mgr->store, &row, reterr);
	return r < 0 ? r : budget_reserve(mgr, &row, price.micro_usd, price.words, reterr);
}

static int requests_of_deploy(struct manager *mgr, const struct job_row *job,
			      const struct sagemaker_location *at, const json_t *spec,
			      struct resource_row rows[3], json_t *warnings, struct err *reterr)
{
	OWN(json_decrefp) json_t *model_tags = tags_of(mgr, job, &rows[0]);
	OWN(json_decrefp) json_t *config_tags = tags_of(mgr, job, &rows[1]);
	OWN(json_decrefp) json_t *endpoint_tags = tags_of(mgr, job, &rows[2]);
	const char *model = json_get_str(spec, "model", "");
	struct sagemaker_model m = {
		.spec = spec,
		.name = rows[0].name,
		.region = at->region,
		.role_arn = at->role_arn,
		.model_uri = s3_uri_is(model) ? model : NULL,
		.hub_id = s3_uri_is(model) ? NULL : model,
		.hub_revision = json_get_str(json_object_get(job->spec, "model"), "revision", NULL),
		.tags = model_tags,
	};
	struct sagemaker_endpoint p = {
		.spec = spec,
		.name = rows[2].name,
		.config_name = rows[1].name,
		.model_name = rows[0].name,
		.tags = config_tags,
	};
	int r = sagemaker_model_request(&m, &rows[0].request, warnings, reterr);

	if (r >= 0)
		r = sagemaker_endpoint_config_request(&p, &rows[1].request, warnings, reterr);
	p.tags = endpoint_tags;
	return r < 0 ? r : sagemaker_endpoint_request(&p, &rows[2].request, reterr);
}

static int plan_endpoint(struct manager *mgr, const struct job_row *job,
			 const struct sagemaker_location *at, const json_t *spec,
			 struct err *reterr)
{
	static const enum resource_kind kinds[] = {RESOURCE_MODEL, RESOURCE_ENDPOINT_CONFIG,
						   RESOURCE_ENDPOINT};
	OWN(json_decrefp) json_t *warnings = json_array();
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct resource_row rows[3] = {0};
	bool update; /* True if the endpoint exists: only model and config are new */
	char nonce[RESOURCE_NONCE_LEN];
	struct price price;
	int r = store_endpoint_find(mgr->store, json_get_str(spec, "endpoint", ""), &ep, reterr);

	if (r < 0)
		return r;
	update = ep.state == ENDPOINT_UPDATING && !str_eq(ep.job, job->id);
	if (!update && (ep.state != ENDPOINT_CREATING || !str_eq(ep.job, job->id)))
		return err_set(reterr, ERR_NOT_FOUND, "endpoint '%s' is %s", ep.name,
			       endpoint_state_str(ep.state));
	resource_nonce_new(nonce);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		row_begin(&rows[i], kinds[i], job, at, ep.id, nonce);
	r = requests_of_deploy(mgr, job, at, spec, rows, warnings, reterr);
	if (r >= 0)
		r = price_of(mgr, job, &price, reterr);
	if (r >= 0)
		r = say_warnings(mgr, job, warnings, reterr);
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(rows) - update; i++)
		r = store_resource_insert(mgr->store, &rows[i], reterr);
	if (r >= 0 && update) {
		resource_row_done(&rows[2]);
		r = sagemaker_update_want(mgr, &ep, rows[1].name, &rows[2], reterr);
	}
	if (r >= 0)
		r = budget_reserve(mgr, &rows[2], price.micro_usd, price.words, reterr);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		resource_row_done(&rows[i]);
	return r;
}

static int plan(struct manager *mgr, const struct job_row *job, const struct execution *ex,
		enum reason_code *ret_code, struct err *reterr)
{
	OWN(json_decrefp) json_t *resolved = NULL;
	OWN(json_decrefp) json_t *results = NULL;
	OWN(json_decrefp) json_t *spec = NULL;
	char model[SPEC_PATH_MAX + 1];
	struct sagemaker_location at;
	int r = job_resolve(mgr, job, &resolved, reterr);

	*ret_code = REASON_INTERNAL;
	if (r >= 0)
		r = transfer_results_read(ex->row.dir, &results, reterr);
	if (r >= 0)
		r = sagemaker_location_read(ex->row.dir, &at, model, reterr);
	if (r < 0)
		return r;
	spec = with_uris(resolved, results);
	/* the model of a training job or of the hub */
	if (json_is_object(json_object_get(spec, "model")))
		json_object_set_new(spec, "model", json_string(model));
	*ret_code = REASON_INVALID_INPUT;
	if (job->kind == JOB_DEPLOY)
		return plan_endpoint(mgr, job, &at, spec, reterr);
	return plan_training(mgr, job, ex, &at, spec, results, reterr);
}

/* Mark all resources of this attempt as unwanted. Returns the number of its rows, or a negative
 * error. */
static int unwant(struct manager *mgr, const struct job_row *job, const struct reason *reason,
		  struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = store_resource_of_job(mgr->store, job->id, job->attempt, &rows, reterr);

	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		struct resource_row *row = &rows.rows[i];

		/* A refused training job that may exist is adopted when found, unless it was
		 * cancelled here. */
		if (resource_state_is_final(row->state) ||
		    (!row->wanted && row->kind != RESOURCE_TRAINING_JOB))
			continue;
		r = sagemaker_resource_unwant(mgr, row, reason, reterr);
	}
	return r < 0 ? r : (int)rows.n;
}

int sagemaker_staged(struct manager *mgr, const struct job_row *job, const struct execution *ex,
		     struct err *reterr)
{
	enum reason_code code;
	struct reason reason;
	struct err err = {0};
	int r = plan(mgr, job, ex, &code, &err);

	txn_on_commit(mgr, sagemaker_reconcile_on_commit, NULL);
	if (r >= 0) /* the displayed progress belonged to the staging */
		return store_attempt_set_progress(mgr->store, job->id, job->attempt, NULL, reterr);
	if (r != -ERR_INVALID && r != -ERR_LIMIT && r != -ERR_NOT_FOUND && r != -ERR_CORRUPT) {
		*reterr = err;
		return r;
	}
	reason_set(&reason, code, "%s", err.msg);
	/* removes intents that were written before the refusal */
	r = unwant(mgr, job, &reason, reterr);
	if (r < 0)
		return r;
	if (job->kind == JOB_DEPLOY)
		return sagemaker_endpoint_abandon(mgr, job, &reason, reterr);
	return job_finish(mgr, job, STATE_FAILED, &reason, NULL, reterr);
}

int sagemaker_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	struct reason reason;
	int r;

	reason_set(&reason, REASON_CANCELLED, "the job was asked to stop");
	r = unwant(mgr, job, &reason, reterr);
	return r < 0 ? r : r > 0;
}
