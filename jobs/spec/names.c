/* SPDX-License-Identifier: MIT */
/*
 * "Did you mean": finds the intended name of an unknown field. Order: names of the SageMaker SDK,
 * Hugging Face's TrainingArguments and other schedulers; the same name elsewhere in the job; the
 * nearest spelling.
 */
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/parse.h"

#include <stdio.h>
#include <string.h>

#define CANDIDATES_MAX 64

static const struct {
	const char *theirs, *ours;
} foreign[] = {
	/* SageMaker's Python SDK and API */
	{"use_spot_instances", "sagemaker.spot"},
	{"EnableManagedSpotTraining", "sagemaker.spot"},
	{"image_uri", "sagemaker.image"},
	{"TrainingImage", "sagemaker.image"},
	{"volume_size", "sagemaker.volume_gb"},
	{"train_volume_size", "sagemaker.volume_gb"},
	{"train_instance_type", "sagemaker.instance_type"},
	{"train_instance_count", "sagemaker.instance_count"},
	{"initial_instance_count", "sagemaker.instance_count"},
	{"InstanceType", "sagemaker.instance_type"},
	{"InstanceCount", "sagemaker.instance_count"},
	{"InitialInstanceCount", "sagemaker.instance_count"},
	{"VolumeSizeInGB", "sagemaker.volume_gb"},
	{"KeepAlivePeriodInSeconds", "sagemaker.keep_alive"},
	{"VpcConfig", "sagemaker.vpc"},
	{"vpc_config", "sagemaker.vpc"},
	{"KmsKeyId", "sagemaker.kms_key"},
	{"ServerlessConfig", "sagemaker.serverless"},
	{"memory_size_in_mb", "sagemaker.serverless.memory_mb"},
	{"MemorySizeInMB", "sagemaker.serverless.memory_mb"},
	{"MaxConcurrency", "sagemaker.serverless.max_concurrency"},
	{"ProvisionedConcurrency", "sagemaker.serverless.provisioned_concurrency"},
	{"update_endpoint", "on_existing"},
	{"aws_region", "sagemaker.region"},
	{"region_name", "sagemaker.region"},
	{"role_arn", "sagemaker.role"},
	{"RoleArn", "sagemaker.role"},
	{"keep_alive_period_in_seconds", "sagemaker.keep_alive"},
	{"subnets", "sagemaker.vpc.subnets"},
	{"security_group_ids", "sagemaker.vpc.security_groups"},
	{"output_kms_key", "sagemaker.kms_key"},
	{"volume_kms_key", "sagemaker.kms_key"},
	{"serverless_inference_config", "sagemaker.serverless"},
	{"max_run", "max_runtime"},
	{"train_max_run", "max_runtime"},
	{"MaxRuntimeInSeconds", "max_runtime"},
	{"max_wait_time", "sagemaker.max_wait"},
	{"MaxWaitTimeInSeconds", "sagemaker.max_wait"},
	{"checkpoint_s3_uri", "checkpoint.s3"},
	{"checkpoint_local_path", "checkpoint.path"},
	{"CheckpointConfig", "checkpoint"},
	{"base_job_name", "name"},
	{"job_name", "name"},
	{"TrainingJobName", "name"},
	{"model_data", "model"},
	{"model_uri", "model"},
	{"endpoint_name", "endpoint"},
	{"EndpointName", "endpoint"},
	{"max_retry_attempts", "retry.max"},
	{"s3_destination", "destination"},
	{"desired_s3_uri", "destination"},
	/* Hugging Face */
	{"dataset_name", "dataset.hub"},
	{"dataset_config_name", "dataset.config"},
	{"repo_id", "dataset.hub"},
	{"model_name", "model"},
	{"model_name_or_path", "model"},
	{"pretrained_model_name_or_path", "model"},
	{"num_train_epochs", "hyperparameters.epochs"},
	{"num_epochs", "hyperparameters.epochs"},
	{"per_device_train_batch_size", "hyperparameters.train_batch_size"},
	{"per_gpu_train_batch_size", "hyperparameters.train_batch_size"},
	{"per_device_eval_batch_size", "hyperparameters.eval_batch_size"},
	{"per_gpu_eval_batch_size", "hyperparameters.eval_batch_size"},
	{"evaluation_strategy", "hyperparameters.eval_steps"},
	{"eval_strategy", "hyperparameters.eval_steps"},
	{"logging_strategy", "hyperparameters.logging_steps"},
	{"save_strategy", "hyperparameters.save_steps"},
	{"lr", "hyperparameters.learning_rate"},
	{"fp16", "hyperparameters.bf16"},
	{"bfloat16", "hyperparameters.bf16"},
	{"data_seed", "hyperparameters.seed"},
	{"gradient_clip_val", "hyperparameters.max_grad_norm"},
	{"max_seq_length", "max_length"},
	{"top_n", "parameters.top_k"},
	{"return_all_scores", "parameters.top_k"},
	/* other schedulers */
	{"type", "kind"},
	{"depends_on", "needs"},
	{"dependencies", "needs"},
	{"dependsOn", "needs"},
	{"after", "needs"},
	{"env", "environment"},
	{"envs", "environment"},
	{"timeout", "max_runtime"},
	{"time_limit", "max_runtime"},
	{"retries", "retry.max"},
	{"script", "entry_point"},
	{"command", "entry_point"},
	{"inputs_dir", "channels"},
	{"num_gpus", "local.gpus"},
	{"gpu", "local.gpus"},
	{"mem", "local.memory"},
	{"ttl_seconds", "lease.ttl"},
};

