/* SPDX-License-Identifier: MIT */
/*
 * What a submit checks, on the caller's thread: the spec's rules (jobs/), then what it names on
 * this machine: paths exist below the allowed roots, models are known, endpoint names are free.
 * Paths become absolute, a source_dir becomes its frozen copy.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/budget.h"
#include "daemon/endpoint.h"
#include "daemon/headroom.h"
#include "daemon/sources.h"
#include "jobs/problems.h"

#include <limits.h>
#include <string.h>

static const struct model_name *find_model(const struct settings *set, const char *name)
{
	for (size_t i = 0; i < set->models_n; i++)
		if (str_eq(set->models[i].name, name))
			return &set->models[i];
	return NULL;
}

static bool model_known(void *userdata, const char *name)
{
	return find_model(userdata, name) != NULL;
}

static bool is_below(const char *real, const char *root)
{
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		n--;
	return strncmp(real, root, n) == 0 && (real[n] == '/' || !real[n]);
}

static bool check_roots(const struct settings *set, const struct spec_path *p, const char *real,
			const char *verb, json_t *problems)
{
	for (const char *const *root = set->roots; *root; root++)
		if (is_below(real, *root))
			return true;
	problem_add(problems, p->pointer, PROBLEM_FORBIDDEN,
		    "'%s' is not below a root that jobs may %s (setting local.roots)", real, verb);
	return false;
}

/* The path as the spec means it: relative ones start at base_dir. False: too long. */
static bool whole_path(const struct settings *set, const struct spec_path *p, char *path)
{
	if (p->path[0] == '/')
		return str_copy(path, PATH_MAX, p->path);
	return path_join(path, PATH_MAX, set->base_dir, p->path);
}

/* The real path of what the spec names, checked against the roots. */
static bool find_path(const struct settings *set, const struct spec_path *p, char *real,
		      json_t *problems)
{
	bool absolute = p->path[0] == '/';
	char path[PATH_MAX];

	if (!whole_path(set, p, path) || !realpath(path, real)) {
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING, "'%s': %s%s%s%s", p->path,
			    strerror(errno), absolute ? "" : "; relative paths start at ",
			    absolute ? "" : set->base_dir,
			    p->use == SPEC_PATH_MODEL ? ", the configuration names no such model, "
							"and one of the hub is written org/name"
						      : "");
		return false;
	}
	return check_roots(set, p, real, "read", problems);
}

/* Is there no such thing here, so that the name of a model means the hub's? */
static bool means_hub(const struct settings *set, const struct spec_path *p)
{
	char path[PATH_MAX];

	return p->hub && whole_path(set, p, path) && !path_exists(AT_FDCWD, path);
}

/* The real path of a thing that need not exist: its nearest parent that does, and the rest of the
 * path, which has plain names only. NULL, or why not. */
static const char *real_path_to_be(char *path, char *real)
{
	char parent[PATH_MAX];
	size_t end = strlen(path);
	const char *rest;

	while (end > 1 && path[end - 1] == '/')
		path[--end] = '\0';
	for (;;) {
		snprintf(parent, sizeof(parent), "%.*s", end ? (int)end : 1, path);
		if (realpath(parent, real))
			break;
		if (errno != ENOENT || end == 0)
			return strerror(errno);
		while (end && path[--end] != '/')
			;
	}
	rest = path + end + (path[end] == '/');
	if (!*rest)
		return NULL;
	if (!path_is_inside(rest))
		return "write it without '.' and '..'";
	str_copy(parent, sizeof(parent), real);
	return path_join(real, PATH_MAX, parent, rest) ? NULL : strerror(ENAMETOOLONG);
}

/* A directory to write: below a root, and outside of what the daemon keeps. */
static bool find_output(const struct settings *set, const struct spec_path *p, char *real,
			json_t *problems)
{
	char path[PATH_MAX], data[PATH_MAX];
	const char *why =
		whole_path(set, p, path) ? real_path_to_be(path, real) : strerror(ENAMETOOLONG);

	if (why) {
		problem_add(problems, p->pointer, PROBLEM_INVALID,
			    "'%s' cannot be a directory to write: %s", p->path, why);
		return false;
	}
	if (!check_roots(set, p, real, "write", problems))
		return false;
	if (realpath(set->data_dir, data) && is_below(real, data)) {
		problem_add(problems, p->pointer, PROBLEM_FORBIDDEN,
			    "'%s' is where the daemon keeps its own; write elsewhere", real);
		return false;
	}
	return true;
}

