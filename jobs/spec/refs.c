/* SPDX-License-Identifier: MIT */
/*
 * References: "${job.output}" and "${job.output}/sub/path", and "${RUN/job.output}" for another
 * run. The walk of walk.h has three users here: checking references (and adding their needs),
 * listing paths, replacing references by values.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/hub_id.h"
#include "jobs/s3_uri.h"
#include "jobs/spec/parse.h"
#include "jobs/spec/walk.h"

#include <stdio.h>
#include <string.h>

#define PATHS_MAX 64 /* paths in one job */

/* The outputs of a kind as text: "train, test". */
static const char *outputs_text(enum job_kind kind, char *buf, size_t size)
{
	const char *const *names = job_kind_outputs(kind);

	buf[0] = '\0';
	for (size_t i = 0; names[i]; i++) {
		size_t n = strlen(buf);

		str_excerptf(buf + n, size - n, "%s'%s'", i ? ", " : "", names[i]);
	}
	return buf;
}

/* True if the output is in S3. */
static bool is_remote(const struct job_spec *job, const char *output)
{
	char place[SPEC_PATH_MAX * 2];

	if (job_runs_at(job->kind, job->target) != TARGET_LOCAL || job->kind == JOB_UPLOAD)
		return true;
	return spec_output_place(job->spec, output, place, sizeof(place)) && s3_uri_is(place);
}

/* Check that the field accepts the role of the output. */
static void check_role(struct spec_parse *p, const struct spec_place *place,
		       const struct job_spec *other, const char *output, const char *sub)
{
	char list[128], quote[PROBLEM_QUOTE_MAX];
	unsigned role = spec_output_role(other->kind, output);

	problem_quote(quote, place->value);
	if (!role) {
		outputs_text(other->kind, list, sizeof(list));
		spec_problem(p, PROBLEM_UNKNOWN_REFERENCE, "%s job '%s' has no output '%s'; %s%s",
			     job_kind_str(other->kind), other->name, output,
			     *list ? "it has " : "it has none", list);
		return;
	}
	if (!(place->f->accepts & role) ||
	    (role == ROLE_DIRECTORY && !*sub && !(place->f->accepts & ROLE_DATASET))) {
		spec_problem(p, PROBLEM_INVALID, "'%s' is %s, but '%s' needs %s; refer to one",
			     quote, spec_role_str(role), place->key,
			     spec_role_str(place->f->accepts));
		return;
	}
	if (role == ROLE_FILE && job_runs_at(other->kind, other->target) != TARGET_LOCAL) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a file when job '%s' runs on SageMaker; read the metrics "
			     "from the job itself (GET /v1/jobs/{job})",
			     quote, other->name);
		return;
	}
	if (place->f->remote & REMOTE_ONLY && !is_remote(other, output)) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is already on this machine, and '%s' takes objects in S3; "
			     "remove this job and refer to the output directly",
			     quote, place->key);
		return;
	}
	if (*sub && job_runs_at(other->kind, other->target) != TARGET_LOCAL) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' points into an archive, because job '%s' runs on SageMaker; "
			     "remove the part after the brace",
			     quote, other->name);
		return;
	}
	if (*sub && (role & (ROLE_ENDPOINT | ROLE_VALUE | ROLE_FILE) || !path_is_inside(sub + 1)))
		spec_problem(p, PROBLEM_INVALID,
			     role & (ROLE_ENDPOINT | ROLE_VALUE | ROLE_FILE)
				     ? "'%s' is not a directory; remove the part after the brace"
				     : "'%s' leads out of the output; use a path below it, without "
				       "'.' and '..'",
			     quote);
}

