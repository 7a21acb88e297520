/* SPDX-License-Identifier: MIT */
/*
 * Checks the paths of a spec: they exist, are below the roots and have the content that the field
 * needs. Paths become absolute and free of links, as they are now; a later open checks again
 * (base/roots.h). Runs on the caller's thread.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/submit/prepare.h"
#include "jobs/hub_id.h"
#include "jobs/spec/fields.h"
#include "jobs/spec/model_source.h"

#include <fts.h>
#include <limits.h>
#include <string.h>

#define NAMES_SHOWN 5	  /* models that a refusal lists */
#define LOOK_MAX    10000 /* entries to examine for a first file; a larger tree certainly has one */

const struct model_name *settings_model(const struct settings *set, const char *name)
{
	for (size_t i = 0; i < set->models_n; i++)
		if (str_eq(set->models[i].name, name))
			return &set->models[i];
	return NULL;
}

static bool check_roots(const struct spec_path *p, const char *real, const char *verb,
			json_t *problems)
{
	if (roots_hold(real))
		return true;
	problem_add(problems, p->pointer, PROBLEM_FORBIDDEN,
		    "'%s' is not below a root that jobs may %s; move it, or add its directory to "
		    "local.roots",
		    real, verb);
	return false;
}

/* The absolute path; a relative one starts at base_dir. Returns false if it is too long. */
static bool whole_path(const struct settings *set, const struct spec_path *p, char *path)
{
	if (p->path[0] == '/')
		return str_copy(path, PATH_MAX, p->path);
	return path_join(path, PATH_MAX, set->base_dir, p->path);
}

/* True if no such path exists here. Then the text may name a run's model or a hub model. */
static bool is_absent(const struct settings *set, const struct spec_path *p)
{
	char path[PATH_MAX];

	return whole_path(set, p, path) && !path_exists(AT_FDCWD, path);
}

/* The real path of a file that need not exist: its nearest existing parent, and the rest, which has
 * only plain names. Returns NULL, or the reason of a failure as text. */
static const char *real_path_to_be(char *path, char *real)
{
	char parent[PATH_MAX];
	size_t end = strlen(path);
	const char *rest;

	while (end > 1 && path[end - 1] == '/')
		path[--end] = '\0';
	for (;;) {
		str_must_format(parent, sizeof(parent), "%.*s", end ? (int)end : 1, path);
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
		return "write the path without '.' and '..'";
	str_must_copy(parent, sizeof(parent), real);
	return path_join(real, PATH_MAX, parent, rest) ? NULL : strerror(ENAMETOOLONG);
}

/* True if the missing path is in a folder that somebody removed; that problem is then added. */
static bool is_removed(const struct prepare *prepare, const struct spec_path *p, char *path)
{
	char real[PATH_MAX];

	return errno == ENOENT && !real_path_to_be(path, real) &&
	       prepare_removed(prepare, real, p->pointer);
}

/* Find the real path and check it against the roots. */
static bool find_path(const struct prepare *prepare, const struct spec_path *p, char *real)
{
	const struct settings *set = prepare->manager->settings;
	json_t *problems = prepare->problems;
	bool absolute = p->path[0] == '/';
	char path[PATH_MAX];

	bool fits = whole_path(set, p, path);

	errno = ENAMETOOLONG;
	if (!fits || !realpath(path, real)) {
		int errnum = errno;

		if (is_removed(prepare, p, path))
			return false;
		errno = errnum;
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING, "'%s': %s%s%s%s", p->path,
			    strerror(errno), absolute ? "" : "; relative paths start at ",
			    absolute ? "" : set->base_dir,
			    p->use == SPEC_PATH_MODEL ? "; write a model of the hub as org/name, "
							"and one of another run as RUN/job"
						      : "");
		return false;
	}
	return check_roots(p, real, "read", problems);
}

/* Check a directory to write: below a root, and outside the daemon's own directories. */
static bool find_output(const struct prepare *prepare, const struct spec_path *p, char *real)
{
	const struct settings *set = prepare->manager->settings;
	json_t *problems = prepare->problems;
	char path[PATH_MAX], data[PATH_MAX];
	const char *problem =
		whole_path(set, p, path) ? real_path_to_be(path, real) : strerror(ENAMETOOLONG);

	if (problem) {
		problem_add(problems, p->pointer, PROBLEM_INVALID,
			    "cannot write to the directory '%s': %s", p->path, problem);
		return false;
	}
	if (!check_roots(p, real, "write", problems))
		return false;
	if (realpath(set->data_dir, data) && path_is_below(real, data)) {
		problem_add(problems, p->pointer, PROBLEM_FORBIDDEN,
			    "'%s' is in the daemon's data directory; name another directory", real);
		return false;
	}
	return true;
}