static bool check_kind(const struct spec_path *p, const char *real, json_t *problems)
{
	char config[PATH_MAX];
	bool is_dir = path_is_dir(AT_FDCWD, real);

	if (p->use == SPEC_PATH_DATASET || p->use == SPEC_PATH_SOURCE)
		return true;
	if (!is_dir && (p->use != SPEC_PATH_OUTPUT || path_exists(AT_FDCWD, real))) {
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING, "'%s' is not a directory",
			    real);
		return false;
	}
	if (p->use == SPEC_PATH_MODEL && (!path_join(config, sizeof(config), real, "config.json") ||
					  !path_exists(AT_FDCWD, config))) {
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING,
			    "'%s' is not a model directory: it has no config.json", real);
		return false;
	}
	return true;
}

/* The script itself; its pointer stands beside that of source_dir. */
static bool check_entry_point(const struct spec_path *p, const char *real, json_t *problems)
{
	const char *entry = json_get_str(p->object, "entry_point", "");
	char path[PATH_MAX], pointer[ERR_FIELD_MAX + 16];

	if (path_join(path, sizeof(path), real, entry) && path_exists(AT_FDCWD, path) &&
	    !path_is_dir(AT_FDCWD, path))
		return true;
	snprintf(pointer, sizeof(pointer), "%.*sentry_point",
		 (int)(strlen(p->pointer) - strlen(p->key)), p->pointer);
	problem_add(problems, pointer, PROBLEM_DATA_MISSING, "there is no file '%s' in '%s'", entry,
		    real);
	return false;
}

static int freeze(struct engine *e, const struct spec_path *p, const char *real, bool dry,
		  json_t *problems, struct err *reterr)
{
	char sources[PATH_MAX], frozen[PATH_MAX];
	int r;

	path_join(sources, sizeof(sources), e->settings->data_dir, "sources");
	r = source_freeze(sources, real, dry, frozen, sizeof(frozen), reterr);
	if (headroom_is_missing(r))
		return err_ctx(reterr, headroom_code(r), "source_dir '%s'", real);
	if (r < 0) {
		problem_add(problems, p->pointer, PROBLEM_INVALID, "source_dir '%s': %s", real,
			    reterr->msg);
		return 0;
	}
	json_object_set_new(p->object, "source_dir_submitted", json_string(real));
	json_object_set_new(p->object, p->key, json_string(frozen));
	return 0;
}

/* Negative: the machine has no room to check it. What is wrong with it is in `problems`. */
static int check_path(struct engine *e, const struct spec_path *p, bool dry, json_t *problems,
		      struct err *reterr)
{
	const struct model_name *model =
		p->use == SPEC_PATH_MODEL ? find_model(e->settings, p->path) : NULL;
	char real[PATH_MAX];

	if (model) {
		json_object_set_new(p->object, p->key, json_string(model->dir));
		return 0;
	}
	if (means_hub(e->settings, p))
		return 0;
	if (!(p->use == SPEC_PATH_OUTPUT ? find_output : find_path)(e->settings, p, real,
								    problems) ||
	    !check_kind(p, real, problems))
		return 0;
	if (p->use == SPEC_PATH_SOURCE_DIR)
		return check_entry_point(p, real, problems)
			       ? freeze(e, p, real, dry, problems, reterr)
			       : 0;
	json_object_set_new(p->object, p->key, json_string(real));
	return 0;
}

static void check_endpoint(struct engine *e, const struct job_spec *job, size_t i, bool is_job,
			   json_t *problems)
{
	const char *name = json_get_str(job->spec, "endpoint", "");
	char pointer[64] = "/endpoint";

	bool update = str_eq(json_get_str(job->spec, "on_existing", ""), "update");
	enum job_target target;

	if (job->kind != JOB_DEPLOY || !live_name_taken(e, name, &target) ||
	    (update && target == job->target))
		return;
	if (!is_job)
		snprintf(pointer, sizeof(pointer), "/jobs/%zu/endpoint", i);
	problem_add(problems, pointer, PROBLEM_ENDPOINT_TAKEN,
		    "an endpoint named '%s' is live%s%s; delete it or choose another name", name,
		    update ? " with the target " : "", update ? job_target_str(target) : "");
}

