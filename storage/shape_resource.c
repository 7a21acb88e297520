/* SPDX-License-Identifier: MIT */
/* The public part of SageMaker's descriptions, which are stored with a resource under the names of
 * DescribeTrainingJob and DescribeEndpoint. The answers have the names and time format of
 * Trainyard's API. The readers call this. */
#include "base/clock.h"
#include "base/own.h"
#include "storage/shape.h"

#include <math.h>
#include <string.h>

#define SECONDS_MAX 253402300800.0 /* the year 10000 */

/* AWS writes a time as seconds since the epoch, with a fraction. Returns NULL if the value is not
 * such a time. */
static json_t *time_of(const json_t *value)
{
	double seconds = json_number_value(value);

	if (!json_is_number(value) || !(seconds > 0 && seconds < SECONDS_MAX))
		return NULL;
	return shape_time((int64_t)llround(seconds * 1e3) * USEC_PER_MSEC);
}

static json_t *copy_of(const json_t *value)
{
	return json_deep_copy(value);
}

/* Set to[name] to the result of `make` on obj[from]. NULL sets nothing. */
static void put(json_t *to, const char *name, const json_t *obj, const char *from,
		json_t *(*make)(const json_t *value))
{
	const json_t *value = json_object_get(obj, from);
	json_t *made = value ? make(value) : NULL;

	if (made)
		json_object_set_new(to, name, made);
}

static json_t *transitions_of(const json_t *list)
{
	json_t *all = json_array(), *item;
	size_t i;

	json_array_foreach(list, i, item) {
		json_t *one = json_object();

		put(one, "status", item, "Status", copy_of);
		put(one, "started_at", item, "StartTime", time_of);
		put(one, "ended_at", item, "EndTime", time_of);
		put(one, "message", item, "StatusMessage", copy_of);
		json_array_append_new(all, one);
	}
	return all;
}

static json_t *metrics_of(const json_t *list)
{
	json_t *all = json_object(), *item;
	size_t i;

	json_array_foreach(list, i, item)
		put(all, json_get_str(item, "MetricName", "?"), item, "Value", copy_of);
	return all;
}

static json_t *artifacts_of(const json_t *value)
{
	return copy_of(json_object_get(value, "S3ModelArtifacts"));
}

static json_t *warm_pool_of(const json_t *value)
{
	json_t *pool = json_object();

	put(pool, "status", value, "Status", copy_of);
	put(pool, "retained_billable_seconds", value, "ResourceRetainedBillableTimeInSeconds",
	    copy_of);
	put(pool, "reused_by", value, "ReusedByJob", copy_of);
	return pool;
}

static json_t *variants_of(const json_t *list)
{
	json_t *all = json_array(), *item;
	size_t i;

	json_array_foreach(list, i, item) {
		json_t *one = json_object();

		put(one, "name", item, "VariantName", copy_of);
		put(one, "instances", item, "CurrentInstanceCount", copy_of);
		put(one, "desired_instances", item, "DesiredInstanceCount", copy_of);
		json_array_append_new(all, one);
	}
	return all;
}

json_t *shape_resource_answer(const json_t *answer)
{
	static const struct {
		const char *name, *from;
		json_t *(*make)(const json_t *value);
	} parts[] = {
		{"secondary_status", "SecondaryStatus", copy_of},
		{"transitions", "SecondaryStatusTransitions", transitions_of},
		{"failure_reason", "FailureReason", copy_of},
		{"model_artifacts", "ModelArtifacts", artifacts_of},
		{"final_metrics", "FinalMetricDataList", metrics_of},
		{"training_seconds", "TrainingTimeInSeconds", copy_of},
		{"billable_seconds", "BillableTimeInSeconds", copy_of},
		{"training_started_at", "TrainingStartTime", time_of},
		{"training_ended_at", "TrainingEndTime", time_of},
		{"warm_pool", "WarmPoolStatus", warm_pool_of},
		{"config_in_use", "EndpointConfigName", copy_of},
		{"variants", "ProductionVariants", variants_of},
	};
	json_t *shown = json_object();

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		put(shown, parts[i].name, answer, parts[i].from, parts[i].make);
	return shown;
}
