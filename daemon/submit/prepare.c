/* SPDX-License-Identifier: MIT */
/*
 * The checks of a submit: rules of the spec (jobs/), then paths (submit/paths.c), scripts
 * (submit/script.c), endpoints and money. Runs on the caller's thread.
 */
#include "daemon/submit/prepare.h"

#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/schedule/budget.h"
#include "daemon/schedule/headroom.h"
#include "jobs/spec/predict.h"

#include <string.h>

static bool model_known(void *userdata, const char *name)
{
	const struct prepare *p = userdata;

	return settings_model(p->manager->settings, name) || json_object_get(p->models, name);
}

static void check_endpoint(const struct prepare *p, const struct job_spec *job, size_t i)
{
	const char *name = json_get_str(job->spec, "endpoint", "");
	bool update = str_eq(json_get_str(job->spec, "on_existing", ""), "update");
	enum job_target target;
	char at[64];

	if (job->kind != JOB_DEPLOY || !live_name_taken(p->manager, name, &target) ||
	    (update && target == job->target))
		return;
	problem_add(p->problems, prepare_pointer(p, i, "endpoint", at, sizeof(at)),
		    PROBLEM_ENDPOINT_TAKEN,
		    "an endpoint named '%s' is live%s%s; delete it or choose another name", name,
		    update ? " with the target " : "", update ? job_target_str(target) : "");
}

static void check_body(const struct prepare *p, const struct job_spec *job, size_t i, size_t max)
{
	OWN(freep) char *body = spec_predict_body(job->spec);
	char at[64];

	/* if memory is out, the job itself reports the size */
	if (body && strlen(body) > max && strlen(body) <= SPEC_PREDICT_BODY_MAX)
		problem_add(p->problems, prepare_pointer(p, i, "inputs", at, sizeof(at)),
			    PROBLEM_OUT_OF_RANGE, SPEC_BODY_TEXT, strlen(body),
			    spec_predict_taker(max), max);
}

/* Check a predict job against an endpoint that is already live. jobs/ checks endpoints of the same
 * run. */
static void check_inputs(const struct prepare *p, const struct job_spec *job, size_t i)
{
	const char *name = json_get_str(job->spec, "endpoint", "");
	enum job_target target;
	char at[64];
	size_t n;

	if (job->kind != JOB_PREDICT || !live_name_taken(p->manager, name, &target))
		return;
	check_body(p, job, i, live_body_max(p->manager, name));
	n = spec_inputs_over(job->spec, target);
	if (n)
		problem_add(p->problems, prepare_pointer(p, i, "inputs", at, sizeof(at)),
			    PROBLEM_TOO_MANY, SPEC_INPUTS_TEXT, n, SPEC_INPUTS_LOCAL_MAX);
}

static void check_money(const struct prepare *p, const struct job_spec *job, size_t i)
{
	char at[32] = "";

	if (!p->is_job)
		snprintf(at, sizeof(at), "/jobs/%zu", i);
	budget_check(p->manager->settings, job, at, p->problems);
}

/* The instances that a SageMaker job requests. */
static json_t *instances_json(const struct job_spec *job)
{
	const json_t *s = json_object_get(job->spec, "sagemaker");
	const json_t *serverless = json_object_get(s, "serverless");

	if (serverless)
		return json_pack("{sO}", "serverless", serverless);
	return json_pack("{ss si sb}", "instance_type", json_get_str(s, "instance_type", ""),
			 "instance_count", (int)json_get_int(s, "instance_count", 1), "spot",
			 json_get_bool(s, "spot", false));
}

/* {"name","kind","target","runs":"local"|"sagemaker","slot": its queue,"gpus","cpus"[,"sagemaker",
 * "worst_case_usd"]} */
static json_t *job_placement(struct manager *mgr, const struct job_spec *job)
{
	enum job_target runs = job_runs_at(job->kind, job->target);
	bool here = runs == TARGET_LOCAL;
	struct job_resources res;
	enum slot_class place;
	json_t *out, *cost;

	job_resources_of(job->spec, &res);
	place = slot_class_of(job->kind, job->target, res.gpus);
	out = json_pack("{ss ss ss ss ss si si}", "name", job->name, "kind",
			job_kind_str(job->kind), "target", job_target_str(job->target), "runs",
			job_target_str(runs), "slot", slot_class_str(place), "gpus",
			here ? res.gpus : 0, "cpus",
			!here	   ? 0
			: res.cpus ? res.cpus
				   : mgr->settings->cpus_per_slot);
	if (!here)
		json_object_set_new(out, "sagemaker", instances_json(job));
	cost = budget_text(mgr->settings, job->spec, job->kind, job->target);
	if (cost)
		json_object_set_new(out, "worst_case_usd", cost);
	return out;
}

