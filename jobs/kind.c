/* SPDX-License-Identifier: MIT */
/*
 * The table of kinds, with the outputs of each, and the rules that depend on kind and target: where
 * a job runs, and which slots it takes.
 */
#include "jobs/kind.h"

#include "base/str.h"

#include <errno.h>

#define OUTPUTS_MAX 4

/* One row for each kind: name, outputs in display order, the path of each output. */
static const struct {
	const char *name;
	bool has_execution;
	const char *outputs[OUTPUTS_MAX + 1]; /* NULL-terminated */
	const char *paths[OUTPUTS_MAX];	      /* paths of the outputs, in the same order */
} kinds[JOB_KINDS_] = {
	[JOB_PREPROCESS] = {"preprocess",
			    true,
			    {"train", "test"},
			    {"work/output/train", "work/output/test"}},
	[JOB_TRAIN] = {"train",
		       true,
		       {"model", "output", "metrics", "checkpoints"},
		       {"work/model", "work/output", "work/output/metrics.json",
			"work/checkpoints"}},
	[JOB_EVALUATE] = {"evaluate", true, {"metrics"}, {"work/output/metrics.json"}},
	[JOB_DEPLOY] = {"deploy", false, {"endpoint"}, {NULL}},
	[JOB_PREDICT] = {"predict", false, {"predictions"}, {NULL}},
	[JOB_DELETE_ENDPOINT] = {"delete-endpoint", false, {NULL}, {NULL}},
	[JOB_UPLOAD] = {"upload", true, {"uri", "path"}, {NULL}},
	[JOB_DOWNLOAD] = {"download", true, {"uri", "path"}, {NULL, "work/output"}},
	[JOB_SCRIPT] = {"script",
			true,
			{"model", "output", "checkpoints"},
			{"work/model", "work/output", "work/checkpoints"}},
};

static const char *const targets[TARGETS_] = {
	[TARGET_LOCAL] = "local",
	[TARGET_SAGEMAKER] = "sagemaker",
};

const char *job_kind_str(enum job_kind kind)
{
	return kinds[kind].name;
}

int job_kind_parse(const char *s, enum job_kind *ret)
{
	for (int i = 0; i < JOB_KINDS_; i++) {
		if (!str_eq(s, kinds[i].name))
			continue;
		*ret = (enum job_kind)i;
		return 0;
	}
	return -EINVAL;
}

const char *job_target_str(enum job_target target)
{
	return targets[target];
}

int job_target_parse(const char *s, enum job_target *ret)
{
	for (int i = 0; i < TARGETS_; i++) {
		if (!str_eq(s, targets[i]))
			continue;
		*ret = (enum job_target)i;
		return 0;
	}
	return -EINVAL;
}

const char *const *job_kind_outputs(enum job_kind kind)
{
	return kinds[kind].outputs;
}

const char *job_output_path(enum job_kind kind, const char *output)
{
	for (size_t i = 0; kinds[kind].outputs[i]; i++)
		if (str_eq(output, kinds[kind].outputs[i]))
			return kinds[kind].paths[i];
	return NULL;
}

bool job_kind_has_execution(enum job_kind kind)
{
	return kinds[kind].has_execution;
}

const char *slot_class_str(enum slot_class place)
{
	static const char *const names[PLACES_] = {
		[PLACE_NONE] = "none", [PLACE_CPU] = "cpu",	      [PLACE_ENDPOINT] = "endpoint",
		[PLACE_GPU] = "gpu",   [PLACE_TRANSFER] = "transfer",
	};

	return names[place];
}

enum job_target job_runs_at(enum job_kind kind, enum job_target target)
{
	return kind == JOB_TRAIN || kind == JOB_SCRIPT || kind == JOB_DEPLOY ? target
									     : TARGET_LOCAL;
}

enum slot_class slot_class_of(enum job_kind kind, enum job_target target, int gpus)
{
	if (kind != JOB_DEPLOY && !job_kind_has_execution(kind))
		return PLACE_NONE;
	if (kind == JOB_UPLOAD || kind == JOB_DOWNLOAD || job_runs_at(kind, target) != TARGET_LOCAL)
		return PLACE_TRANSFER;
	if (gpus > 0)
		return PLACE_GPU;
	return kind == JOB_DEPLOY ? PLACE_ENDPOINT : PLACE_CPU;
}
