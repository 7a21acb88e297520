/* SPDX-License-Identifier: MIT */
/* Walks the tree, reads its card, and groups its files. */
#include "worker/dataset/parquet_tree.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/card.h"
#include "worker/dataset/configs.h"
#include "worker/dataset/saved.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define FIELD "/dataset/config"

struct walk {
	const char *root;
	char **paths; /* relative to the root */
	size_t n, cap;
};

static int keep(struct walk *w, const char *path, struct err *reterr)
{
	if (w->n == PARQUET_TREE_FILES)
		return err_set(reterr, ERR_LIMIT, "%s has more than %d Parquet files", w->root,
			       PARQUET_TREE_FILES);
	if (w->n == w->cap) {
		size_t want = w->cap ? w->cap * 2 : 64;
		char **grown = realloc(w->paths, want * sizeof(*grown));

		if (!grown)
			return err_errno(reterr, ENOMEM, "read %s", w->root);
		w->paths = grown;
		w->cap = want;
	}
	w->paths[w->n] = strdup(path);
	return w->paths[w->n++] ? 0 : err_errno(reterr, ENOMEM, "read %s", w->root);
}

/* A link to a file counts (the hub's own cache is made of them), a link to a folder does not. */
static bool is_file(int at, const struct dirent *d)
{
	struct stat st;

	if (d->d_type == DT_REG)
		return true;
	return d->d_type != DT_DIR && fstatat(at, d->d_name, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static bool is_folder(int at, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type == DT_DIR;
	return fstatat(at, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int visit(struct walk *w, const char *below, int depth, struct err *reterr)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;
	int r = 0;

	if (depth > PARQUET_TREE_DEPTH || !path_join(path, sizeof(path), w->root, below))
		return err_set(reterr, ERR_LIMIT, "%s is deeper than %d folders", w->root,
			       PARQUET_TREE_DEPTH);
	dir = opendir(path);
	if (!dir)
		return err_errno(reterr, errno, "read %s", path);
	while (r >= 0 && (d = readdir(dir))) {
		int n;

		if (d->d_name[0] == '.')
			continue;
		n = snprintf(path, sizeof(path), "%s%s%s", below, *below ? "/" : "", d->d_name);
		if (n < 0 || (size_t)n >= sizeof(path))
			r = err_errno(reterr, ENAMETOOLONG, "read %s", w->root);
		else if (is_folder(dirfd(dir), d))
			r = visit(w, path, depth + 1, reterr);
		else if (str_ends(d->d_name, ".parquet") && is_file(dirfd(dir), d))
			r = keep(w, path, reterr);
	}
	closedir(dir);
	return r;
}

static int no_config(const char *dir, const char *config, const struct buf *names,
		     struct err *reterr)
{
	if (!config)
		return err_at(reterr, ERR_INVALID, FIELD,
			      "%s has several configurations; name one in dataset.config: %s", dir,
			      buf_str(names));
	return err_at(reterr, ERR_INVALID, FIELD, "%s has no configuration '%s'; %s%s", dir, config,
		      names->len ? "name one that it has in dataset.config: "
				 : "remove dataset.config",
		      buf_str(names));
}

static int no_file(const char *dir, const char *config, struct err *reterr)
{
	return err_at(
		reterr, ERR_INVALID, FIELD,
		"the configuration%s%s%s of %s has no Parquet file; name another one, or name "
		"its files in dataset.train.path and dataset.test.path",
		config ? " '" : "", config ? config : "", config ? "'" : "", dir);
}

/* Group the files of `w` by split. */
static int choose(const struct walk *w, const struct tree_config *config, struct split_groups *ret,
		  struct err *reterr)
{
	OWN(buf_done) struct buf names = BUF_INIT(ERR_MSG_MAX / 2);
	OWN(json_decrefp) json_t *configs = NULL;
	const char *name = config->chosen ? "default" : config->name;
	int r = config->chosen || !w->n ? 0 : card_configs(w->root, &configs, reterr);

	if (r < 0 || !w->n)
		return r;
	r = config_splits(configs, name, (const char *const *)w->paths, w->n, ret, &names);
	if (r == -ENOENT || (!ret->n && !configs))
		return no_config(w->root, name, &names, reterr);
	if (r < 0)
		return err_errno(reterr, ENOMEM, "read %s", w->root);
	return ret->n ? 0 : no_file(w->root, name, reterr);
}

int parquet_tree_splits(const char *dir, const struct tree_config *config, struct split_groups *ret,
			struct err *reterr)
{
	struct walk w = {.root = dir};
	int r = visit(&w, "", 0, reterr);

	*ret = (struct split_groups){0};
	if (r >= 0)
		r = choose(&w, config, ret, reterr);
	saved_files_free(w.paths, w.n);
	return r;
}

int parquet_tree_files(const char *path, const struct tree_config *config, char ***ret,
		       size_t *ret_n, struct err *reterr)
{
	OWN(split_groups_done) struct split_groups groups = {0};
	OWN(freep) char *dir = strdup(path);
	const char *slash = strrchr(path, '/');
	const struct split_group *group;
	char file[PATH_MAX], **files;
	int r;

	if (!dir || !slash)
		return err_errno(reterr, dir ? EINVAL : ENOMEM, "read %s", path);
	dir[slash - path] = '\0';
	r = parquet_tree_splits(dir, config, &groups, reterr);
	if (r < 0)
		return r;
	group = split_groups_find(&groups, slash + 1);
	if (!group)
		return err_set(reterr, ERR_CORRUPT, "%s changed while it was read", dir);
	files = calloc(group->n, sizeof(*files));
	for (size_t i = 0; files && i < group->n; i++) {
		if (path_join(file, sizeof(file), dir, group->files[i]))
			files[i] = strdup(file);
		if (!files[i]) {
			saved_files_free(files, group->n);
			files = NULL;
		}
	}
	if (!files)
		return err_errno(reterr, ENOMEM, "read %s", path);
	*ret = files;
	*ret_n = group->n;
	return 0;
}