static void check_money(struct engine *e, const struct job_spec *job, size_t i, bool is_job,
			json_t *problems)
{
	char at[32] = "";

	if (!is_job)
		snprintf(at, sizeof(at), "/jobs/%zu", i);
	budget_check(e->settings, job, at, problems);
}

/* What a job that runs there asks for. */
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

/* {"name","kind","target","runs":"local"|"sagemaker","slot": its line,"gpus","cpus"[,"sagemaker",
 * "worst_case_usd"]} */
static json_t *job_placement(struct engine *e, const struct job_spec *job)
{
	enum job_target runs = job_runs_at(job->kind, job->target);
	bool here = runs == TARGET_LOCAL;
	struct job_resources res;
	enum job_place place;
	json_t *out, *cost;

	job_resources_of(job->spec, &res);
	place = job_place_of(job->kind, job->target, res.gpus);
	out = json_pack("{ss ss ss ss ss si si}", "name", job->name, "kind",
			job_kind_str(job->kind), "target", job_target_str(job->target), "runs",
			job_target_str(runs), "slot", job_place_str(place), "gpus",
			here ? res.gpus : 0, "cpus",
			!here	   ? 0
			: res.cpus ? res.cpus
				   : e->settings->cpus_per_slot);
	if (!here)
		json_object_set_new(out, "sagemaker", instances_json(job));
	cost = budget_text(e->settings, job->spec, job->kind, job->target);
	if (cost)
		json_object_set_new(out, "worst_case_usd", cost);
	return out;
}

/* {"jobs":[…]} */
static json_t *placement_json(struct engine *e, const struct run_spec *run)
{
	json_t *jobs = json_array();

	for (size_t i = 0; i < run->jobs_n; i++)
		json_array_append_new(jobs, job_placement(e, &run->jobs[i]));
	return json_pack("{so}", "jobs", jobs);
}

static void fill_context(struct engine *e, struct spec_context *ctx)
{
	const struct settings *set = e->settings;
	struct device_list *list = calloc(1, sizeof(*list));

	*ctx = (struct spec_context){
		.native = set->native,
		.gpus = devices_count(e->devices),
		.cpus = set->cpus_per_slot,
		.memory_bytes = set->memory_bytes,
		.python = set->python,
		.lease_ttl_default_us = set->lease_ttl_default_us,
		.lease_ttl_max_us = set->lease_ttl_max_us,
		.max_runtime_default_us = set->max_runtime_default_us,
		.aws_region = set->aws_region,
		.aws_role_default = set->aws.role && set->aws.role[0],
		.model_known = model_known,
		.userdata = (void *)set,
	};
	if (list && ctx->gpus)
		devices_snapshot(e->devices, list);
	for (int i = 0; list && i < list->n; i++)
		if (list->items[i].total_bytes > ctx->gpu_memory_max_bytes)
			ctx->gpu_memory_max_bytes = list->items[i].total_bytes;
	free(list);
}

int engine_prepare(struct engine *e, const json_t *body, bool is_job, bool dry,
		   struct run_spec **ret, json_t *problems, json_t **ret_placement,
		   struct err *reterr)
{
	OWN(run_spec_freep) struct run_spec *run = NULL;
	struct spec_context ctx;
	int r = dry ? 0 : headroom_check(e->settings, reterr);

	if (r < 0)
		return r;
	fill_context(e, &ctx);
	r = is_job ? run_spec_parse_job(body, &ctx, &run, problems, reterr)
		   : run_spec_parse(body, &ctx, &run, problems, reterr);
	if (r < 0)
		return r;
	for (size_t i = 0; i < run->jobs_n; i++) {
		struct job_spec *job = &run->jobs[i];

		check_endpoint(e, job, i, is_job, problems);
		check_money(e, job, i, is_job, problems);
		for (size_t p = 0; p < job->paths_n; p++) {
			r = check_path(e, &job->paths[p], dry, problems, reterr);
			if (r < 0)
				return r;
		}
	}
	if (json_array_size(problems))
		return err_set(reterr, ERR_INVALID, "the submitted spec has %zu problem%s",
			       json_array_size(problems), json_array_size(problems) > 1 ? "s" : "");
	if (ret_placement)
		*ret_placement = placement_json(e, run);
	*ret = TAKE(run);
	return 0;
}
