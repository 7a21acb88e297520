/* SPDX-License-Identifier: MIT */
/* Builds the body of CreateTrainingJob (requests.h). Pure. */
#include "base/own.h"
#include "base/str.h"
#include "jobs/s3_uri.h"
#include "jobs/sagemaker/parts.h"
#include "jobs/trainer_metrics.h"

#include <string.h>

#define METRICS_MAX	 40
#define METRIC_NAME_MAX	 255
#define METRIC_REGEX_MAX 500
#define KEEP_ALIVE_MAX	 21600 /* seconds */
#define RETRIES_MAX	 30

int64_t sagemaker_runtime_max_s(const json_t *spec)
{
	return spec_seconds(spec, "max_runtime", SAGEMAKER_RUNTIME_DEFAULT);
}

static void put_metric(struct request *q, json_t *list, const char *name, const char *regex)
{
	if (!*name || text_chars(name) > METRIC_NAME_MAX || strpbrk(name, "\r\n") || !*regex ||
	    text_chars(regex) > METRIC_REGEX_MAX || strpbrk(regex, "\r\n"))
		request_refuse(q, ERR_INVALID, "/metric_definitions",
			       "the metric '%.80s' needs a name of at most %d and a regex of at "
			       "most %d characters, both without line ends",
			       name, METRIC_NAME_MAX, METRIC_REGEX_MAX);
	request_add(q, list, json_pack("{s:s, s:s}", "Name", name, "Regex", regex));
}

static void put_metrics(struct request *q, json_t *algorithm, const json_t *given)
{
	json_t *list = request_set(q, algorithm, "MetricDefinitions", json_array());
	size_t n = json_array_size(given);

	if (n > METRICS_MAX)
		request_refuse(q, ERR_LIMIT, "/metric_definitions",
			       "%zu metric definitions are too many; use at most %d on SageMaker",
			       n, METRICS_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *m = json_array_get(given, i);

		put_metric(q, list, json_get_str(m, "name", ""), json_get_str(m, "regex", ""));
	}
	for (size_t i = 0; n == 0 && i < trainer_metrics_n; i++)
		put_metric(q, list, trainer_metrics[i].name, trainer_metrics[i].regex);
}

static void put_algorithm(struct request *q, const struct sagemaker_training *t)
{
	json_t *a = request_set(q, q->body, "AlgorithmSpecification", json_object());

	request_image(q, a, "TrainingImage", SAGEMAKER_TRAINING, t->image, t->region, t->spec);
	request_set(q, a, "TrainingInputMode", json_string("File"));
	put_metrics(q, a, json_object_get(t->spec, "metric_definitions"));
	request_set(q, a, "EnableSageMakerMetricsTimeSeries", json_true());
}

static bool channel_name_ok(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return *s && !s[strspn(s, allowed)] && strlen(s) <= 64;
}

static void put_channel(struct request *q, json_t *list, const char *name, const char *uri,
			const char *field)
{
	json_t *channel = request_add(q, list, json_object()), *source, *s3;

	if (!channel_name_ok(name))
		request_refuse(q, ERR_INVALID, field,
			       "'%.80s' is not the name of a channel; use at most 64 letters, "
			       "digits, '_', '.' and '-'",
			       name);
	request_set(q, channel, "ChannelName", json_string(name));
	source = request_set(q, channel, "DataSource", json_object());
	s3 = request_set(q, source, "S3DataSource", json_object());
	request_set(q, s3, "S3DataType", json_string("S3Prefix"));
	request_uri(q, s3, "S3Uri", uri, field);
	request_set(q, s3, "S3DataDistributionType", json_string("FullyReplicated"));
}

static void warn_of_archive(struct request *q, const char *name, const char *uri)
{
	if (str_ends(uri, ".tar.gz"))
		request_warn(q,
			     "channel '%s' holds the archive %s, which SageMaker does not unpack; "
			     "let the script unpack it",
			     name, strrchr(uri, '/') + 1);
}

/* S3DataType S3Prefix includes every key with that prefix, so warn of sibling keys. A name with a
 * dot is assumed to be a single object. */
static void warn_of_siblings(struct request *q, const char *name, const char *uri)
{
	const char *key = s3_uri_is(uri) ? strchr(uri + strlen("s3://"), '/') : NULL;
	const char *last = key ? strrchr(key, '/') + 1 : "";

	if (*last && !strchr(last, '.'))
		request_warn(
			q,
			"channel '%s': SageMaker takes every key that begins with '%s', also keys "
			"of '%s2/'; end the address with '/' to take that directory alone",
			name, uri, last);
}

