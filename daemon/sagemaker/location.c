/* SPDX-License-Identifier: MIT */
/* Decides if a SageMaker job may start, and where its files go. Manager's thread. */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/lookup.h"
#include "daemon/schedule/budget.h"

#include <string.h>

#define ROLE_NAME_SIZE 65 /* IAM's maximum, and the NUL */

/* ---- required facts ---- */

static const char *region_of(struct manager *mgr, const json_t *spec)
{
	const char *region = json_get_str(json_object_get(spec, "sagemaker"), "region", "");

	if (region[0])
		return region;
	return mgr->aws ? aws_config_region(aws_config_of(mgr->aws)) : "";
}

/* While the target is paused nothing starts; the answer to this look-up ends the pause or extends
 * it. */
static void ask_who_we_are(struct manager *mgr, const json_t *spec)
{
	enum reason_code code;
	struct err err = {0};
	char account[16];

	sagemaker_look_up(mgr, SAGEMAKER_FACT_ACCOUNT, "", region_of(mgr, spec), account,
			  sizeof(account), &code, &err);
}

static enum sagemaker_known know_role(struct manager *mgr, const char *role,
				      struct sagemaker_location *ret, enum reason_code *ret_code,
				      struct err *reterr)
{
	if (!str_starts(role, "arn:"))
		return sagemaker_look_up(mgr, SAGEMAKER_FACT_ROLE, role, ret->region, ret->role_arn,
					 sizeof(ret->role_arn), ret_code, reterr);
	str_must_copy(ret->role_arn, sizeof(ret->role_arn), role);
	return SAGEMAKER_KNOWN;
}

int sagemaker_artifact(struct manager *mgr, const char *training_job, const char *region, char *ret,
		       size_t size, struct err *reterr)
{
	enum reason_code code;
	enum sagemaker_known known = sagemaker_look_up(mgr, SAGEMAKER_FACT_MODEL, training_job,
						       region, ret, size, &code, reterr);

	return known == SAGEMAKER_KNOWN ? 1 : known == SAGEMAKER_UNKNOWN ? 0 : -ERR_INVALID;
}

static const char *role_of(struct manager *mgr, const json_t *spec)
{
	const char *role = json_get_str(json_object_get(spec, "sagemaker"), "role", "");

	return role[0] ? role : mgr->settings->aws.role;
}

/* Set bucket and prefix. Returns 1 or -ERR_INVALID. */
static int name_place(const struct aws_settings *set, const struct job_row *job,
		      struct sagemaker_location *ret, enum reason_code *ret_code,
		      struct err *reterr)
{
	int n = snprintf(ret->prefix, sizeof(ret->prefix), "%s/%s/%s/", set->prefix, job->run,
			 job->id);

	*ret_code = REASON_INVALID_INPUT;
	if (n < 0 || (size_t)n >= sizeof(ret->prefix))
		return err_set(reterr, ERR_INVALID,
			       "aws.prefix is too long; with the names of run and job at most %zu "
			       "characters fit",
			       sizeof(ret->prefix) - 1);
	ret->default_bucket = !set->bucket[0];
	if (ret->default_bucket)
		str_must_format(ret->bucket, sizeof(ret->bucket), "sagemaker-%s-%s", ret->region,
				ret->account);
	else if (!str_copy(ret->bucket, sizeof(ret->bucket), set->bucket))
		return err_set(reterr, ERR_INVALID,
			       "aws.bucket is longer than the name of a bucket can be; correct it");
	return 1;
}

/* Returns 1 if everything is known, 0 if a look-up is running, -ERR_INVALID if something clearly
 * does not exist. */
static int fill_place(struct manager *mgr, const struct job_row *job, const json_t *spec,
		      struct sagemaker_location *ret, enum reason_code *ret_code,
		      struct err *reterr)
{
	const struct aws_settings *set = &mgr->settings->aws;
	const char *role = role_of(mgr, spec);
	enum sagemaker_known known;

	*ret = (struct sagemaker_location){0};
	*ret_code = REASON_INVALID_INPUT;
	if (!str_copy(ret->region, sizeof(ret->region), region_of(mgr, spec)))
		return err_set(reterr, ERR_INVALID,
			       "'%.64s…' is not an AWS region such as eu-west-1",
			       region_of(mgr, spec));
	if (!ret->region[0])
		return err_set(reterr, ERR_INVALID,
			       "no AWS region is set; give sagemaker.region in the job, aws.region "
			       "in the configuration, or AWS_REGION");
	if (!role[0])
		return err_set(reterr, ERR_INVALID,
			       "no IAM role is set; give sagemaker.role in the job or aws.role in "
			       "the configuration (`trainyard roles` lists the roles)");
	if (strlen(role) >= (str_starts(role, "arn:") ? sizeof(ret->role_arn) : ROLE_NAME_SIZE))
		return err_set(reterr, ERR_INVALID,
			       "'%.64s...' is too long for the name or ARN of an IAM role", role);
	known = sagemaker_look_up(mgr, SAGEMAKER_FACT_ACCOUNT, "", ret->region, ret->account,
				  sizeof(ret->account), ret_code, reterr);
	if (known == SAGEMAKER_KNOWN)
		known = know_role(mgr, role, ret, ret_code, reterr);
	if (known != SAGEMAKER_KNOWN)
		return known == SAGEMAKER_UNKNOWN ? 0 : -ERR_INVALID;
	return name_place(set, job, ret, ret_code, reterr);
}

