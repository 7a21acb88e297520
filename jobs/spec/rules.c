/* SPDX-License-Identifier: MIT */
/*
 * Rules over several fields of one job, and defaults that depend on the machine or the
 * configuration. The parser calls this after the job's fields. A missing or bad field is absent
 * from job->spec, so each rule tests for its fields first.
 */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/parse.h"

#include <strings.h>

#define STEP_ROWS_MAX 65536 /* of an optimiser step */

static bool is_native(const struct spec_parse *p, enum job_kind kind)
{
	return !(p->modes & SPEC_TRAIN_SCRIPT) && (kind == JOB_PREPROCESS || kind == JOB_TRAIN ||
						   kind == JOB_EVALUATE || kind == JOB_DEPLOY);
}

static bool runs_here(const struct job_spec *job)
{
	return job_runs_at(job->kind, job->target) == TARGET_LOCAL;
}

static void rule_engine(struct spec_parse *p, const struct job_spec *job)
{
	size_t mark = spec_enter(p, "kind");

	if (!p->ctx->native && is_native(p, job->kind) && runs_here(job))
		spec_problem(p, PROBLEM_UNSUPPORTED,
			     "%s jobs need the native engine, which this build lacks; run a "
			     "script, or build with -Dnative=enabled",
			     job_kind_str(job->kind));
	spec_leave(p, mark);
}

static void rule_retry(struct spec_parse *p, json_t *retry)
{
	json_t *on;

	if (!retry || json_object_get(retry, "on"))
		return;
	on = spec_set(p, retry, "on", json_array());
	for (int i = 0; on && i < REASONS_; i++) {
		const char *code = reason_code_str((enum reason_code)i);

		if (reason_retried_by_default((enum reason_code)i) &&
		    json_array_append_new(on, json_string(code)) < 0)
			p->no_memory = true;
	}
}

/* A SageMaker training job always has a maximum runtime, because its price must have a maximum,
 * too. */
static void rule_max_runtime(struct spec_parse *p, const struct job_spec *job)
{
	int64_t fallback_us = p->ctx->max_runtime_default_us;
	char text[32];

	if (!spec_field_is_open(&spec_job_table, "max_runtime", p->modes))
		return; /* an endpoint has a lease instead */
	if (fallback_us <= 0 && !runs_here(job))
		fallback_us = SPEC_SAGEMAKER_RUNTIME_US;
	if (fallback_us > 0 && !json_object_get(job->spec, "max_runtime"))
		spec_set(p, job->spec, "max_runtime",
			 json_string(duration_format(text, fallback_us)));
}

static void problem_at(struct spec_parse *p, const char *field, const char *text)
{
	size_t mark = spec_enter(p, field);

	spec_problem(p, PROBLEM_INVALID, "%s", text);
	spec_leave(p, mark);
}

/* Early stopping and the best model need evaluations, and the latter a checkpoint. */
static void rule_best(struct spec_parse *p, const json_t *h, bool has_test)
{
	bool best = json_get_bool(h, "load_best_model_at_end", false);

	if (best && !has_test)
		problem_at(p, "load_best_model_at_end",
			   "needs evaluations: give the job a channel 'test'");
	if (json_object_get(h, "early_stopping_patience") && !has_test)
		problem_at(p, "early_stopping_patience",
			   "needs evaluations: give the job a channel 'test'");
	if (json_object_get(h, "early_stopping_threshold") &&
	    !json_object_get(h, "early_stopping_patience"))
		problem_at(p, "early_stopping_threshold",
			   "works with 'early_stopping_patience': give it, or remove this");
	if (best && json_get_int(h, "save_steps", 1) == 0)
		problem_at(p, "save_steps",
			   "must not be 0 with 'load_best_model_at_end', which needs checkpoints: "
			   "remove one of them");
}

static bool has_class_weights(const json_t *h)
{
	return json_is_object(json_object_get(h, "class_weights")) ||
	       str_eq(json_get_str(h, "class_weights", "none"), "balanced");
}