/* A serverless endpoint needs one archive, but an upload may produce a prefix. */
static void check_serverless(struct spec_parse *p, const struct job_spec *job,
			     const struct spec_place *place, const struct job_spec *other)
{
	const char *to = json_get_str(other->spec, "destination", "");
	char quote[PROBLEM_QUOTE_MAX];

	if (job_runs_at(job->kind, job->target) == TARGET_SAGEMAKER && job->kind == JOB_DEPLOY &&
	    other->kind == JOB_UPLOAD && str_eq(place->key, "model") &&
	    json_object_get(json_object_get(job->spec, "sagemaker"), "serverless") &&
	    !str_ends(to, ".tar.gz"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is a prefix, and a serverless endpoint takes its model as one "
			     "archive; let job '%s' upload to a key that ends in .tar.gz",
			     problem_quote(quote, place->value), other->name);
}

/* Refuse the checkpoints of native training. A reference is used after the other job's success, and
 * that success deletes its checkpoints. */
static void check_kept(struct spec_parse *p, const struct job_spec *other, const char *output)
{
	if (str_eq(output, OUTPUT_CHECKPOINTS) && other->target == TARGET_LOCAL &&
	    json_is_false(json_object_get(other->spec, "keep_checkpoints")))
		spec_problem(p, PROBLEM_INVALID,
			     "the checkpoints of job '%s' are removed when the job succeeds; set "
			     "'keep_checkpoints' of that job to true",
			     other->name);
}

/* A reference needs the other job's success. Only delete-endpoint runs after any end. */
static void add_need(struct spec_parse *p, struct job_spec *job, size_t other)
{
	enum need_when when = job->kind == JOB_DELETE_ENDPOINT ? NEED_ALWAYS : NEED_SUCCESS;

	for (size_t i = 0; i < job->needs_n; i++)
		if (job->needs[i].job == other && job->needs[i].when == NEED_FAILURE)
			spec_problem(p, PROBLEM_INVALID,
				     "the job refers to an output of '%s' but runs only if that "
				     "job fails; remove the reference or the 'when'",
				     p->run->jobs[other].name);
	spec_need_add(p, job, other, when);
}

/* Check a reference to a job of the same run. */
static void check_reference(struct spec_parse *p, struct job_spec *job,
			    const struct spec_place *place, const struct spec_ref *ref)
{
	const char *near;
	ssize_t other;

	other = spec_job_find(p->run, ref->job);
	if (other < 0) {
		near = spec_nearest_job(p, ref->job);
		spec_problem(p, PROBLEM_UNKNOWN_REFERENCE, "this run has no job '%s'; %s%s%s",
			     ref->job, near ? "did you mean '" : "refer to an existing one",
			     near ? near : "", near ? "'?" : "");
		return;
	}
	if (&p->run->jobs[other] == job) {
		spec_problem(p, PROBLEM_CYCLE, "job '%s' refers to itself; refer to another job",
			     ref->job);
		return;
	}
	if (!p->run->jobs[other].spec)
		return; /* the kind is unknown; that problem is already reported */
	check_role(p, place, &p->run->jobs[other], ref->output, ref->sub);
	check_serverless(p, job, place, &p->run->jobs[other]);
	check_kept(p, &p->run->jobs[other], ref->output);
	add_need(p, job, (size_t)other);
}

void spec_foreign_check(const struct spec_foreign *f, const struct job_spec *job,
			const struct job_spec *other, json_t *problems)
{
	struct spec_parse p = {.problems = problems};
	struct spec_place place = {f->field, f->object, f->key, f->text};
	struct spec_ref ref;

	str_assign(p.pointer, f->pointer);
	if (spec_ref_split(f->text, &ref) < 0)
		return;
	check_role(&p, &place, other, ref.output, ref.sub);
	check_serverless(&p, job, &place, other);
}

struct find {
	struct spec_parse *p;
	struct job_spec *job;
	struct buf paths, foreign;
};

static void find_reference(struct find *find, const struct spec_place *place)
{
	struct spec_foreign foreign = {
		.field = place->f, .object = place->object, .key = place->key};
	char quote[PROBLEM_QUOTE_MAX];
	struct spec_ref ref;

	if (spec_ref_split(place->value, &ref) < 0) {
		spec_problem(find->p, PROBLEM_INVALID,
			     "'%s' is not a reference; write ${job.output}, "
			     "${job.output}/sub/path or, of another run, ${RUN/job.output}",
			     problem_quote(quote, place->value));
		return;
	}
	if (!ref.run[0]) {
		check_reference(find->p, find->job, place, &ref);
		return;
	}
	str_assign(foreign.pointer, find->p->pointer);
	str_must_copy(foreign.text, sizeof(foreign.text), place->value);
	if (buf_put(&find->foreign, &foreign, sizeof(foreign)) < 0)
		find->p->no_memory = true;
}

/* True for "RUN/job": two names. */
static bool is_of_run(const char *s)
{
	char run[SPEC_NAME_MAX + 1];
	const char *slash = strchr(s, '/');

	if (!slash || slash - s > SPEC_NAME_MAX || strlen(slash + 1) > SPEC_NAME_MAX)
		return false;
	str_must_format(run, sizeof(run), "%.*s", (int)(slash - s), s);
	return spec_name_ok(run) && spec_name_ok(slash + 1);
}

static int find_place(void *userdata, const struct spec_place *place)
{
	struct find *find = userdata;
	struct spec_path path = {.use = place->f->use,
				 .object = place->object,
				 .key = place->key,
				 .path = place->value,
				 .field = place->f};
	bool unregistered; /* True if a model's name is not registered */

	if (str_starts(place->value, "${")) {
		find_reference(find, place);
		return 0;
	}
	if (place->f->type != FIELD_PATH || s3_uri_is(place->value))
		return 0;
	str_assign(path.pointer, find->p->pointer);
	unregistered = path.use == SPEC_PATH_MODEL &&
		       !(find->p->ctx->model_known &&
			 find->p->ctx->model_known(find->p->ctx->userdata, path.path));
	path.hub = unregistered && place->f->remote & REMOTE_HUB && hub_model_ok(path.path);
	path.of_run = unregistered && is_of_run(path.path);
	if (buf_put(&find->paths, &path, sizeof(path)) < 0)
		find->p->no_memory = true;
	return 0;
}

void spec_refs_find(struct spec_parse *p)
{
	for (size_t i = 0; i < p->run->jobs_n; i++) {
		struct job_spec *job = &p->run->jobs[i];
		struct find find = {p, job, BUF_INIT(PATHS_MAX * sizeof(struct spec_path)),
				    BUF_INIT(PATHS_MAX * sizeof(struct spec_foreign))};

		spec_at_job(p, i);
		if (!job->spec)
			continue;
		if (spec_walk(p, job->spec, find_place, &find) < 0)
			p->no_memory = true;
		job->paths_n = find.paths.len / sizeof(struct spec_path);
		job->paths = (struct spec_path *)buf_take(&find.paths);
		job->foreign_n = find.foreign.len / sizeof(struct spec_foreign);
		job->foreign = (struct spec_foreign *)buf_take(&find.foreign);
		if (!job->paths || !job->foreign)
			p->no_memory = true;
	}
}

struct resolve {
	spec_output_fn find;
	void *userdata;
	struct err *reterr;
};

static int resolve_place(void *userdata, const struct spec_place *place)
{
	const struct resolve *r = userdata;
	char text[2 * SPEC_PATH_MAX];
	struct spec_ref ref;
	const char *value;

	if (spec_ref_split(place->value, &ref) < 0)
		return 0;
	value = r->find(r->userdata, &ref);
	if (!value)
		return err_at(r->reterr, ERR_NOT_FOUND, place->key,
			      "'%s' has no value: job '%s' did not leave an output '%s'",
			      place->value, ref.job, ref.output);
	if (snprintf(text, sizeof(text), "%s%s", value, ref.sub) >= (int)sizeof(text))
		return err_at(r->reterr, ERR_LIMIT, place->key,
			      "the path that '%s' stands for is too long", place->value);
	if (json_object_set_new(place->object, place->key, json_string(text)) < 0)
		return err_errno(r->reterr, ENOMEM, "resolve '%s'", place->key);
	return 0;
}

int spec_resolve(const json_t *spec, spec_output_fn find, void *userdata, json_t **ret,
		 struct err *reterr)
{
	OWN(json_decrefp) json_t *copy = json_deep_copy(spec);
	struct resolve resolve = {find, userdata, reterr};
	int r;

	if (!copy)
		return err_errno(reterr, ENOMEM, "copy the spec");
	r = spec_walk(NULL, copy, resolve_place, &resolve);
	if (r < 0)
		return r;
	*ret = TAKE(copy);
	return 0;
}

struct visit {
	spec_path_fn fn;
	void *userdata;
};

static int visit_place(void *userdata, const struct spec_place *place)
{
	const struct visit *v = userdata;

	if (place->f->type != FIELD_PATH || place->f->remote & REMOTE_ONLY || !*place->value ||
	    str_starts(place->value, "${") || s3_uri_is(place->value))
		return 0;
	return v->fn(v->userdata, place->f->use, place->object, place->key);
}

int spec_visit_paths(json_t *job, spec_path_fn fn, void *userdata)
{
	struct visit visit = {fn, userdata};

	return spec_walk(NULL, job, visit_place, &visit);
}
