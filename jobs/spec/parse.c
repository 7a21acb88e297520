/* SPDX-License-Identifier: MIT */
/*
 * Parses a body into a run_spec. Each pass finds as many problems as it can: fields by the tables,
 * rules of each job, names and needs, references and paths, cycles.
 */
#include "jobs/spec/parse.h"

#include "base/own.h"
#include "base/str.h"

/* Read the kind of a submitted job. Returns false after a problem. */
static bool kind_of(struct spec_parse *p, const json_t *in, enum job_kind *ret)
{
	const struct spec_field *f = spec_field_find(&spec_job_table, "kind", SPEC_ANY_MODE);
	const json_t *v = json_object_get(in, "kind");
	size_t mark = spec_enter(p, "kind");
	OWN(json_decrefp) json_t *good = NULL;

	if (v)
		good = spec_value_parse(p, f, v);
	else
		spec_problem(p, PROBLEM_MISSING, "a job needs 'kind': %s", f->help);
	if (good && job_kind_parse(json_string_value(good), ret) < 0)
		p->no_memory = true;
	spec_leave(p, mark);
	return good;
}

static bool has_script(const json_t *in)
{
	return json_object_get(in, "entry_point") || json_object_get(in, "source_dir");
}

/* Copy the common fields that the job also holds outside `spec`. */
static void take_common(struct spec_parse *p, struct job_spec *job)
{
	const json_t *tags = json_object_get(job->spec, "tags");
	const char *target = json_get_str(job->spec, "target", "local");

	if (!json_object_get(job->spec, "name"))
		spec_set(p, job->spec, "name", json_string(job_kind_str(job->kind)));
	str_excerpt(job->name, sizeof(job->name), json_get_str(job->spec, "name", ""));
	if (job_target_parse(target, &job->target) < 0)
		job->target = TARGET_LOCAL;
	if (!json_object_get(job->spec, "priority"))
		spec_set(p, job->spec, "priority", json_integer(p->run_priority));
	job->priority = (int)json_get_int(job->spec, "priority", 0);
	job->held = json_get_bool(job->spec, "held", false);
	job->tags = tags ? json_incref((json_t *)tags) : json_object();
	if (!job->tags)
		p->no_memory = true;
}

/* Parse the job's fields. A job of unknown kind gets no spec. */
static void parse_job(struct spec_parse *p, const json_t *in, struct job_spec *job)
{
	p->found_before_job = p->found;
	if (!json_is_object(in)) {
		spec_problem(p, PROBLEM_WRONG_TYPE, "a job must be an object, not %s",
			     json_type_name(in));
		return;
	}
	if (!kind_of(p, in, &job->kind)) {
		str_excerpt(job->name, sizeof(job->name), json_get_str(in, "name", ""));
		return;
	}
	p->modes = SPEC_MODE(job->kind);
	if (job->kind == JOB_TRAIN && has_script(in))
		p->modes = SPEC_TRAIN_SCRIPT;
	job->spec = spec_object_parse(p, &spec_job_table, in);
	if (job->spec) {
		take_common(p, job);
		spec_rules(p, job);
	} else {
		p->no_memory = true;
	}
	p->modes = SPEC_ANY_MODE;
}

static int start(struct spec_parse *p, const json_t *body, size_t jobs_n)
{
	p->run = calloc(1, sizeof(*p->run));
	if (!p->run)
		return -ENOMEM;
	p->run->jobs = calloc(jobs_n ? jobs_n : 1, sizeof(*p->run->jobs));
	p->run->body = json_incref((json_t *)body);
	p->run->warnings = json_array();
	if (!p->run->jobs || !p->run->body || !p->run->warnings)
		return -ENOMEM;
	p->run->jobs_n = jobs_n;
	return 0;
}

static void set_run(struct spec_parse *p, const char *name, const json_t *tags)
{
	str_excerpt(p->run->name, sizeof(p->run->name), name);
	p->run->tags = tags ? json_deep_copy(tags) : json_object();
	if (!p->run->tags)
		p->no_memory = true;
}

/* Run the passes that follow the jobs' own fields, and return the result. Takes over p->run. */
static int finish(struct spec_parse *p, struct run_spec **ret, struct err *reterr)
{
	OWN(run_spec_freep) struct run_spec *rs = p->run;
	const json_t *first;

	spec_needs_read(p);
	spec_refs_find(p);
	spec_graph_check(p);
	if (p->no_memory)
		return err_errno(reterr, ENOMEM, "hold a run of %zu jobs", rs->jobs_n);
	if (!p->found) {
		*ret = TAKE(rs);
		return 0;
	}
	first = json_array_get(p->problems, 0);
	return err_at(reterr, ERR_INVALID, json_get_str(first, "pointer", ""), "%s%s",
		      json_get_str(first, "detail", "the spec is not valid"),
		      p->found > 1 ? " (and more problems)" : "");
}

int run_spec_parse(const json_t *body, const struct spec_context *ctx, struct run_spec **ret,
		   json_t *problems, struct err *reterr)
{
	struct spec_parse p = {.ctx = ctx, .problems = problems};
	OWN(json_decrefp) json_t *run = NULL;
	const json_t *jobs = json_object_get(body, "jobs");
	size_t n = json_array_size(jobs);

	if (start(&p, body, n <= SPEC_JOBS_MAX ? n : 0) < 0) {
		run_spec_free(p.run);
		return err_errno(reterr, ENOMEM, "hold a run of %zu jobs", n);
	}
	if (json_is_object(body))
		run = spec_object_parse(&p, &spec_run_table, body);
	else
		spec_problem(&p, PROBLEM_WRONG_TYPE, "a run must be an object, not %s",
			     json_type_name(body));
	set_run(&p, json_get_str(run, "name", "run"), json_object_get(run, "tags"));
	p.run_priority = json_get_int(run, "priority", 0);
	for (size_t i = 0; i < p.run->jobs_n; i++) {
		spec_at_job(&p, i);
		parse_job(&p, json_array_get(jobs, i), &p.run->jobs[i]);
	}
	return finish(&p, ret, reterr);
}

int run_spec_parse_job(const json_t *job, const struct spec_context *ctx, struct run_spec **ret,
		       json_t *problems, struct err *reterr)
{
	struct spec_parse p = {.ctx = ctx, .problems = problems, .single = true};

	if (start(&p, job, 1) < 0) {
		run_spec_free(p.run);
		return err_errno(reterr, ENOMEM, "hold a job");
	}
	parse_job(&p, job, &p.run->jobs[0]);
	set_run(&p, p.run->jobs[0].name, p.run->jobs[0].tags);
	return finish(&p, ret, reterr);
}

void run_spec_free(struct run_spec *rs)
{
	if (!rs)
		return;
	for (size_t i = 0; rs->jobs && i < rs->jobs_n; i++) {
		json_decref(rs->jobs[i].spec);
		json_decref(rs->jobs[i].tags);
		free(rs->jobs[i].needs);
		free(rs->jobs[i].paths);
		free(rs->jobs[i].foreign);
		free(rs->jobs[i].pins);
		free(rs->jobs[i].models);
	}
	free(rs->jobs);
	json_decref(rs->tags);
	json_decref(rs->body);
	json_decref(rs->warnings);
	free(rs);
}

void run_spec_freep(struct run_spec **rs)
{
	run_spec_free(*rs);
}
