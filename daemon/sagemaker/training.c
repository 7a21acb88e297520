/* SPDX-License-Identifier: MIT */
/*
 * Training jobs: applies their status to the job. The job ends after the training job is over and
 * its log was read to the end. Statuses and secondary statuses follow the API reference
 * (DescribeTrainingJob); a StatusMessage never decides. Manager's thread.
 */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/schedule/budget.h"
#include "daemon/schedule/job_state.h"

#include <math.h>
#include <string.h>

/* Fields of an answer that are stored and shown. */
static const char *const shown[] = {
	"TrainingJobStatus",
	"SecondaryStatus",
	"SecondaryStatusTransitions",
	"FailureReason",
	"ModelArtifacts",
	"FinalMetricDataList",
	"TrainingTimeInSeconds",
	"BillableTimeInSeconds",
	"CreationTime",
	"TrainingStartTime",
	"TrainingEndTime",
	"LastModifiedTime",
	"WarmPoolStatus",
	NULL,
};
#define BILLABLE_MAX_S (10 * 366 * 86400LL)
#define CLOCK_MAX_S    1e12 /* seconds of a time that still fits into microseconds */

static json_t *keep_shown(const json_t *answer)
{
	json_t *kept = json_object();

	for (const char *const *key = shown; *key; key++)
		if (json_object_get(answer, *key))
			json_object_set(kept, *key, json_object_get(answer, *key));
	return kept;
}

static bool is_over(const char *status)
{
	return str_eq(status, "Completed") || str_eq(status, "Failed") || str_eq(status, "Stopped");
}

/* The time from the start to the end of the training, as the service reports them; -1 if it does
 * not. */
static int64_t trained_us(const struct resource_row *row)
{
	double start = json_get_num(row->answer, "TrainingStartTime", 0);
	double end = json_get_num(row->answer, "TrainingEndTime", 0);

	return start > 0 && end >= start && end - start <= (double)BILLABLE_MAX_S
		       ? (int64_t)ceil(end - start) * USEC_PER_SEC
		       : -1;
}

/* The billable time. Order: the service's value, if plausible; start to end; the job's known
 * lifetime (also if the service no longer knows the job). A job that ended without a start costs
 * nothing. */
static int64_t billable_us(const struct resource_row *row)
{
	bool has_billable = json_object_get(row->answer, "BillableTimeInSeconds");
	int64_t billable_s = json_get_int(row->answer, "BillableTimeInSeconds", -1);

	if (billable_s >= 0 && billable_s <= BILLABLE_MAX_S)
		return billable_s * USEC_PER_SEC;
	if (is_over(row->status) && trained_us(row) >= 0)
		return trained_us(row);
	return row->present_us && (has_billable || !is_over(row->status))
		       ? row->ended_us - row->present_us
		       : 0;
}

static int training_seen(struct manager *mgr, struct resource_row *row, const json_t *answer,
			 struct err *reterr)
{
	const char *status = json_get_str(answer, "TrainingJobStatus", "");

	json_decref(row->answer);
	row->answer = keep_shown(answer);
	str_excerpt(row->status, sizeof(row->status), status);
	if (!is_over(status))
		return 0;
	if (!sagemaker_log_is_drained(mgr, row)) {
		row->next_us = clock_now_us() + mgr->settings->aws.poll_us;
		return 0;
	}
	row->reason = (struct reason){0};
	return 1;
}

/* ---- the end ---- */