/* {"jobs":[…]} */
static json_t *placement_json(struct manager *mgr, const struct run_spec *run)
{
	json_t *jobs = json_array();

	for (size_t i = 0; i < run->jobs_n; i++)
		json_array_append_new(jobs, job_placement(mgr, &run->jobs[i]));
	return json_pack("{so}", "jobs", jobs);
}

static void fill_context(const struct prepare *p, struct spec_context *ctx)
{
	struct manager *mgr = p->manager;
	const struct settings *set = mgr->settings;
	struct device_list *list = calloc(1, sizeof(*list));

	*ctx = (struct spec_context){
		.native = set->native,
		.gpus = devices_count(mgr->devices),
		.cpus = set->cpus_per_slot,
		.memory_bytes = set->memory_bytes,
		.python = set->python,
		.lease_ttl_default_us = set->lease_ttl_default_us,
		.lease_ttl_max_us = set->lease_ttl_max_us,
		.max_runtime_default_us = set->max_runtime_default_us,
		.aws_region = set->aws_region,
		.aws_role_default = set->aws.role && set->aws.role[0],
		.model_known = model_known,
		.userdata = (void *)p,
	};
	if (list && ctx->gpus)
		devices_snapshot(mgr->devices, list);
	for (int i = 0; list && i < list->n; i++)
		if (list->items[i].total_bytes > ctx->gpu_memory_max_bytes)
			ctx->gpu_memory_max_bytes = list->items[i].total_bytes;
	free(list);
}

/* Equal but for slashes at the end. */
static bool is_same_place(const char *a, const char *b)
{
	return path_is_below(a, b) && path_is_below(b, a);
}

/* The place that the job's spec names for its output. NULL if no other job writes there: without
 * the field, and on SageMaker, which appends the name of the training job. */
static const char *output_of(const struct job_spec *job)
{
	return job_runs_at(job->kind, job->target) == TARGET_LOCAL
		       ? json_get_str(job->spec, "output", NULL)
		       : NULL;
}

/* Two jobs of a run may not write to one place: the second would replace the files of the first,
 * and references to the first would mean them. The paths are real ones by now. */
static void check_outputs(const struct prepare *p)
{
	const struct run_spec *run = p->run;
	char at[ERR_FIELD_MAX];

	for (size_t i = 0; i < run->jobs_n; i++) {
		const char *output = output_of(&run->jobs[i]);

		for (size_t j = 0; output && j < i; j++) {
			const char *other = output_of(&run->jobs[j]);

			if (!other || !is_same_place(output, other))
				continue;
			problem_add(p->problems, prepare_pointer(p, i, "output", at, sizeof(at)),
				    PROBLEM_DUPLICATE,
				    "job '%s' also writes to '%s'; give one of them another place",
				    run->jobs[j].name, output);
			break;
		}
	}
}

/* Negative if no resources are left for the checks. */
static int check_job(const struct prepare *p, struct job_spec *job, size_t i, struct err *reterr)
{
	int r = prepare_references(p, job, reterr);

	check_endpoint(p, job, i);
	check_inputs(p, job, i);
	check_money(p, job, i);
	prepare_python(p, job, i);
	for (size_t n = 0; r >= 0 && n < job->paths_n; n++)
		r = prepare_path(p, job, &job->paths[n], reterr);
	return r;
}

int manager_prepare(struct manager *mgr, struct store_reader *reader, const json_t *body,
		    bool is_job, bool dry, struct run_spec **ret, json_t *problems,
		    json_t **ret_placement, struct err *reterr)
{
	OWN(run_spec_freep) struct run_spec *run = NULL;
	OWN(json_decrefp) json_t *models = NULL, *model_dirs = json_array();
	struct prepare p = {.manager = mgr,
			    .reader = reader,
			    .is_job = is_job,
			    .dry = dry,
			    .problems = problems,
			    .model_dirs = model_dirs};
	struct spec_context ctx;
	int r = dry ? 0 : headroom_check(mgr, reterr);

	if (r >= 0 && reader)
		r = store_read_models(reader, &models, reterr);
	if (r < 0)
		return r;
	p.models = models;
	fill_context(&p, &ctx);
	r = is_job ? run_spec_parse_job(body, &ctx, &run, problems, reterr)
		   : run_spec_parse(body, &ctx, &run, problems, reterr);
	if (r < 0)
		return r;
	p.run = run;
	for (size_t i = 0; r >= 0 && i < run->jobs_n; i++)
		r = check_job(&p, &run->jobs[i], i, reterr);
	if (r < 0)
		return r;
	check_outputs(&p);
	prepare_model_dirs(&p);
	prepare_data(&p);
	if (json_array_size(problems))
		return err_set(reterr, ERR_INVALID, "the spec has %zu problem%s",
			       json_array_size(problems), json_array_size(problems) > 1 ? "s" : "");
	if (ret_placement)
		*ret_placement = placement_json(mgr, run);
	*ret = TAKE(run);
	return 0;
}