/* True if a file exists somewhere below `dir`, within the limit. */
static bool holds_a_file(const char *dir)
{
	char *const dirs[] = {(char *)dir, NULL};
	FTS *fts = fts_open(dirs, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	bool found = !fts; /* the job reports why the directory is unreadable */
	FTSENT *e;

	for (int i = 0; fts && !found && (e = fts_read(fts)); i++)
		found = e->fts_info == FTS_F || e->fts_info == FTS_DNR || i == LOOK_MAX;
	if (fts)
		fts_close(fts);
	return found;
}

/* True if `dir` is one data set as `datasets` saves it; otherwise a problem is added. */
static bool check_saved(const struct spec_path *p, const char *dir, json_t *problems)
{
	if (prepare_has_file(dir, "state.json") && prepare_has_file(dir, "dataset_info.json"))
		return true;
	if (prepare_has_file(dir, "dataset_dict.json"))
		problem_add(problems, p->pointer, PROBLEM_INVALID,
			    "'%s' is a DatasetDict; name one of its splits, such as '%s/train'",
			    dir, dir);
	else
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING,
			    "'%s' is not a saved data set, because it has no state.json and "
			    "dataset_info.json; name an output of a preprocess job, or what "
			    "save_to_disk has written",
			    dir);
	return false;
}

static bool check_kind(const struct spec_path *p, const char *real, json_t *problems)
{
	bool is_dir = path_is_dir(AT_FDCWD, real);

	if (is_dir && p->use != SPEC_PATH_OUTPUT && p->use != SPEC_PATH_MODEL &&
	    !holds_a_file(real)) {
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING,
			    "the directory '%s' has no file in it; name another one", real);
		return false;
	}
	if (p->use == SPEC_PATH_DATASET || p->use == SPEC_PATH_SOURCE)
		return true;
	if (!is_dir && (p->use != SPEC_PATH_OUTPUT || path_exists(AT_FDCWD, real))) {
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING,
			    "'%s' is not a directory; name one", real);
		return false;
	}
	if (p->use == SPEC_PATH_MODEL && !prepare_has_file(real, "config.json")) {
		problem_add(problems, p->pointer, PROBLEM_DATA_MISSING,
			    "'%s' is not a model directory, because it has no config.json; name "
			    "another one",
			    real);
		return false;
	}
	return p->use != SPEC_PATH_SAVED || check_saved(p, real, problems);
}

/* True if the job uses the model, not only its class names. */
static bool is_model(const struct spec_path *path)
{
	return path->use == SPEC_PATH_MODEL && str_eq(path->key, "model");
}

bool prepare_directory(const struct prepare *p, const char *pointer, const char *path,
		       char real[PATH_MAX])
{
	struct spec_path at = {.use = SPEC_PATH_MODEL, .path = path};

	str_excerpt(at.pointer, sizeof(at.pointer), pointer);
	return find_path(p, &at, real) && check_kind(&at, real, p->problems);
}

static void use_dir(const struct prepare *p, const struct job_spec *job,
		    const struct spec_path *path, const char *dir)
{
	json_object_set_new(path->object, path->key, json_string(dir));
	if (is_model(path))
		prepare_model_dir(p, job, path, dir);
}

static int note_use(struct job_spec *job, const char *model, struct err *reterr)
{
	char(*more)[SPEC_NAME_MAX + 1] =
		reallocarray(job->models, job->models_n + 1, sizeof(*more));

	if (!more)
		return err_errno(reterr, ENOMEM, "use the model '%s'", model);
	job->models = more;
	str_must_copy(job->models[job->models_n++], sizeof(*more), model);
	return 0;
}

