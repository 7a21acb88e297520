/* SPDX-License-Identifier: MIT */
/*
 * Visits every path of a pipeline, joins a relative one with the pipeline's directory or the
 * current one, and removes "." and "..".
 */
#include "cli/paths.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/spec.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct resolve {
	const char *here, *beside;
	struct err *reterr;
};

static bool exists(const char *dir, const char *path, const char *file, char out[PATH_MAX])
{
	char inner[PATH_MAX];

	if (!dir || !path_join(out, PATH_MAX, dir, path))
		return false;
	if (!file)
		return path_exists(AT_FDCWD, out);
	return path_join(inner, sizeof(inner), out, file) && path_exists(AT_FDCWD, inner);
}

static bool is_dotted(const char *path)
{
	return str_starts(path, "./") || str_starts(path, "../");
}

/* Resolve one path. False if the path stays unchanged. */
static bool resolve_one(const struct resolve *r, enum spec_path_use use, const char *path,
			char out[PATH_MAX])
{
	const char *file = use == SPEC_PATH_MODEL ? "config.json" : NULL;
	const char *home = getenv("HOME");

	if (path[0] == '/')
		return false;
	if (str_starts(path, "~/"))
		return home && path_join(out, PATH_MAX, home, path + 2);
	if (use == SPEC_PATH_MODEL && !strchr(path, '/'))
		return false;
	if (use != SPEC_PATH_OUTPUT &&
	    (exists(r->here, path, file, out) || exists(r->beside, path, file, out)))
		return true;
	/* Otherwise it is a place for output, missing, relative to the daemon's base_dir, or a
	 * model of the hub or of another run. */
	return (use == SPEC_PATH_OUTPUT || is_dotted(path)) &&
	       path_join(out, PATH_MAX, r->here, path);
}

/* Remove "." and "..": the directory becomes the real one. The last part may be a link and stays
 * one, because the python of a virtual environment needs that. */
static void clean(char path[PATH_MAX])
{
	char real[PATH_MAX], dir[PATH_MAX], base[PATH_MAX];
	const char *name;

	str_must_copy(dir, sizeof(dir), path);
	str_must_copy(base, sizeof(base), path);
	name = basename(base);
	if (str_eq(name, ".") || str_eq(name, "..")) {
		if (realpath(path, real))
			str_must_copy(path, PATH_MAX, real);
		return;
	}
	if (realpath(dirname(dir), real))
		path_join(path, PATH_MAX, real, name);
}

static int visit(void *userdata, enum spec_path_use use, json_t *object, const char *key)
{
	const struct resolve *r = userdata;
	char path[PATH_MAX];

	if (!resolve_one(r, use, json_get_str(object, key, ""), path))
		return 0;
	clean(path);
	return json_object_set_new(object, key, json_string(path)) < 0
		       ? err_errno(r->reterr, ENOMEM, "resolve the paths")
		       : 0;
}

static int resolve_job(struct resolve *r, json_t *job)
{
	json_t *local = json_object_get(job, "local");
	const char *python = json_get_str(local, "python", "");
	int n = spec_visit_paths(job, visit, r);

	if (n >= 0 && strchr(python, '/')) /* a name without '/' is looked up on PATH */
		n = visit(r, SPEC_PATH_DIRECTORY, local, "python");
	return n;
}

int paths_resolve(json_t *pipeline, const char *beside, struct err *reterr)
{
	OWN(freep) char *here = getcwd(NULL, 0);
	OWN(freep) char *real = beside ? realpath(beside, NULL) : NULL;
	struct resolve r = {.here = here, .beside = real, .reterr = reterr};
	json_t *jobs = json_object_get(pipeline, "jobs"), *job;
	size_t i;
	int n = 0;

	if (!here)
		return err_errno(reterr, errno, "find the current directory");
	if (!jobs)
		return resolve_job(&r, pipeline);
	json_array_foreach(jobs, i, job)
		if (n >= 0)
			n = resolve_job(&r, job);
	return n;
}
