/* SPDX-License-Identifier: MIT */
/* Resolves references: outputs of jobs of the same run, and of the pinned attempts of other runs.
 * Manager's thread. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/schedule/job_state.h"

#include <string.h>

struct find {
	struct manager *mgr;
	const struct job_row *job; /* the job with the reference */
	struct job_row other;	   /* the job that the reference names; owned */
	json_t *outputs;	   /* outputs of the other run's attempt; owned */
	bool checks;		   /* True to check only for folders that somebody removed */
	int removed;		   /* not 0 if a removed folder was found, see *err */
	struct err *err;
	int failed; /* negative if the database could not be read, see `failure` */
	struct err failure;
	char file[SPEC_PATH_MAX + 64];
};

static void check_folder(struct find *find, const char *path)
{
	if (find->checks && !find->removed)
		find->removed = store_folder_check(find->mgr->store, path, find->err);
}

/* The path below the attempt's execution, for an output whose values are stored in place of a path
 * (metrics), or of a failed job. NULL if the file does not exist. */
static const char *output_file(struct find *find, const struct job_row *job, int attempt,
			       const char *output)
{
	const char *where = job_output_path(job->kind, output);
	struct execution_row last;

	if (!where ||
	    store_execution_of_attempt(find->mgr->store, job->id, attempt, &last, NULL) < 0 ||
	    !path_join(find->file, sizeof(find->file), last.dir, where))
		return NULL;
	check_folder(find, find->file);
	return path_exists(AT_FDCWD, find->file) ? find->file : NULL;
}

static const char *value_of(struct find *find, const struct job_row *job, int attempt,
			    const json_t *outputs, const char *output)
{
	const char *value = json_get_str(outputs, output, NULL);

	if (!value)
		value = output_file(find, job, attempt, output);
	if (value)
		check_folder(find, value);
	return value;
}

static void find_done(struct find *find)
{
	job_row_done(&find->other);
	json_decref(TAKE(find->outputs));
}

static const char *find_here(struct find *find, const struct spec_ref *ref)
{
	const struct job_row *other = &find->other;

	return other->state == STATE_SUCCEEDED
		       ? value_of(find, other, other->attempt, other->outputs, ref->output)
		       : NULL;
}

static const char *find_pinned(struct find *find, const struct spec_ref *ref)
{
	const struct job_row *other = &find->other;
	int attempt = 0;

	if (store_pin_find(find->mgr->store, find->job->id, other->id, &attempt, NULL) < 0 ||
	    !attempt)
		return NULL;
	json_decref(find->outputs);
	if (store_attempt_outputs(find->mgr->store, other->id, attempt, &find->outputs, NULL) < 0)
		return NULL;
	return value_of(find, other, attempt, find->outputs, ref->output);
}

static const char *find_output(void *userdata, const struct spec_ref *ref)
{
	struct find *find = userdata;
	const char *run = ref->run[0] ? ref->run : find->job->run;

	int r;

	job_row_done(&find->other);
	r = store_job_of_run(find->mgr->store, run, ref->job, &find->other, &find->failure);
	if (r < 0 && r != -ERR_NOT_FOUND)
		find->failed = r;
	if (r < 0)
		return NULL;
	return ref->run[0] ? find_pinned(find, ref) : find_here(find, ref);
}

/* spec_resolve(); a database that could not be read is not taken for an output that is missing. */
static int resolve(struct find *find, spec_output_fn fn, json_t **ret, struct err *reterr)
{
	int r = spec_resolve(find->job->spec, fn, find, ret, reterr);

	if (!find->failed)
		return r;
	*reterr = find->failure;
	if (r >= 0)
		json_decref(TAKE(*ret));
	return find->failed;
}

int job_resolve(struct manager *mgr, const struct job_row *job, json_t **ret, struct err *reterr)
{
	OWN(find_done) struct find find = {.mgr = mgr, .job = job};

	return resolve(&find, find_output, ret, reterr);
}

/* ---- checking that the inputs still exist ---- */

/* The value is irrelevant: only the existence of its folder is checked. */
static const char *look_at_output(void *userdata, const struct spec_ref *ref)
{
	const char *value = find_output(userdata, ref);

	return value ? value : "";
}

static int look_at_path(void *userdata, enum spec_path_use use, json_t *object, const char *key)
{
	struct find *find = userdata;

	check_folder(find, json_get_str(object, key, ""));
	return find->removed;
}

/* What it would go on from: the checkpoints of the newest attempt that is known to have left some.
 */
static int check_resume(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	const char *path = "";
	OWN(json_decrefp) json_t *outputs = NULL;
	int r = 0;

	for (int n = job->attempt; n > 0 && path[0] != '/'; n--) {
		json_decref(TAKE(outputs));
		r = store_attempt_outputs(mgr->store, job->id, n, &outputs, reterr);
		if (r < 0)
			return r;
		path = json_get_str(outputs, OUTPUT_CHECKPOINTS, "");
	}
	r = path[0] == '/' ? store_folder_check(mgr->store, path, reterr) : 0;
	return r < 0 ? err_ctx(reterr, r, "the checkpoints from which the job would resume") : 0;
}

int job_check_folders(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL;
	OWN(find_done) struct find find = {.mgr = mgr, .job = job, .checks = true, .err = reterr};
	struct err unused;
	int r = 0;

	if (resolve(&find, look_at_output, &spec, &unused) >= 0)
		r = find.removed ? find.removed : spec_visit_paths(spec, look_at_path, &find);
	if (r >= 0)
		r = check_resume(mgr, job, reterr);
	return r;
}

int job_resolve_checked(struct manager *mgr, const struct job_row *job, json_t **ret,
			struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL;
	struct err gone = {0};
	OWN(find_done) struct find find = {.mgr = mgr, .job = job, .checks = true, .err = &gone};
	int r = resolve(&find, find_output, &spec, reterr);

	if (r >= 0)
		(void)!spec_visit_paths(spec, look_at_path, &find);
	if (find.removed) {
		r = find.removed;
		*reterr = gone;
	}
	if (r >= 0)
		r = check_resume(mgr, job, reterr);
	if (r >= 0)
		*ret = TAKE(spec);
	return r;
}