int sagemaker_location_of(struct manager *mgr, const struct job_row *job, const json_t *spec,
			  struct sagemaker_location *ret, enum reason_code *ret_code,
			  struct err *reterr)
{
	int r = fill_place(mgr, job, spec, ret, ret_code, reterr);

	return r == 0 ? -ERR_UNAVAILABLE : r < 0 ? r : 0;
}

json_t *sagemaker_location_json(const struct sagemaker_location *at, const char *model)
{
	return json_pack("{ss ss ss sb ss ss ss}", "region", at->region, "account", at->account,
			 "bucket", at->bucket, "default_bucket", at->default_bucket, "prefix",
			 at->prefix, "role_arn", at->role_arn, "model", model);
}

int sagemaker_location_read(const char *dir, struct sagemaker_location *ret, char *model,
			    struct err *reterr)
{
	OWN(json_decrefp) json_t *message = NULL;
	OWN(closep) int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const json_t *place;
	int r;

	r = at < 0 ? err_errno(reterr, errno, "open %s", dir)
		   : beneath_read_json(at, EXECUTION_SPEC, EXECUTION_SPEC_MAX, &message, reterr);
	if (r < 0)
		return r;
	place = json_object_get(message, "place");
	*ret = (struct sagemaker_location){
		.default_bucket = json_get_bool(place, "default_bucket", false),
	};
	if (str_copy(ret->region, sizeof(ret->region), json_get_str(place, "region", "")) &&
	    str_copy(ret->account, sizeof(ret->account), json_get_str(place, "account", "")) &&
	    str_copy(ret->bucket, sizeof(ret->bucket), json_get_str(place, "bucket", "")) &&
	    str_copy(ret->prefix, sizeof(ret->prefix), json_get_str(place, "prefix", "")) &&
	    str_copy(ret->role_arn, sizeof(ret->role_arn), json_get_str(place, "role_arn", "")) &&
	    str_copy(model, SPEC_PATH_MAX + 1, json_get_str(place, "model", "")) && ret->region[0])
		return 0;
	return err_set(reterr, ERR_CORRUPT,
		       "%s/" EXECUTION_SPEC " has no valid location on SageMaker", dir);
}

static bool know_model(struct manager *mgr, const struct job_row *job, struct reason *reason)
{
	const char *training_job =
		json_get_str(json_object_get(job->spec, "model"), "training_job", NULL);
	struct err err = {0};
	char uri[SPEC_PATH_MAX + 1];

	if (!training_job ||
	    sagemaker_artifact(mgr, training_job,
			       json_get_str(json_object_get(job->spec, "sagemaker"), "region", ""),
			       uri, sizeof(uri), &err) != 0)
		return true;
	reason_set(reason, REASON_WAITING_FOR_CREDENTIALS, "%s", err.msg);
	return false;
}

static bool money_fits(struct manager *mgr, const struct job_row *job, struct reason *reason)
{
	struct err err = {0};
	int64_t micro_usd;
	char words[160];

	if (budget_worst_case(mgr->settings, job->spec, job->kind, &micro_usd, words, sizeof(words),
			      &err) < 0)
		return true; /* the start reports the error */
	return budget_fits(mgr, job, micro_usd, reason);
}

bool sagemaker_may_start(struct manager *mgr, const struct job_row *job, struct reason *reason)
{
	struct sagemaker_location at;
	enum reason_code code;
	struct err err = {0};

	if (!sagemaker_runs(job) &&
	    !json_object_get(json_object_get(job->spec, "model"), "training_job"))
		return true;
	if (!mgr->aws) {
		*reason = mgr->aws_why;
		return false;
	}
	if (mgr->sagemaker->pause.code != REASON_NONE && region_of(mgr, job->spec)[0]) {
		ask_who_we_are(mgr, job->spec);
		*reason = mgr->sagemaker->pause;
		return false;
	}
	if (!know_model(mgr, job, reason))
		return false;
	if (!sagemaker_runs(job))
		return true;
	if (fill_place(mgr, job, job->spec, &at, &code, &err) == 0) {
		reason_set(reason, REASON_WAITING_FOR_CREDENTIALS, "%s", err.msg);
		return false;
	}
	return money_fits(mgr, job, reason);
}

static void words_of_row(const struct resource_row *row, struct reason *reason)
{
	const char *secondary = json_get_str(row->answer, "SecondaryStatus", "");

	reason_set(reason, REASON_NONE, "%s '%s' is %s%s%s", resource_kind_str(row->kind),
		   row->name,
		   row->status[0]		    ? row->status
		   : row->state == RESOURCE_PLANNED ? "planned"
						    : "made",
		   secondary[0] ? ": " : "", secondary);
}

bool sagemaker_explain(struct manager *mgr, const struct job_row *job, struct reason *reason)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	const struct resource_row *row = NULL;

	if (!sagemaker_runs(job) || job_state_is_final(job->state) ||
	    store_resource_of_job(mgr->store, job->id, job->attempt, &rows, NULL) < 0)
		return false;
	for (size_t i = 0; i < rows.n; i++)
		if (!resource_state_is_final(rows.rows[i].state) &&
		    (!row || row->reason.code == REASON_NONE))
			row = &rows.rows[i];
	if (!row)
		return false;
	if (row->wanted && row->reason.code != REASON_NONE)
		*reason = row->reason;
	else if (mgr->sagemaker->pause.code != REASON_NONE)
		*reason = mgr->sagemaker->pause;
	else
		words_of_row(row, reason);
	return true;
}
