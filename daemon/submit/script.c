/* SPDX-License-Identifier: MIT */
/* The checks of a script at the submit: the file, the packages that its start would install, its
 * interpreter. Runs on the caller's thread. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/schedule/headroom.h"
#include "daemon/submit/prepare.h"
#include "daemon/submit/sources.h"
#include "jobs/spec/entry_point.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- source_dir ---- */

/* The pointer of another field of the same job. */
static const char *beside(const struct spec_path *path, const char *key, char *buf, size_t size)
{
	str_must_format(buf, size, "%.*s%s", (int)(strlen(path->pointer) - strlen(path->key)),
			path->pointer, key);
	return buf;
}

/* True if the name without ".py" is a module for `python -m`: a dot or '/' would mean a package. */
static bool is_module(const char *entry)
{
	size_t n = strlen(entry) - (str_ends(entry, ".py") ? strlen(".py") : 0);

	return !memchr(entry, '/', n) && !memchr(entry, '.', n);
}

/* Find problems that would end the script before its first line. */
static bool check_start(const struct prepare *p, const struct spec_path *path, const char *real,
			const char *entry)
{
	enum entry_type type = entry_type_of(entry, prepare_has_file(real, "setup.py"));
	const char *what = entry_installs(type, prepare_has_file(real, "requirements.txt"));
	const json_t *local = json_object_get(path->object, "local");
	bool here = str_eq(json_get_str(path->object, "target", "local"), "local");
	char pointer[ERR_FIELD_MAX + 32];

	if (type == ENTRY_PACKAGE && !is_module(entry)) {
		problem_add(
			p->problems, beside(path, "entry_point", pointer, sizeof(pointer)),
			PROBLEM_INVALID,
			"'%s' has a setup.py, so '%s' is started as a module, and no module has "
			"that name; move the file to the top of source_dir, or remove setup.py",
			path->path, entry);
		return false;
	}
	if (!what || !here || str_eq(json_get_str(local, "requirements", "refuse"), "venv"))
		return true;
	problem_add(p->problems, beside(path, "local/requirements", pointer, sizeof(pointer)),
		    PROBLEM_INVALID,
		    "source_dir has a %s, which is not installed by default; set "
		    "local.requirements to \"venv\", or remove the file",
		    what);
	return false;
}

static int freeze(const struct prepare *p, const struct spec_path *path, const char *real,
		  struct err *reterr)
{
	char sources[PATH_MAX], frozen[PATH_MAX];
	int r;

	path_join(sources, sizeof(sources), p->manager->settings->data_dir, STORE_SOURCES);
	r = source_freeze(sources, real, p->dry, frozen, sizeof(frozen), reterr);
	if (headroom_is_missing(r))
		return err_ctx(reterr, headroom_code(r), "source_dir '%s'", real);
	if (r < 0) {
		problem_add(p->problems, path->pointer, PROBLEM_INVALID, "source_dir '%s': %s",
			    real, reterr->msg);
		return 0;
	}
	json_object_set_new(path->object, "source_dir_submitted", json_string(real));
	json_object_set_new(path->object, path->key, json_string(frozen));
	return 0;
}

int prepare_source(const struct prepare *p, const struct spec_path *path, const char *real,
		   struct err *reterr)
{
	const char *entry = json_get_str(path->object, "entry_point", "");
	char pointer[ERR_FIELD_MAX + 32];

	if (prepare_has_file(real, entry))
		return check_start(p, path, real, entry) ? freeze(p, path, real, reterr) : 0;
	problem_add(p->problems, beside(path, "entry_point", pointer, sizeof(pointer)),
		    PROBLEM_DATA_MISSING, "there is no file '%s' in '%s'", entry, real);
	return 0;
}

/* ---- local.python ---- */

static bool is_listed(const struct settings *set, const char *python)
{
	if (str_eq(python, set->python))
		return true;
	for (const char *const *one = set->interpreters; one && *one; one++)
		if (str_eq(python, *one))
			return true;
	return false;
}

static bool runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Look for a name without '/' as the worker does: in the job's PATH, else the default PATH. */
static bool on_path(const struct job_spec *job, const char *name)
{
	const char *at =
		json_get_str(json_object_get(job->spec, "environment"), "PATH", EXECUTION_PATH);
	char path[PATH_MAX];

	for (size_t n; *at; at += n + (at[n] == ':')) {
		n = strcspn(at, ":");
		if (*at == '/' &&
		    snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, name) < (int)sizeof(path) &&
		    runnable(path))
			return true;
	}
	return false;
}

/* Uses the path as written, without resolving links, because the python of a virtual environment is
 * a link. */
static const char *why_not(const struct settings *set, const struct job_spec *job,
			   const char *python, enum problem_code *code)
{
	bool named = !strchr(python, '/');

	*code = PROBLEM_FORBIDDEN;
	if (!named && !path_is_inside(python + 1))
		return "write the path without '.' and '..'";
	if (!is_listed(set, python) && (named || !roots_hold(python)))
		return "the path is neither in local.interpreters nor below local.roots of the "
		       "configuration; name another one";
	*code = PROBLEM_DATA_MISSING;
	if (named ? !on_path(job, python) : !runnable(python))
		return "no executable program has this path or name";
	return NULL;
}

void prepare_python(const struct prepare *p, const struct job_spec *job, size_t i)
{
	const struct settings *set = p->manager->settings;
	json_t *local = json_object_get(job->spec, "local");
	const char *given = json_get_str(local, "python", NULL), *problem;
	char path[PATH_MAX], pointer[ERR_FIELD_MAX];
	enum problem_code code;

	if (!given || job->target != TARGET_LOCAL || !json_object_get(job->spec, "entry_point"))
		return;
	if (!strchr(given, '/') || given[0] == '/' ||
	    !path_join(path, sizeof(path), set->base_dir, given))
		str_must_copy(path, sizeof(path), given);
	problem = why_not(set, job, path, &code);
	if (problem)
		problem_add(p->problems,
			    prepare_pointer(p, i, "local/python", pointer, sizeof(pointer)), code,
			    "'%s' cannot be the interpreter: %s", path, problem);
	else
		json_object_set_new(local, "python", json_string(path));
}
