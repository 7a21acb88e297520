/* SPDX-License-Identifier: MIT */
/*
 * Checks small local data of preprocess jobs at the submit: a worker reads the data as the job
 * would, and reports problems (worker/inspect.h). One process for a submit, inspect_us at most;
 * the job finds the remaining problems. Runs on the caller's thread.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/submit/inspect.h"
#include "daemon/submit/prepare.h"

#include <fts.h>
#include <string.h>
#include <sys/stat.h>

#define DATA_BYTES_MAX	(8 << 20) /* bytes of one data set on the disk */
#define DATA_FILES_MAX	1000	  /* entries of a folder */
#define DATA_ANSWER_MAX (1 << 20)

/* ---- selection ---- */

static bool is_small(const char *path)
{
	char *const paths[] = {(char *)path, NULL};
	FTS *fts = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	int64_t bytes = 0;
	bool small = fts;
	int files = 0;
	FTSENT *e;

	while (small && (e = fts_read(fts))) {
		if (e->fts_info == FTS_F)
			bytes += e->fts_statp->st_size;
		small = bytes <= DATA_BYTES_MAX && ++files <= DATA_FILES_MAX &&
			e->fts_info != FTS_DNR && e->fts_info != FTS_ERR && e->fts_info != FTS_DC;
	}
	if (fts)
		fts_close(fts);
	return small;
}

static bool is_here(const char *path)
{
	return path[0] == '/' && is_small(path);
}

/* True if a part of the data set is known only when the job starts. */
static bool has_reference(const json_t *dataset)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)dataset, key, value)
		if (json_is_string(value) && str_starts(json_string_value(value), "${"))
			return true;
	return false;
}

/* True if all of the job's data is local. */
static bool can_be_looked_at(const struct job_spec *job)
{
	const json_t *dataset = json_object_get(job->spec, "dataset");
	const char *path = json_get_str(dataset, "path", NULL);

	if (job->kind != JOB_PREPROCESS || has_reference(dataset))
		return false;
	if (path)
		return is_here(path);
	return is_here(json_get_str(json_object_get(dataset, "train"), "path", "")) &&
	       is_here(json_get_str(json_object_get(dataset, "test"), "path", ""));
}

/* ---- findings ---- */

static void add_finding(const struct prepare *p, const size_t *jobs, size_t n, const char *line,
			size_t len)
{
	OWN(json_decrefp) json_t *finding = NULL;
	const char *field;
	char pointer[ERR_FIELD_MAX * 2];
	int64_t spec;

	if (json_parse(line, len, &finding, NULL) < 0)
		return;
	spec = json_get_int(finding, "spec", -1);
	field = json_get_str(finding, "field", NULL);
	if (!field || field[0] != '/' || spec < 0 || spec >= (int64_t)n)
		return;
	prepare_pointer(p, jobs[spec], field + 1, pointer, sizeof(pointer));
	problem_add(p->problems, pointer,
		    str_ends(field, "_rows") ? PROBLEM_OUT_OF_RANGE : PROBLEM_INVALID, "%s",
		    json_get_str(finding, "message", "the data cannot be used"));
}

/* Add the findings: one line for each of the jobs[n], as far as the worker came. */
static void add_findings(const struct prepare *p, const size_t *jobs, size_t n, const char *at)
{
	for (const char *end; (end = strchr(at, '\n')); at = end + 1)
		add_finding(p, jobs, n, at, (size_t)(end - at));
}

void prepare_data(const struct prepare *p)
{
	OWN(buf_done) struct buf answer = BUF_INIT(DATA_ANSWER_MAX);
	OWN(json_decrefp) json_t *specs = json_array(), *question = json_object();
	int64_t until_us = clock_mono_us() + p->manager->settings->inspect_us;
	size_t jobs[SPEC_JOBS_MAX], n = 0;

	if (!p->manager->settings->native || json_array_size(p->problems))
		return;
	for (size_t i = 0; i < p->run->jobs_n; i++)
		if (can_be_looked_at(&p->run->jobs[i]) &&
		    json_array_append(specs, p->run->jobs[i].spec) == 0)
			jobs[n++] = i;
	json_object_set(question, "specs", specs);
	if (n &&
	    inspect_ask(p->manager->settings, "inspect", question, until_us, &answer, NULL) >= 0)
		add_findings(p, jobs, n, buf_str(&answer));
}