/* Of native training, as the worker sees it in worker/train/settings.c. */
static void rule_hyperparameters(struct spec_parse *p, const json_t *spec)
{
	const json_t *h = json_object_get(spec, "hyperparameters");
	int64_t rows = json_get_int(h, "train_batch_size", 1) *
		       json_get_int(h, "gradient_accumulation_steps", 1);
	size_t mark = spec_enter(p, "hyperparameters"), inner;

	if (json_object_get(h, "warmup_steps") && json_object_get(h, "warmup_ratio"))
		spec_problem(p, PROBLEM_INVALID,
			     "give 'warmup_steps' or 'warmup_ratio', not both: remove one");
	if (has_class_weights(h) && json_get_num(h, "label_smoothing_factor", 0) > 0)
		problem_at(p, "class_weights",
			   "does not work with 'label_smoothing_factor': remove one of them");
	if (rows > STEP_ROWS_MAX) {
		inner = spec_enter(p, "gradient_accumulation_steps");
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "times 'train_batch_size' is %lld rows; an optimiser step has at most "
			     "%d",
			     (long long)rows, STEP_ROWS_MAX);
		spec_leave(p, inner);
	}
	rule_best(p, h, json_object_get(json_object_get(spec, "channels"), "test") != NULL);
	spec_leave(p, mark);
}

static void rule_gpu_memory(struct spec_parse *p, const json_t *local)
{
	int64_t have = p->ctx->gpu_memory_max_bytes;
	int64_t wanted = json_get_int(local, "gpu_memory", 0);
	char have_text[32], wanted_text[32];
	size_t mark = spec_enter(p, "gpu_memory");

	if (have > 0 && wanted > have) { /* have is 0 if unknown */
		str_bytes(have_text, sizeof(have_text), have);
		str_bytes(wanted_text, sizeof(wanted_text), wanted);
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "'gpu_memory' asks for %s, but the largest GPU of this machine has "
			     "%s; ask for less",
			     wanted_text, have_text);
	}
	spec_leave(p, mark);
}

static void rule_devices(struct spec_parse *p, const json_t *local, int64_t gpus)
{
	const json_t *devices = json_object_get(local, "devices");
	size_t mark = spec_enter(p, "devices");

	for (size_t i = 0; i < json_array_size(devices); i++) {
		int64_t index = json_integer_value(json_array_get(devices, i));
		size_t inner = spec_enter_index(p, i);

		if (index >= p->ctx->gpus)
			spec_problem(p, PROBLEM_OUT_OF_RANGE,
				     "this machine has no GPU %lld; it has %d, counted from 0",
				     (long long)index, p->ctx->gpus);
		spec_leave(p, inner);
	}
	if (devices && (int64_t)json_array_size(devices) < gpus)
		spec_problem(p, PROBLEM_INVALID,
			     "'devices' lists %zu GPUs, but 'gpus' asks for %lld; list more or ask "
			     "for fewer",
			     json_array_size(devices), (long long)gpus);
	spec_leave(p, mark);
}

static void rule_gpus(struct spec_parse *p, enum job_kind kind, json_t *local)
{
	const json_t *devices = json_object_get(local, "devices");
	bool wants_one = devices || json_object_get(local, "gpu_memory") ||
			 (p->ctx->gpus > 0 && is_native(p, kind) &&
			  (kind == JOB_TRAIN || kind == JOB_DEPLOY));
	int64_t gpus;
	size_t mark;

	if (!json_object_get(local, "gpus"))
		spec_set(p, local, "gpus", json_integer(wants_one));
	gpus = json_get_int(local, "gpus", 0);
	mark = spec_enter(p, "gpus");
	if (gpus > p->ctx->gpus)
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "the job asks for %lld GPU%s, but this machine has %d; ask for fewer",
			     (long long)gpus, gpus == 1 ? "" : "s", p->ctx->gpus);
	else if (gpus == 0 && wants_one && (devices || json_object_get(local, "gpu_memory")))
		spec_problem(p, PROBLEM_INVALID,
			     "'gpus' is 0, but 'devices' or 'gpu_memory' is given; remove these, "
			     "or ask for a GPU");
	spec_leave(p, mark);
	rule_devices(p, local, gpus);
}

