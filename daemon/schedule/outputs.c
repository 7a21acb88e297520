/* SPDX-License-Identifier: MIT */
/* What a reference of a job stands for: outputs of jobs of its own run, and of other runs those of
 * the attempt that was pinned at the submit. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/schedule/lifecycle.h"

#include <string.h>

struct find {
	struct engine *e;
	const struct job_row *job; /* who refers */
	struct job_rows jobs;	   /* of its run */
	json_t *outputs;	   /* of another run's attempt, owned */
	char file[SPEC_PATH_MAX + 64];
};

/* An output whose values stand in its place, such as metrics, or of a job that failed: the path
 * below the attempt's execution. NULL: nothing is there. */
static const char *output_file(struct find *find, const struct job_row *job, int attempt,
			       const char *output)
{
	const char *where = job_output_path(job->kind, output);
	struct execution_row last;

	if (!where ||
	    store_execution_of_attempt(find->e->store, job->id, attempt, &last, NULL) < 0 ||
	    !path_join(find->file, sizeof(find->file), last.dir, where) ||
	    !path_exists(AT_FDCWD, find->file))
		return NULL;
	return find->file;
}

static const char *value_of(struct find *find, const struct job_row *job, int attempt,
			    const json_t *outputs, const char *output)
{
	const char *value = json_get_str(outputs, output, NULL);

	return value ? value : output_file(find, job, attempt, output);
}

static const char *find_here(struct find *find, const struct spec_ref *ref)
{
	for (size_t i = 0; i < find->jobs.n; i++) {
		const struct job_row *row = &find->jobs.rows[i];

		if (str_eq(row->name, ref->job) && row->state == STATE_SUCCEEDED)
			return value_of(find, row, row->attempt, row->outputs, ref->output);
	}
	return NULL;
}

static const char *find_pinned(struct find *find, const struct job_row *other,
			       const struct spec_ref *ref)
{
	int attempt = 0;

	if (store_pin_find(find->e->store, find->job->id, other->id, &attempt, NULL) < 0 ||
	    !attempt)
		return NULL;
	json_decref(find->outputs);
	if (store_attempt_outputs(find->e->store, other->id, attempt, &find->outputs, NULL) < 0)
		return NULL;
	return value_of(find, other, attempt, find->outputs, ref->output);
}

static const char *find_output(void *userdata, const struct spec_ref *ref)
{
	OWN(job_rows_done) struct job_rows jobs = {0};
	struct find *find = userdata;

	if (!ref->run[0])
		return find_here(find, ref);
	if (store_jobs_of_run(find->e->store, ref->run, &jobs, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < jobs.n; i++)
		if (str_eq(jobs.rows[i].name, ref->job))
			return find_pinned(find, &jobs.rows[i], ref);
	return NULL;
}

int job_resolve(struct engine *e, const struct job_row *job, json_t **ret, struct err *reterr)
{
	struct find find = {.e = e, .job = job};
	int r = store_jobs_of_run(e->store, job->run, &find.jobs, reterr);

	if (r >= 0)
		r = spec_resolve(job->spec, find_output, &find, ret, reterr);
	job_rows_done(&find.jobs);
	json_decref(find.outputs);
	return r;
}