static void failure_words(const struct resource_row *row, struct reason *reason)
{
	static const struct {
		const char *part;
		enum reason_code code;
	} known[] = {
		{"CapacityError", REASON_CAPACITY},
		{"InternalServerError", REASON_INTERNAL},
		/* tested before words that may be part of an image's or an object's name */
		{"Cannot pull", REASON_IMAGE_MISSING},
		{"CannotPullContainer", REASON_IMAGE_MISSING},
		{"PermanentRedirect", REASON_BUCKET_REGION},
		{"NoSuchBucket", REASON_BUCKET_MISSING},
		{"does not exist in region", REASON_BUCKET_MISSING},
		{"AccessDenied", REASON_ACCESS_DENIED},
		{"Access denied", REASON_ACCESS_DENIED},
		{"insufficient privileges", REASON_ACCESS_DENIED},
		{"No S3 objects found", REASON_DATA_MISSING},
		{"OutOfMemory", REASON_OOM},
		{"out of memory", REASON_OOM},
		{"instance type with more memory", REASON_OOM},
		{"training image", REASON_IMAGE_MISSING},
		{"container image", REASON_IMAGE_MISSING},
	};
	const char *text = json_get_str(row->answer, "FailureReason", "");
	bool algorithm = str_starts(text, "AlgorithmError");

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		enum reason_code code = known[i].code;

		if (!strstr(text, known[i].part))
			continue;
		if (algorithm && code != REASON_OOM)
			/* the script's own words, not the service's */
			code = REASON_CONTAINER_FAILED;
		reason_set(reason, code, "training job %s failed: %s", row->name, text);
		return;
	}
	reason_set(reason, REASON_CONTAINER_FAILED, "training job %s failed: %s", row->name,
		   text[0] ? text : "SageMaker gave no reason; see the log");
}

static enum job_state judge(const struct resource_row *row, const struct job_row *job,
			    struct reason *reason)
{
	const char *secondary = json_get_str(row->answer, "SecondaryStatus", "");
	/* not the row's status, which says "missing" if the job was deleted right after its end */
	const char *status = json_get_str(row->answer, "TrainingJobStatus", "");

	*reason = (struct reason){0};
	if (str_eq(status, "Completed") && !str_eq(secondary, "MaxRuntimeExceeded") &&
	    !str_eq(secondary, "MaxWaitTimeExceeded"))
		return STATE_SUCCEEDED;
	if (job->cancel_requested_us) {
		reason_set(reason, REASON_CANCELLED, "the training job was stopped on request");
		return STATE_CANCELLED;
	}
	if (str_eq(status, "Failed"))
		failure_words(row, reason);
	else if (str_eq(secondary, "MaxRuntimeExceeded"))
		reason_set(
			reason, REASON_TIMED_OUT,
			"the training job ran longer than max_runtime, and SageMaker stopped it");
	else if (str_eq(secondary, "MaxWaitTimeExceeded"))
		reason_set(reason, REASON_MAX_WAIT_EXCEEDED,
			   "sagemaker.max_wait was over before the training job ended");
	else if (str_eq(secondary, "Interrupted"))
		reason_set(reason, REASON_SPOT_INTERRUPTED,
			   "AWS took the spot instance back, and the training job did not go on");
	else if (!row->wanted && row->reason.code != REASON_NONE)
		*reason = row->reason; /* refused, but found, and stopped by the daemon */
	else if (str_eq(status, "Stopped"))
		reason_set(reason, REASON_KILLED,
			   "somebody stopped training job %s outside Trainyard, and a stopped job "
			   "is no success",
			   row->name);
	else
		*reason = row->reason;
	return STATE_FAILED;
}

/* The metrics that SageMaker itself found in the log. */
static json_t *final_metrics(const struct resource_row *row)
{
	json_t *metrics = json_object();
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(row->answer, "FinalMetricDataList"), i, m) {
		double value;

		if (json_any_number_get(json_object_get(m, "Value"), &value))
			json_object_set_new(metrics, json_get_str(m, "MetricName", ""),
					    json_any_number(value));
	}
	return metrics;
}

/* The newest value of each metric, including those that only SageMaker found. If the log had no
 * points (for instance without permission to read it), they become a point. *ret is a new
 * reference. */