static void rule_local(struct spec_parse *p, const struct job_spec *job)
{
	json_t *local = json_object_get(job->spec, "local");
	int64_t cpus = json_get_int(local, "cpus", 0);
	size_t mark = spec_enter(p, "local"), inner;

	/* otherwise the fields are kept for a later local run and not checked against this
	 * machine */
	if (local && runs_here(job)) {
		rule_gpus(p, job->kind, local);
		rule_gpu_memory(p, local);
		inner = spec_enter(p, "cpus");
		if (p->ctx->cpus > 0 && cpus > p->ctx->cpus)
			spec_problem(p, PROBLEM_OUT_OF_RANGE,
				     "'cpus' asks for %lld threads, but the slots of this machine "
				     "have %d; ask for fewer",
				     (long long)cpus, p->ctx->cpus);
		spec_leave(p, inner);
		if (p->ctx->python && json_object_get(job->spec, "entry_point") &&
		    !json_object_get(local, "python"))
			spec_set(p, local, "python", json_string(p->ctx->python));
	}
	spec_leave(p, mark);
}

static void rule_padding(struct spec_parse *p, const json_t *spec)
{
	size_t mark = spec_enter(p, "padding");

	if (str_eq(json_get_str(spec, "padding", ""), "max_length") &&
	    !json_object_get(spec, "max_length"))
		spec_problem(p, PROBLEM_MISSING,
			     "'padding' is 'max_length', but 'max_length' is missing; give the "
			     "number of tokens of a row");
	spec_leave(p, mark);
}

static void rule_deploy(struct spec_parse *p, const struct job_spec *job)
{
	json_t *lease = json_object_get(job->spec, "lease");
	int64_t ttl_us = 0, max_us = p->ctx->lease_ttl_max_us;
	char text[32];
	size_t mark, inner;

	if (!lease)
		return;
	mark = spec_enter(p, "lease");
	if (!json_object_get(lease, "ttl") && p->ctx->lease_ttl_default_us > 0)
		spec_set(p, lease, "ttl",
			 json_string(duration_format(text, p->ctx->lease_ttl_default_us)));
	inner = spec_enter(p, "ttl");
	if (duration_parse(json_get_str(lease, "ttl", "0s"), &ttl_us) == 0 && max_us > 0 &&
	    ttl_us > max_us)
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "a lease lasts at most %s (lease.ttl_max); ask for less and renew it, "
			     "or raise lease.ttl_max in the configuration",
			     duration_format(text, max_us));
	spec_leave(p, inner);
	spec_leave(p, mark);
}

static void rule_dtype(struct spec_parse *p, const struct job_spec *job)
{
	const char *dtype = json_get_str(job->spec, "dtype", "fp32");
	size_t mark = spec_enter(p, "dtype");

	if (job->target == TARGET_SAGEMAKER && !str_eq(dtype, "fp32"))
		spec_problem(p, PROBLEM_UNSUPPORTED,
			     "'%s' works on this machine only, because the container of SageMaker "
			     "computes in fp32; remove 'dtype'",
			     dtype);
	spec_leave(p, mark);
}

/* A script finds its model in the channel 'model', so no other channel may have its variable. */
static void rule_model_channel(struct spec_parse *p, const json_t *spec)
{
	const char *name;
	json_t *value;
	size_t mark = spec_enter(p, "channels");

	json_object_foreach(json_object_get(spec, "channels"), name, value)
		if (strcasecmp(name, "model") == 0)
			spec_problem(p, PROBLEM_DUPLICATE,
				     "the field 'model' is the channel 'model', so no other may be "
				     "called '%s'; rename the channel, or remove the field",
				     name);
	spec_leave(p, mark);
}

void spec_rules(struct spec_parse *p, struct job_spec *job)
{
	rule_engine(p, job);
	rule_retry(p, json_object_get(job->spec, "retry"));
	rule_max_runtime(p, job);
	rule_local(p, job);
	if (job->kind == JOB_PREPROCESS) {
		spec_rule_dataset(p, job->spec);
		rule_padding(p, job->spec);
	}
	if (job->kind == JOB_PREPROCESS || job->kind == JOB_TRAIN || job->kind == JOB_SCRIPT)
		spec_rule_output(p, job->spec);
	if (job->kind == JOB_TRAIN && is_native(p, job->kind))
		rule_hyperparameters(p, job->spec);
	if (json_object_get(job->spec, "entry_point") && json_object_get(job->spec, "model"))
		rule_model_channel(p, job->spec);
	if (job->kind == JOB_DEPLOY) {
		rule_deploy(p, job);
		rule_dtype(p, job);
	}
	spec_rule_checkpoint(p, job);
	spec_rule_sagemaker(p, job);
}
