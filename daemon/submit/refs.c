/* SPDX-License-Identifier: MIT */
/*
 * References to outputs of other runs. They are resolved once, at the submit: a run's name becomes
 * its id, and the attempt with the output is pinned (storage/migrations, pins). Runs on the
 * caller's thread.
 */
#include "base/fileio.h"
#include "base/id.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/submit/prepare.h"
#include "jobs/s3_uri.h"

#include <limits.h>
#include <string.h>

/* The other job, as stored. */
struct other {
	char run[ID_LEN], job[ID_LEN];
	json_t *row; /* from store_read_job(); owned */
	enum job_state state;
	struct job_spec spec; /* name, kind, target and spec from `row` */
};

static void other_done(struct other *o)
{
	json_decref(o->row);
}

static int read_other(const struct prepare *p, const struct spec_ref *ref, struct other *o,
		      struct err *reterr)
{
	int r;

	if (!p->reader)
		return err_set(
			reterr, ERR_NOT_FOUND,
			"this check cannot look up other runs; refer to a job of the same run");
	r = store_read_run_job(p->reader, ref->run, ref->job, o->run, o->job, reterr);
	if (r >= 0)
		r = store_read_job(p->reader, o->job, &o->row, reterr);
	if (r < 0)
		return r;
	str_must_copy(o->spec.name, sizeof(o->spec.name), json_get_str(o->row, "name", ""));
	o->spec.spec = json_object_get(o->row, "spec");
	if (job_kind_parse(json_get_str(o->row, "kind", ""), &o->spec.kind) < 0 ||
	    job_target_parse(json_get_str(o->row, "target", ""), &o->spec.target) < 0 ||
	    job_state_parse(json_get_str(o->row, "state", ""), &o->state) < 0)
		return err_set(reterr, ERR_CORRUPT,
			       "database: the row of job %s is not that of a job", o->job);
	return 0;
}

/* The current value of the output: text, or the path below the attempt's execution. Returns false
 * if there is none. */
static bool value_of(const struct prepare *p, const struct other *o, const struct spec_ref *ref,
		     char *value, size_t size)
{
	const char *text = json_get_str(json_object_get(o->row, "outputs"), ref->output, NULL);
	const char *where = job_output_path(o->spec.kind, ref->output);
	struct attempt_dir place;

	if (text)
		return str_copy(value, size, text);
	return where && store_read_attempt_dir(p->reader, o->job, 0, &place, NULL) >= 0 &&
	       place.dir[0] && path_join(value, size, place.dir, where) &&
	       path_exists(AT_FDCWD, value);
}

static bool is_there(const struct prepare *p, const struct spec_ref *ref, const char *value)
{
	char path[PATH_MAX];
	enum job_target target;

	if (str_eq(ref->output, "endpoint"))
		return live_name_taken(p->manager, value, &target);
	return value[0] != '/' ||
	       (snprintf(path, sizeof(path), "%s%s", value, ref->sub) < (int)sizeof(path) &&
		path_exists(AT_FDCWD, path));
}

/* True if the output is in the run's files, not in S3 and not a plain value. */
static bool is_in_files(const struct other *o, const struct spec_ref *ref)
{
	const char *text = json_get_str(json_object_get(o->row, "outputs"), ref->output, NULL);

	return !text || text[0] == '/';
}

/* True if the output was in files that were pruned; that problem is then added. */
static bool is_pruned(const struct prepare *p, const struct spec_foreign *f, const struct other *o,
		      const struct spec_ref *ref)
{
	struct err err;

	if (!is_in_files(o, ref) || store_read_pruned(p->reader, o->run, &err) >= 0)
		return false;
	problem_add(p->problems, f->pointer, PROBLEM_PRUNED, "%s", err.msg);
	return true;
}

/* True if somebody removed the output's folder; that problem is then added. */
static bool is_removed(const struct prepare *p, const struct spec_foreign *f, const struct other *o,
		       const struct spec_ref *ref)
{
	const char *text = json_get_str(json_object_get(o->row, "outputs"), ref->output, NULL);
	const char *where = job_output_path(o->spec.kind, ref->output);
	struct attempt_dir place;
	char path[SPEC_PATH_MAX * 2];

	if (!text && where && store_read_attempt_dir(p->reader, o->job, 0, &place, NULL) >= 0 &&
	    place.dir[0] && path_join(path, sizeof(path), place.dir, where))
		text = path;
	return text && prepare_removed(p, text, f->pointer);
}