static void put_model_channel(struct request *q, json_t *list, const json_t *spec)
{
	const char *model = json_get_str(spec, "model", "");
	bool script = json_get_str(spec, "entry_point", NULL);

	if (!*model || (!script && !s3_uri_is(model)))
		return; /* no data, or a hub name */
	if (!s3_uri_is(model)) {
		request_refuse(q, ERR_INVALID, "/model",
			       "on SageMaker the model of a script must be in S3, and '%.200s' is "
			       "not; upload the model first, or let the script fetch it and give "
			       "the name in hyperparameters",
			       model);
		return;
	}
	if (script)
		warn_of_archive(q, SAGEMAKER_CHANNEL_MODEL, model);
	put_channel(q, list, SAGEMAKER_CHANNEL_MODEL, model, "/model");
}

static void put_channels(struct request *q, const json_t *spec)
{
	OWN(json_decrefp) json_t *list = json_array();
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(spec, "channels"), key, value) {
		char field[ERR_FIELD_MAX] = "/channels";

		json_pointer_add(field, sizeof(field), key);
		put_channel(q, list, key, json_is_string(value) ? json_string_value(value) : "",
			    field);
		if (json_is_string(value)) {
			warn_of_archive(q, key, json_string_value(value));
			warn_of_siblings(q, key, json_string_value(value));
		}
	}
	put_model_channel(q, list, spec);
	if (json_array_size(list) > SAGEMAKER_CHANNELS_MAX)
		request_refuse(q, ERR_LIMIT, "/channels",
			       "%zu channels are too many; use at most %d on SageMaker, the model "
			       "included",
			       json_array_size(list), SAGEMAKER_CHANNELS_MAX);
	if (json_array_size(list))
		request_set(q, q->body, "InputDataConfig", json_incref(list));
}

static void put_output(struct request *q, const struct sagemaker_training *t)
{
	const char *key = json_get_str(json_object_get(t->spec, "sagemaker"), "kms_key", NULL);
	json_t *o = request_set(q, q->body, "OutputDataConfig", json_object());

	request_uri(q, o, "S3OutputPath", t->output_uri, "/sagemaker/output");
	if (key)
		request_kms(q, o, "KmsKeyId", key);
}

static void put_resources(struct request *q, const json_t *sagemaker, int count)
{
	json_t *r = request_set(q, q->body, "ResourceConfig", json_object());
	const char *type = request_instance_type(q, sagemaker);
	const char *key = json_get_str(sagemaker, "kms_key", NULL);
	int64_t keep_alive = spec_seconds(sagemaker, "keep_alive", 0);

	request_set(q, r, "InstanceType", json_string(type));
	request_set(q, r, "InstanceCount", json_integer(count));
	request_set(q, r, "VolumeSizeInGB",
		    json_integer(request_volume(q, sagemaker, SAGEMAKER_VOLUME_DEFAULT)));
	if (key && sagemaker_has_local_disks(type))
		request_warn(q,
			     "kms_key encrypts the results only, because the hardware of %s "
			     "encrypts its disks",
			     type);
	else if (key)
		request_kms(q, r, "VolumeKmsKeyId", key);
	if (keep_alive > KEEP_ALIVE_MAX)
		request_refuse(q, ERR_LIMIT, "/sagemaker/keep_alive",
			       "keep_alive is at most %d seconds", KEEP_ALIVE_MAX);
	if (keep_alive > 0)
		request_set(q, r, "KeepAlivePeriodInSeconds", json_integer(keep_alive));
}

