/* SPDX-License-Identifier: MIT */
/* Training jobs of the whole account (botocore's sagemaker/2017-07-24/service-2.json).
 * ListTrainingJobs cuts a page before it filters ("MaxResults number of training jobs are first
 * retrieved ignoring StatusEquals, then filtered"). So an empty page with a token is not the end.
 * Threads of the account service. */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/account/parts.h"

/* ---- the list ---- */

static json_t *take_job(struct account_turn *t, const json_t *raw)
{
	return json_pack("{so so so so so so so so}", "name", account_text(raw, "TrainingJobName"),
			 "arn", account_text(raw, "TrainingJobArn"), "status",
			 account_text(raw, "TrainingJobStatus"), "secondary_status",
			 account_text(raw, "SecondaryStatus"), "created_at",
			 account_time(json_object_get(raw, "CreationTime")), "finished_at",
			 account_time(json_object_get(raw, "TrainingEndTime")), "modified_at",
			 account_time(json_object_get(raw, "LastModifiedTime")), "warm_pool",
			 account_text(json_object_get(raw, "WarmPoolStatus"), "Status"));
}

int account_jobs(struct account_turn *t)
{
	static const struct account_list jobs = {
		AWS_SAGEMAKER, "ListTrainingJobs", "TrainingJobSummaries",
		"NextToken",   "NextToken",	   take_job,
	};
	const struct account_query *q = t->q;
	OWN(json_decrefp)
	json_t *input = json_pack("{si ss ss}", "MaxResults", ACCOUNT_PAGE, "SortBy",
				  "CreationTime", "SortOrder", "Descending");

	if (q->after_us)
		json_object_set_new(input, "CreationTimeAfter",
				    json_integer(q->after_us / USEC_PER_SEC));
	if (q->before_us) /* whole seconds are sent, so that no job before the limit is lost */
		json_object_set_new(input, "CreationTimeBefore",
				    json_integer((q->before_us + USEC_PER_SEC - 1) / USEC_PER_SEC));
	if (q->status)
		json_object_set_new(input, "StatusEquals", json_string(q->status));
	if (q->name_contains)
		json_object_set_new(input, "NameContains", json_string(q->name_contains));
	return account_pages(t, &jobs, input);
}

/* ---- one job ---- */

static json_t *transitions_of(const json_t *raw)
{
	const json_t *list = account_items(raw, "SecondaryStatusTransitions");
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		json_array_append_new(
			out, json_pack("{so so so so}", "status", account_text(one, "Status"),
				       "message", account_text(one, "StatusMessage"), "started_at",
				       account_time(json_object_get(one, "StartTime")), "ended_at",
				       account_time(json_object_get(one, "EndTime"))));
	}
	return out;
}

/* The last value of each metric. */
static json_t *metrics_of(const json_t *raw)
{
	const json_t *list = account_items(raw, "FinalMetricDataList");
	json_t *out = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *name = json_get_str(one, "MetricName", NULL);

		double value;

		if (name && json_any_number_get(json_object_get(one, "Value"), &value))
			json_object_set_new(out, name, json_any_number(value));
	}
	return out;
}

static json_t *channels_of(const json_t *raw)
{
	const json_t *list = account_items(raw, "InputDataConfig");
	json_t *out = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const json_t *source =
			json_object_get(json_object_get(one, "DataSource"), "S3DataSource");

		json_object_set_new(out, json_get_str(one, "ChannelName", ""),
				    account_text(source, "S3Uri"));
	}
	return out;
}

static json_t *integer_or_null(const json_t *raw, const char *key)
{
	const json_t *value = json_object_get(raw, key);

	return json_is_integer(value) ? json_integer(json_integer_value(value)) : json_null();
}

/* Build the answer from DescribeTrainingJob, with the fields of the list and more. */
static json_t *describe(struct account_turn *t, const json_t *raw)
{
	const json_t *resources = json_object_get(raw, "ResourceConfig");
	const json_t *hyper = json_object_get(raw, "HyperParameters");
	json_t *out = take_job(t, raw);
	json_t *more = json_pack(
		"{so so so so so so so so sb so so so sO? so so}", "failure_reason",
		account_text(raw, "FailureReason"), "started_at",
		account_time(json_object_get(raw, "TrainingStartTime")), "training_seconds",
		integer_or_null(raw, "TrainingTimeInSeconds"), "billable_seconds",
		integer_or_null(raw, "BillableTimeInSeconds"), "instance_type",
		account_text(resources, "InstanceType"), "instance_count",
		integer_or_null(resources, "InstanceCount"), "role", account_text(raw, "RoleArn"),
		"image",
		account_text(json_object_get(raw, "AlgorithmSpecification"), "TrainingImage"),
		"spot", json_get_bool(raw, "EnableManagedSpotTraining", false), "channels",
		channels_of(raw), "output_uri",
		account_text(json_object_get(raw, "OutputDataConfig"), "S3OutputPath"), "model_uri",
		account_text(json_object_get(raw, "ModelArtifacts"), "S3ModelArtifacts"),
		"hyperparameters", hyper, "metrics", metrics_of(raw), "transitions",
		transitions_of(raw));

	json_object_update(out, more);
	json_decref(more);
	return out;
}

int account_describe(struct account_turn *t, json_t **ret)
{
	return account_call(t, AWS_SAGEMAKER, "DescribeTrainingJob",
			    json_pack("{ss}", "TrainingJobName", t->q->name), ret);
}

int account_job(struct account_turn *t)
{
	OWN(json_decrefp) json_t *raw = NULL;
	int r = account_describe(t, &raw);

	if (r >= 0)
		t->q->json = describe(t, raw);
	return r;
}