/* Replace an added model's name by its source. */
static int use_added(const struct prepare *p, struct job_spec *job, const struct spec_path *path,
		     const json_t *source, struct err *reterr)
{
	const char *dir = json_get_str(source, "path", NULL);
	const char *hub = json_get_str(source, "hub", NULL);
	const char *revision = json_get_str(source, "revision", NULL);
	char real[PATH_MAX], name[SPEC_NAME_MAX + 1];

	str_must_copy(name, sizeof(name), path->path);
	if (hub && !(path->field->remote & REMOTE_HUB)) {
		problem_add(p->problems, path->pointer, PROBLEM_INVALID,
			    "the model '%s' is on the hub (%s), and '%s' needs a directory on this "
			    "machine; download the model",
			    name, hub, path->key);
		return 0;
	}
	if (dir && !realpath(dir, real)) {
		problem_add(p->problems, path->pointer, PROBLEM_DATA_MISSING,
			    "the model '%s' was added as '%s': %s; put the directory back, or give "
			    "'trainyard model remove %s' and add the model again",
			    name, dir, strerror(errno), name);
		return 0;
	}
	if (dir && prepare_directory(p, path->pointer, dir, real))
		use_dir(p, job, path, real);
	if (hub)
		json_object_set_new(path->object, path->key,
				    json_pack("{ss ss*}", "hub", hub, "revision", revision));
	return note_use(job, name, reterr);
}

/* Write "; did you mean 'minilm'?", or the first names that exist. */
static void nearest_models(const struct prepare *p, const char *name, char *text, size_t size)
{
	const struct settings *set = p->manager->settings;
	size_t n = 0, most = set->models_n + json_object_size(p->models);
	OWN(freep) const char **names = calloc(most + 1, sizeof(*names));
	const char *added, *near;
	json_t *source;

	text[0] = '\0';
	if (!names)
		return;
	for (size_t i = 0; i < set->models_n; i++)
		names[n++] = set->models[i].name;
	json_object_foreach(p->models, added, source)
		names[n++] = added;
	near = str_nearest(name, names, n);
	if (near)
		str_excerptf(text, size, "; did you mean '%s'?", near);
	for (size_t i = 0; !near && i < n && i < NAMES_SHOWN; i++)
		str_excerptf(text + strlen(text), size - strlen(text), "%s'%s'",
			     i ? ", " : "; there are: ", names[i]);
	if (!near && n > NAMES_SHOWN)
		snprintf(text + strlen(text), size - strlen(text), " and %zu more",
			 n - NAMES_SHOWN);
}

/* True if the text is a plain name without a file here; a problem with the remedy is then added. */
static bool refuse_name(const struct prepare *p, const struct spec_path *path)
{
	const struct settings *set = p->manager->settings;
	const char *name = path->path;
	char known[NAMES_SHOWN * (SPEC_NAME_MAX + 8)];
	bool hub = hub_model_ok(name);

	if (path->use != SPEC_PATH_MODEL || !model_name_ok(name) || !is_absent(set, path))
		return false;
	nearest_models(p, name, known, sizeof(known));
	problem_add(p->problems, path->pointer, PROBLEM_DATA_MISSING,
		    "no model is registered as '%s', and no directory of that name is in %s%s%s "
		    "Add the model with 'trainyard model add %s %s', or with the key models.%s of "
		    "the configuration",
		    name, set->base_dir, known, str_ends(known, "?") ? "" : ".", name,
		    hub ? "PATH" : "PATH|hub:ORG/NAME", name);
	return true;
}

int prepare_path(const struct prepare *p, struct job_spec *job, const struct spec_path *path,
		 struct err *reterr)
{
	const struct settings *set = p->manager->settings;
	bool named = path->use == SPEC_PATH_MODEL;
	const struct model_name *model = named ? settings_model(set, path->path) : NULL;
	const json_t *added = named ? json_object_get(p->models, path->path) : NULL;
	char real[PATH_MAX];
	int r;

	if (model) {
		use_dir(p, job, path, model->dir);
		return 0;
	}
	if (added)
		return use_added(p, job, path, added, reterr);
	if (path->of_run && is_absent(set, path)) {
		r = prepare_model_of_run(p, job, path, reterr);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if ((path->hub && is_absent(set, path)) || refuse_name(p, path))
		return 0;
	if (!(path->use == SPEC_PATH_OUTPUT ? find_output : find_path)(p, path, real) ||
	    !check_kind(path, real, p->problems))
		return 0;
	if (path->use == SPEC_PATH_SOURCE_DIR)
		return prepare_source(p, path, real, reterr);
	use_dir(p, job, path, real);
	return 0;
}
