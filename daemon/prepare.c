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

/* The real path of what the spec names, checked against the roots. */
static bool find_path(const struct settings *set, const struct spec_path *p, char *real,
		      json_t *problems)
{
	char joined[PATH_MAX];

	if (!path_join(joined, sizeof(joined), p->path[0] == '/' ? "" : set->base_dir, p->path) ||
	    !realpath(p->path[0] == '/' ? p->path : joined, real)) {
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING, "'%s': %s%s%s%s", p->path,
			    strerror(errno), p->path[0] == '/' ? "" : "; relative paths start at ",
			    p->path[0] == '/' ? "" : set->base_dir,
			    p->use == SPEC_PATH_MODEL
				    ? ", and the configuration names no such model"
				    : "");
		return false;
	}
	for (const char *const *root = set->roots; *root; root++) {
		size_t n = strlen(*root);

		while (n && (*root)[n - 1] == '/')
			n--;
		if (strncmp(real, *root, n) == 0 && (real[n] == '/' || !real[n]))
			return true;
	}
	problem_add(problems, p->pointer, PROBLEM_FORBIDDEN,
		    "'%s' is not below a root that jobs may read (setting local.roots)", real);
	return false;
}

static bool check_kind(const struct spec_path *p, const char *real, json_t *problems)
{
	char config[PATH_MAX];
	bool is_dir = path_is_dir(AT_FDCWD, real);

	if (p->use == SPEC_PATH_DATASET)
		return true;
	if (!is_dir) {
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

static void freeze(struct engine *e, const struct spec_path *p, const char *real, bool dry,
		   json_t *problems)
{
	char sources[PATH_MAX], frozen[PATH_MAX];
	struct err why = {0};

	path_join(sources, sizeof(sources), e->settings->data_dir, "sources");
	if (source_freeze(sources, real, dry, frozen, sizeof(frozen), &why) < 0) {
		problem_add(problems, p->pointer, PROBLEM_INVALID, "source_dir '%s': %s", real,
			    why.msg);
		return;
	}
	json_object_set_new(p->object, "source_dir_submitted", json_string(real));
	json_object_set_new(p->object, p->key, json_string(frozen));
}

static void check_path(struct engine *e, const struct spec_path *p, bool dry, json_t *problems)
{
	const struct model_name *model =
		p->use == SPEC_PATH_MODEL ? find_model(e->settings, p->path) : NULL;
	char real[PATH_MAX];

	if (model) {
		json_object_set_new(p->object, p->key, json_string(model->dir));
		return;
	}
	if (!find_path(e->settings, p, real, problems) || !check_kind(p, real, problems))
		return;
	if (p->use != SPEC_PATH_SOURCE_DIR)
		json_object_set_new(p->object, p->key, json_string(real));
	else if (check_entry_point(p, real, problems))
		freeze(e, p, real, dry, problems);
}

static void check_endpoint(struct engine *e, const struct job_spec *job, size_t i, bool is_job,
			   json_t *problems)
{
	const char *name = json_get_str(job->spec, "endpoint", "");
	char pointer[64] = "/endpoint";

	if (job->kind != JOB_DEPLOY || !live_name_taken(e, name))
		return;
	if (!is_job)
		snprintf(pointer, sizeof(pointer), "/jobs/%zu/endpoint", i);
	problem_add(problems, pointer, PROBLEM_ENDPOINT_TAKEN,
		    "an endpoint named '%s' is live; delete it or choose another name", name);
}

static void check_money(struct engine *e, const struct job_spec *job, size_t i, bool is_job,
			json_t *problems)
{
	char at[32] = "";

	if (!is_job)
		snprintf(at, sizeof(at), "/jobs/%zu", i);
	budget_check(e->settings, job, at, problems);
}

/* {"jobs":[{"name","target","slot":"cpu"|"gpu"|"endpoint"|"none","gpus","cpus",
 * and where it costs money "worst_case_usd"}]} */
static json_t *placement_json(struct engine *e, const struct run_spec *run)
{
	json_t *jobs = json_array();

	for (size_t i = 0; i < run->jobs_n; i++) {
		const struct job_spec *job = &run->jobs[i];
		bool process = job->kind == JOB_DEPLOY || job_kind_has_execution(job->kind);
		struct job_resources res;
		const char *slot = "none";

		job_resources_of(job->spec, &res);
		if (process)
			slot = res.gpus ? "gpu" : job->kind == JOB_DEPLOY ? "endpoint" : "cpu";
		json_array_append_new(
			jobs,
			json_pack("{ss ss ss ss si si so*}", "name", job->name, "kind",
				  job_kind_str(job->kind), "target", job_target_str(job->target),
				  "slot", slot, "gpus", res.gpus, "cpus",
				  res.cpus ? res.cpus : e->settings->cpus_per_slot,
				  "worst_case_usd",
				  budget_text(e->settings, job->spec, job->kind, job->target)));
	}
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
	int r;

	fill_context(e, &ctx);
	r = is_job ? run_spec_parse_job(body, &ctx, &run, problems, reterr)
		   : run_spec_parse(body, &ctx, &run, problems, reterr);
	if (r < 0)
		return r;
	for (size_t i = 0; i < run->jobs_n; i++) {
		struct job_spec *job = &run->jobs[i];

		check_endpoint(e, job, i, is_job, problems);
		check_money(e, job, i, is_job, problems);
		for (size_t p = 0; p < job->paths_n; p++)
			check_path(e, &job->paths[p], dry, problems);
	}
	if (json_array_size(problems))
		return err_set(reterr, ERR_INVALID, "the submitted spec has %zu problem%s",
			       json_array_size(problems), json_array_size(problems) > 1 ? "s" : "");
	if (ret_placement)
		*ret_placement = placement_json(e, run);
	*ret = TAKE(run);
	return 0;
}