static int close_metrics(struct manager *mgr, const struct resource_row *row, json_t **ret,
			 struct err *reterr)
{
	OWN(json_decrefp) json_t *last = NULL;
	OWN(json_decrefp) json_t *all = final_metrics(row);
	int r = store_metrics_last(mgr->store, row->job, row->attempt, &last, reterr);

	if (r >= 0 && !json_object_size(last) && json_object_size(all))
		r = store_metric_insert(mgr->store, row->job, row->attempt, clock_now_us(), 0, NAN,
					all, reterr);
	json_object_update(all, last);
	*ret = TAKE(all);
	return r;
}

/* {"model","output","metrics","checkpoints"}: the URIs of the results. If the training job did not
 * complete: the model that the answer names, and the checkpoints. */
static json_t *outputs_of(const struct resource_row *row, json_t *metrics, bool completed)
{
	const char *checkpoints =
		json_get_str(json_object_get(row->request, "CheckpointConfig"), "S3Uri", "");
	const char *at =
		json_get_str(json_object_get(row->request, "OutputDataConfig"), "S3OutputPath", "");
	const char *model = json_get_str(json_object_get(row->answer, "ModelArtifacts"),
					 "S3ModelArtifacts", "");
	size_t len = strlen(at);
	char output[SPEC_PATH_MAX * 2];
	json_t *outputs;

	str_must_format(output, sizeof(output), "%s%s%s/output/output.tar.gz", at,
			len && at[len - 1] == '/' ? "" : "/", row->name);
	outputs = json_pack("{sO}", "metrics", metrics);
	if (completed || model[0])
		json_object_set_new(outputs, "model", json_string(model));
	if (completed || model[0])
		json_object_set_new(outputs, "output", json_string(output));
	if (checkpoints[0])
		json_object_set_new(outputs, OUTPUT_CHECKPOINTS, json_string(checkpoints));
	return outputs;
}

/* The end time from the service, in microseconds; 0 if unknown. */
static int64_t training_end_us(const struct resource_row *row)
{
	double at_s = json_get_num(row->answer, "TrainingEndTime", 0);

	return at_s > 0 && at_s < CLOCK_MAX_S ? (int64_t)(at_s * (double)USEC_PER_SEC) : 0;
}

static int training_over(struct manager *mgr, const struct resource_row *row, struct err *reterr)
{
	OWN(json_decrefp) json_t *outputs = NULL;
	OWN(json_decrefp) json_t *metrics = NULL;
	OWN(job_row_done) struct job_row job = {0};
	struct job_end end = {.to = STATE_FAILED, .reason = row->reason};
	int r;

	sagemaker_log_forget(mgr, row->id);
	if (!row->job[0]) /* adopted: no job waits for it */
		return budget_settle(mgr, row, billable_us(row), reterr);
	r = store_job_get(mgr->store, row->job, &job, reterr);
	if (r >= 0)
		r = budget_settle(mgr, row, billable_us(row), reterr);
	if (r < 0 || job_state_is_final(job.state) || job.attempt != row->attempt)
		return r;
	if (row->state == RESOURCE_ENDED)
		end.to = judge(row, &job, &end.reason);
	else if (job.cancel_requested_us) {
		end.to = STATE_CANCELLED;
		reason_set(&end.reason, REASON_CANCELLED,
			   "the job was stopped before it was sent to SageMaker");
	}
	r = close_metrics(mgr, row, &metrics, reterr);
	if (r >= 0 && row->state == RESOURCE_ENDED)
		end.outputs = outputs = outputs_of(row, metrics, end.to == STATE_SUCCEEDED);
	end.at_us = training_end_us(row);
	return r < 0 ? r : job_end(mgr, &job, &end, reterr);
}

const struct sagemaker_driver sagemaker_training_driver = {
	.create = "CreateTrainingJob",
	.describe = "DescribeTrainingJob",
	.end = "StopTrainingJob",
	.name_key = "TrainingJobName",
	.arn_key = "TrainingJobArn",
	.polled = true,
	.on_described = training_seen,
	.on_ended = training_over,
};