/* True if the output may be used; otherwise a problem is added. */
static bool check_other(const struct prepare *p, const struct spec_foreign *f,
			const struct job_spec *job, const struct other *o,
			const struct spec_ref *ref)
{
	size_t before = json_array_size(p->problems);
	char value[SPEC_PATH_MAX * 2];

	spec_foreign_check(f, job, &o->spec, p->problems);
	if (json_array_size(p->problems) > before)
		return false;
	if (!job_state_is_final(o->state)) {
		problem_add(p->problems, f->pointer, PROBLEM_INVALID,
			    "job '%s' of run %s is %s; wait until it has ended", ref->job, o->run,
			    job_state_str(o->state));
		return false;
	}
	if (is_pruned(p, f, o, ref) || is_removed(p, f, o, ref))
		return false;
	if (!value_of(p, o, ref, value, sizeof(value)) || !is_there(p, ref, value)) {
		problem_add(p->problems, f->pointer, PROBLEM_DATA_MISSING,
			    "job '%s' of run %s (%s) has no output '%s%s', or the output was "
			    "removed; refer to another one",
			    ref->job, o->run, job_state_str(o->state), ref->output, ref->sub);
		return false;
	}
	if (o->state != STATE_SUCCEEDED)
		prepare_warn(p, f->pointer,
			     "job '%s' of run %s is %s: this job uses the output as it is",
			     ref->job, o->run, job_state_str(o->state));
	return true;
}

static int pin(struct job_spec *job, const struct other *o, const struct spec_ref *ref,
	       struct err *reterr)
{
	struct job_pin *more = reallocarray(job->pins, job->pins_n + 1, sizeof(*more));

	if (!more)
		return err_errno(reterr, ENOMEM, "pin job %s", o->job);
	job->pins = more;
	job->pins[job->pins_n] = (struct job_pin){
		.attempt = (int)json_get_int(o->row, "attempt", 0), .files = is_in_files(o, ref)};
	str_must_copy(job->pins[job->pins_n++].job, ID_LEN, o->job);
	return 0;
}

/* Store the reference with the run's id. */
static int settle(struct job_spec *job, const struct spec_foreign *f, const struct other *o,
		  const struct spec_ref *ref, struct err *reterr)
{
	char text[SPEC_PATH_MAX * 2];

	str_must_format(text, sizeof(text), "${%s/%s.%s}%s", o->run, ref->job, ref->output,
			ref->sub);
	if (json_object_set_new(f->object, f->key, json_string(text)) < 0)
		return err_errno(reterr, ENOMEM, "pin the reference to run %s", o->run);
	return pin(job, o, ref, reterr);
}

int prepare_references(const struct prepare *p, struct job_spec *job, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < job->foreign_n; i++) {
		const struct spec_foreign *f = &job->foreign[i];
		OWN(other_done) struct other o = {0};
		struct spec_ref ref;
		struct err err = {0};

		if (spec_ref_split(f->text, &ref) < 0)
			continue;
		r = read_other(p, &ref, &o, &err);
		if (r == -ERR_NOT_FOUND) {
			problem_add(p->problems, f->pointer, PROBLEM_UNKNOWN_REFERENCE, "%s",
				    err.msg);
			r = 0;
		} else if (r < 0) {
			*reterr = err;
		} else if (check_other(p, f, job, &o, &ref)) {
			r = settle(job, f, &o, &ref, reterr);
		}
	}
	return r;
}

int prepare_model_of_run(const struct prepare *p, struct job_spec *job,
			 const struct spec_path *path, struct err *reterr)
{
	struct spec_foreign f = {.field = path->field, .object = path->object, .key = path->key};
	OWN(other_done) struct other o = {0};
	struct spec_ref ref;
	int r;

	str_assign(f.pointer, path->pointer);
	if (!str_format(f.text, sizeof(f.text), "${%s.model}", path->path) ||
	    spec_ref_split(f.text, &ref) < 0)
		return 0;
	r = read_other(p, &ref, &o, reterr);
	if (r == -ERR_NOT_FOUND && id_valid('r', ref.run)) {
		problem_add(p->problems, f.pointer, PROBLEM_UNKNOWN_REFERENCE, "%s", reterr->msg);
		return 1;
	}
	if (r < 0)
		return r == -ERR_NOT_FOUND ? 0 : r;
	r = check_other(p, &f, job, &o, &ref) ? settle(job, &f, &o, &ref, reterr) : 0;
	return r < 0 ? r : 1;
}