/* Foreign names without a counterpart, and what to use instead. */
static const struct {
	const char *theirs, *instead;
} absent[] = {
	{"optim", "the optimiser is AdamW"},
	{"adam_beta1", "AdamW's beta1 is 0.9"},
	{"adam_beta2", "AdamW's beta2 is 0.999"},
	{"adam_epsilon", "AdamW's epsilon is 1e-8"},
	{"group_by_length", "nothing is computed for padding"},
	{"train_sampling_strategy", "nothing is computed for padding"},
	{"dataloader_num_workers", "the rows are in memory"},
	{"load_best_model_at_end", "the model of the last step is kept"},
	{"metric_for_best_model", "the model of the last step is kept"},
	{"report_to", "metrics come from GET /v1/jobs/{job}/metrics"},
	{"output_dir", "results lie with the job, as its outputs"},
	{"output_path", "results lie with the job, as its outputs"},
	{"overwrite_output_dir", "each attempt has a directory of its own"},
	{"logging_dir", "metrics come from GET /v1/jobs/{job}/metrics"},
	{"push_to_hub", "the model stays on this machine"},
	{"transformers_version", "'sagemaker.image' names the software of a SageMaker job"},
	{"pytorch_version", "'sagemaker.image' names the software of a SageMaker job"},
	{"framework_version", "'sagemaker.image' names the software of a SageMaker job"},
	{"py_version", "'sagemaker.image' names the software of a SageMaker job"},
	{"distribution", "training on several instances uses torch_distributed"},
	{"disable_profiler", "the profiler is off"},
	{"debugger_hook_config", "the debugger is off"},
	{"input_mode", "channels are files"},
	{"code_location",
	 "'aws.bucket' of the configuration names the bucket for the files of a job"},
	{"wait", "a submit answers at once; follow the run's events"},
};

static const char *absent_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		if (str_eq(name, absent[i].theirs))
			return absent[i].instead;
	return NULL;
}

static const char *foreign_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (str_eq(name, foreign[i].theirs))
			return foreign[i].ours;
	return NULL;
}

/* The job's object field whose table contains `name`: "hyperparameters" for "epochs". */
static const char *nested_find(const struct spec_parse *p, const char *name)
{
	for (size_t i = 0; i < spec_job_table.n; i++) {
		const struct spec_field *f = &spec_job_table.fields[i];

		if (f->type == FIELD_OBJECT && spec_field_in(f, p->modes) &&
		    spec_field_find(f->table, name, p->modes))
			return f->name;
	}
	return NULL;
}

/* The first kind that has the field `name`; NULL if there is none. */
static const char *other_kind(const char *name)
{
	for (int kind = 0; kind < JOB_KINDS_; kind++)
		if (spec_field_find(&spec_job_table, name, SPEC_MODE(kind)))
			return job_kind_str((enum job_kind)kind);
	return NULL;
}

static const char *nearest(const struct spec_parse *p, const struct spec_table *t, const char *name)
{
	const char *names[CANDIDATES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < t->n && n < CANDIDATES_MAX; i++)
		if (spec_field_in(&t->fields[i], p->modes) && t->fields[i].type != FIELD_LATER)
			names[n++] = t->fields[i].name;
	return str_nearest(name, names, n);
}

const char *spec_nearest_job(const struct spec_parse *p, const char *name)
{
	const char *names[SPEC_JOBS_MAX];

	if (spec_enough(p))
		return NULL;
	for (size_t i = 0; i < p->run->jobs_n; i++)
		names[i] = p->run->jobs[i].name;
	return str_nearest(name, names, p->run->jobs_n);
}

/* The path `ours` without the name of table t at its beginning. */
static const char *seen_from(const struct spec_table *t, const char *ours)
{
	const char *dot = strchr(ours, '.');
	char prefix[64];

	if (!dot)
		return ours;
	str_excerptf(prefix, sizeof(prefix), "'%.*s'", (int)(dot - ours), ours);
	return str_eq(prefix, t->what) ? dot + 1 : ours;
}

void spec_unknown_field(struct spec_parse *p, const struct spec_table *t, const char *name)
{
	char quote[PROBLEM_QUOTE_MAX];
	const char *hint;

	problem_quote(quote, name);
	if (spec_enough(p))
		p->found++;
	else if ((hint = foreign_find(name)))
		spec_problem(p, PROBLEM_UNKNOWN_FIELD, "'%s' is not a field of %s; here it is '%s'",
			     quote, t->what, seen_from(t, hint));
	else if ((hint = absent_find(name)))
		spec_problem(p, PROBLEM_UNKNOWN_FIELD, "'%s' is not a field of %s: %s; remove it",
			     quote, t->what, hint);
	else if (t == &spec_job_table && (hint = nested_find(p, name)))
		spec_problem(p, PROBLEM_UNKNOWN_FIELD, "'%s' is not a field of %s; put it in '%s'",
			     quote, t->what, hint);
	else if (t == &spec_job_table && (hint = other_kind(name)))
		spec_problem(p, PROBLEM_UNKNOWN_FIELD,
			     "'%s' is a field of %s jobs, not of this one; remove it", quote, hint);
	else if ((hint = nearest(p, t, name)))
		spec_problem(p, PROBLEM_UNKNOWN_FIELD,
			     "'%s' is not a field of %s; did you mean '%s'?", quote, t->what, hint);
	else if (t != &spec_job_table && p->modes &&
		 spec_field_find(&spec_job_table, name, p->modes))
		spec_problem(p, PROBLEM_UNKNOWN_FIELD,
			     "'%s' is not a field of %s; it belongs to the job itself", quote,
			     t->what);
	else
		spec_problem(p, PROBLEM_UNKNOWN_FIELD, "'%s' is not a field of %s; remove it",
			     quote, t->what);
}
