/* SPDX-License-Identifier: MIT */
/*
 * Checks the jobs' model directories at the submit: a worker refuses the tokenizers that the native
 * engine would refuse, with the same code, and pointers of Git LFS (worker/inspect_model.h). One
 * process for a submit. Models that were not checked within inspect_us are checked when the job
 * runs. Runs on the caller's thread.
 */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/submit/inspect.h"
#include "daemon/submit/prepare.h"

#include <string.h>

#define MODEL_ANSWER_MAX (1 << 20)

/* True if the native engine, or SageMaker's container in its place, reads the model. A script
 * reads what it wants. */
static bool reads_model(const struct job_spec *job)
{
	return (job->kind == JOB_PREPROCESS || job->kind == JOB_TRAIN || job->kind == JOB_DEPLOY) &&
	       !json_object_get(job->spec, "entry_point");
}

void prepare_model_dir(const struct prepare *p, const struct job_spec *job,
		       const struct spec_path *path, const char *dir)
{
	if (reads_model(job))
		json_array_append_new(
			p->model_dirs,
			json_pack("{ss ss sb sb}", "pointer", path->pointer, "dir", dir, "rows",
				  job->kind != JOB_PREPROCESS, "tokenizer",
				  job_runs_at(job->kind, job->target) == TARGET_LOCAL));
}

static enum problem_code code_of(const char *error)
{
	return str_eq(error, "missing")	      ? PROBLEM_DATA_MISSING
	       : str_eq(error, "unsupported") ? PROBLEM_UNSUPPORTED
					      : PROBLEM_INVALID;
}

static void add_finding(const struct prepare *p, const char *line, size_t len)
{
	OWN(json_decrefp) json_t *finding = NULL;
	const json_t *model;
	const char *error;
	int64_t i;

	if (json_parse(line, len, &finding, NULL) < 0)
		return;
	i = json_get_int(finding, "model", -1);
	model = i >= 0 ? json_array_get(p->model_dirs, (size_t)i) : NULL;
	error = json_get_str(finding, "error", NULL);
	if (model && error)
		problem_add(p->problems, json_get_str(model, "pointer", ""), code_of(error), "%s",
			    json_get_str(finding, "message", "the model cannot be used"));
}

void prepare_model_dirs(const struct prepare *p)
{
	OWN(json_decrefp) json_t *question = json_pack("{sO}", "models", p->model_dirs);
	OWN(buf_done) struct buf answer = BUF_INIT(MODEL_ANSWER_MAX);
	int64_t until_us = clock_mono_us() + p->manager->settings->inspect_us;

	if (!json_array_size(p->model_dirs) || !question ||
	    inspect_ask(p->manager->settings, "inspect-model", question, until_us, &answer, NULL) <
		    0)
		return;
	for (const char *at = buf_str(&answer), *end; (end = strchr(at, '\n')); at = end + 1)
		add_finding(p, at, (size_t)(end - at));
}
