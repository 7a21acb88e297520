/* SPDX-License-Identifier: MIT */
/*
 * Makes the directories of /opt/ml in work/, restores checkpoints, writes input/config, and links
 * or mounts the channels.
 */
#include "worker/script/script.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/pytext.h"
#include "base/roots.h"
#include "base/str.h"
#include "base/tree.h"
#include "worker/script/channel_links.h"
#include "worker/script/copy.h"
#include "worker/script/optml.h"

#include <string.h>

#define SCRATCH		 ".channels"
#define CONFIG_BYTES_MAX (4 << 20)

static const char *const dirs[] = {
	"code",	       "model", "input/config", "input/data", "output/data", "output/intermediate",
	"checkpoints",
};

static int make_dirs(const struct script *s, struct err *reterr)
{
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int r = dir_make(s->w->work_dirfd, dirs[i], 0755, reterr);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Put the checkpoints of the attempt before into the folder where the script looks for them. */
static int restore_checkpoints(const struct script *s, struct err *reterr)
{
	const char *resume = s->w->resume, *name = resume ? strrchr(resume, '/') : NULL;
	char to[PATH_MAX];

	if (!name)
		return 0;
	if (str_eq(name + 1, "checkpoints"))
		return copy_tree(AT_FDCWD, resume, s->w->work_dirfd, "checkpoints", reterr);
	if (!path_join(to, sizeof(to), "checkpoints", name + 1))
		return err_errno(reterr, ENAMETOOLONG, "restore %s", resume);
	return copy_tree(AT_FDCWD, resume, s->w->work_dirfd, to, reterr);
}

static int write_config(const struct script *s, const char *path, json_t *value, struct err *reterr)
{
	OWN(json_decrefp) json_t *owned = value;
	OWN(buf_done) struct buf text = BUF_INIT(CONFIG_BYTES_MAX);

	if (!owned)
		return err_set(reterr, ERR_LIMIT, "a hyperparameter is longer than %d bytes",
			       CONTRACT_VALUE_MAX);
	py_json(&text, owned, PY_JSON_DEFAULT);
	if (!buf_ok(&text))
		return err_set(reterr, ERR_LIMIT, "%s would be larger than %d bytes", path,
			       CONFIG_BYTES_MAX);
	/* the script reads it in this boot or never: after a loss of power there is a new attempt
	 */
	return file_write_unsynced(s->w->work_dirfd, path, text.data, text.len, 0644, reterr);
}

static int write_configs(const struct script *s, struct err *reterr)
{
	int r = write_config(s, "input/config/hyperparameters.json",
			     contract_hyperparameters_json(&s->contract), reterr);

	if (r >= 0)
		r = write_config(s, "input/config/inputdataconfig.json",
				 contract_input_data_json(&s->contract), reterr);
	if (r >= 0)
		r = write_config(s, "input/config/resourceconfig.json",
				 contract_resource_json(&s->contract), reterr);
	return r;
}

static int link_channel(const struct script *s, const char *dir, const char *at, struct err *reterr)
{
	if (symlinkat(dir, s->w->work_dirfd, at) < 0 && errno != EEXIST)
		return err_errno(reterr, errno, "link %s to %s", at, dir);
	return 0;
}

static int mount_channel(const struct script *s, const char *name, const char *dir, const char *at,
			 struct err *reterr)
{
	char scratch[PATH_MAX];
	int r;

	if (!path_join(scratch, sizeof(scratch), SCRATCH, name))
		return err_errno(reterr, ENAMETOOLONG, "lay out the channel %s", name);
	r = dir_make(s->w->work_dirfd, scratch, 0755, reterr);
	if (r >= 0)
		r = dir_make(s->w->work_dirfd, at, 0755, reterr);
	return r < 0 ? r : optml_channel(dir, at, scratch, reterr);
}

static int make_channel(const struct script *s, const char *name, const char *dir,
			struct err *reterr)
{
	char at[PATH_MAX], real[PATH_MAX], upper[PATH_MAX], field[ERR_FIELD_MAX] = "/channels";
	OWN(closep) int fd = -1;
	int r;

	json_pointer_add(field, sizeof(field), name);
	if (!path_is_inside(name) || strchr(name, '/') ||
	    !path_join(at, sizeof(at), "input/data", name))
		return err_at(reterr, ERR_INVALID, field, "'%s' cannot be the name of a channel",
			      name);
	if (!dir || !path_is_dir(AT_FDCWD, dir))
		return err_at(reterr, ENOENT, field,
			      "channel '%s': the directory %s does not exist", name,
			      dir ? dir : "");
	fd = roots_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY, reterr);
	if (fd < 0 || !realpath(dir, real)) {
		str_excerpt(reterr->field, sizeof(reterr->field), field);
		return fd < 0 ? fd : err_at(reterr, errno, field, "%s: %s", dir, strerror(errno));
	}
	if (snprintf(upper, sizeof(upper), SCRATCH "/%s/upper", name) >= (int)sizeof(upper))
		return err_errno(reterr, ENAMETOOLONG, "lay out the channel %s", name);
	r = channel_links(fd, real, s->w->work_dirfd, upper, reterr);
	if (r < 0) {
		str_excerpt(reterr->field, sizeof(reterr->field), field);
		return r;
	}
	return s->optml ? mount_channel(s, name, roots_fd_path(fd, real), at, reterr)
			: link_channel(s, real, at, reterr);
}

static int make_channels(const struct script *s, struct err *reterr)
{
	json_t *value;
	const char *name;

	json_object_foreach(s->channels, name, value) {
		int r = make_channel(s, name, json_string_value(value), reterr);

		if (r < 0)
			return r;
	}
	return 0;
}

int layout_make(struct script *s, struct err *reterr)
{
	struct err err;
	int r = make_dirs(s, reterr);

	if (r >= 0)
		r = copy_tree(AT_FDCWD, s->source_dir, s->w->work_dirfd, "code", reterr);
	if (r >= 0)
		r = restore_checkpoints(s, reterr);
	if (r < 0)
		return r;
	s->optml = optml_enter(s->w->work, &err) >= 0;
	s->contract.base = s->optml ? OPTML : s->w->work;
	if (!s->optml)
		report_warning(s->w->report, "no_opt_ml",
			       "the script has no " OPTML " (%s); the SM_* variables name the "
			       "real directories",
			       err.msg);
	r = make_channels(s, reterr);
	return r < 0 ? r : write_configs(s, reterr);
}

void layout_end(struct script *s)
{
	char at[PATH_MAX];
	const char *name;
	json_t *value;

	json_object_foreach(s->channels, name, value)
		if (s->optml && path_join(at, sizeof(at), "input/data", name))
			optml_channel_end(at);
	if (tree_remove(s->w->work_dirfd, SCRATCH, NULL) < 0)
		report_warning(s->w->report, "leftovers", "work/" SCRATCH " could not be removed");
}