/* Set the maximum times. For spot, the default waiting time is twice the runtime. */
static void put_times(struct request *q, const json_t *spec, const json_t *sagemaker)
{
	json_t *s = request_set(q, q->body, "StoppingCondition", json_object());
	int64_t run = sagemaker_runtime_max_s(spec);
	int64_t wait = spec_seconds(sagemaker, "max_wait", run > INT32_MAX / 2 ? run : 2 * run);

	if (run > SAGEMAKER_RUNTIME_MAX)
		request_refuse(q, ERR_LIMIT, "/max_runtime",
			       "SageMaker runs a training job for at most 28d; ask for less, and "
			       "let another job resume from its checkpoints");
	request_set(q, s, "MaxRuntimeInSeconds", json_integer(run));
	if (!json_get_bool(sagemaker, "spot", false))
		return;
	if (wait < run)
		request_refuse(q, ERR_INVALID, "/sagemaker/max_wait",
			       "max_wait covers waiting and running; make it at least max_runtime, "
			       "which is %lld seconds",
			       (long long)run);
	if (spec_seconds(sagemaker, "keep_alive", 0) > 0)
		request_refuse(q, ERR_INVALID, "/sagemaker/keep_alive",
			       "spot instances cannot be kept warm; remove keep_alive or spot");
	request_set(q, s, "MaxWaitTimeInSeconds", json_integer(wait));
	request_set(q, q->body, "EnableManagedSpotTraining", json_true());
}

static void put_checkpoints(struct request *q, const struct sagemaker_training *t)
{
	json_t *c;

	if (!t->checkpoint_uri) {
		if (json_object_get(q->body, "EnableManagedSpotTraining"))
			request_warn(q,
				     "a spot job without checkpoints starts again from the "
				     "beginning when AWS takes its instance; give checkpoint.s3");
		return;
	}
	c = request_set(q, q->body, "CheckpointConfig", json_object());
	request_uri(q, c, "S3Uri", t->checkpoint_uri, "/checkpoint/s3");
	if (!t->checkpoint_path)
		return;
	if (*t->checkpoint_path != '/' || strpbrk(t->checkpoint_path, "\r\n"))
		request_refuse(q, ERR_INVALID, "/checkpoint/path",
			       "'%.80s' is not an absolute path in the container; write one such "
			       "as /opt/ml/checkpoints",
			       t->checkpoint_path);
	request_set(q, c, "LocalPath", json_string(t->checkpoint_path));
}

/* False in regions where the service has no profiler and refuses its settings (fw_utils.py of the
 * SDK). */
static bool has_profiler(const char *region)
{
	static const char *const without[] = {"us-iso-east-1",	"us-isob-east-1", "ap-southeast-3",
					      "ap-southeast-4", "eu-south-2",	  "me-central-1",
					      "ap-south-2",	"eu-central-2",	  "us-gov-east-1"};

	for (size_t i = 0; i < ARRAY_LEN(without); i++)
		if (str_eq(region, without[i]))
			return false;
	return true;
}

static void put_options(struct request *q, const struct sagemaker_training *t)
{
	json_t *environment;

	if (json_object_size(json_object_get(t->spec, "environment"))) {
		environment = request_set(q, q->body, "Environment", json_object());
		request_environment(q, environment, t->spec, SAGEMAKER_TRAINING);
	}
	if (has_profiler(t->region))
		request_set(q, q->body, "ProfilerConfig", json_pack("{s:b}", "DisableProfiler", 1));
	if (t->service_retries > RETRIES_MAX)
		request_refuse(q, ERR_LIMIT, "/retry/max",
			       "SageMaker makes at most %d attempts; ask for fewer", RETRIES_MAX);
	if (t->service_retries > 0)
		request_set(q, q->body, "RetryStrategy",
			    json_pack("{s:i}", "MaximumRetryAttempts", t->service_retries));
}

int sagemaker_training_request(const struct sagemaker_training *t, json_t **ret, json_t *warnings,
			       struct err *reterr)
{
	const json_t *sagemaker = json_object_get(t->spec, "sagemaker");
	const char *program = t->program ? t->program : json_get_str(t->spec, "entry_point", NULL);
	int count = (int)json_get_int(sagemaker, "instance_count", 1);
	struct request q;

	request_start(&q, warnings, reterr);
	request_name(&q, "TrainingJobName", t->name);
	put_resources(&q, sagemaker, count);
	put_algorithm(&q, t);
	request_role(&q, "RoleArn", t->role_arn);
	if (t->source_uri)
		request_check_uri(&q, t->source_uri, "/source_dir");
	request_values(&q, t, program ? program : SAGEMAKER_PROGRAM_NATIVE, count);
	put_channels(&q, t->spec);
	put_output(&q, t);
	put_times(&q, t->spec, sagemaker);
	put_checkpoints(&q, t);
	request_vpc(&q, sagemaker);
	request_tags(&q, t->tags);
	put_options(&q, t);
	return request_end(&q, ret);
}
