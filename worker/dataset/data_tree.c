/* SPDX-License-Identifier: MIT */
/* Walks the tree, reads its card, and groups its files. */
#include "worker/dataset/data_tree.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/card.h"
#include "worker/dataset/configs.h"
#include "worker/dataset/saved.h"
#include "worker/dataset/shards.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_FIELD "/dataset/config"

enum form {
	FORM_PARQUET,
	FORM_CSV,
	FORM_JSONL,
	FORMS_
};

static const struct {
	const char *name;
	const struct source_kind *kind;
	const char *suffixes[4];
} forms[FORMS_] = {
	[FORM_PARQUET] = {"Parquet", &source_parquet_tree, {".parquet"}},
	[FORM_CSV] = {"CSV", &source_csv_tree, {".csv", ".tsv"}},
	[FORM_JSONL] = {"JSON Lines", &source_jsonl_tree, {".jsonl", ".ndjson", ".json"}},
};

/* JSON that is no data, as in datasets/data_files.py. */
static const char *const ignored[] = {"config.json", "dataset_info.json", "dataset_infos.json",
				      "dataset_dict.json"};

struct list {
	char **paths; /* relative to the root */
	size_t n, cap;
};

struct walk {
	const char *root;
	struct list lists[FORMS_];
	size_t texts; /* text files in folders below the root, as class folders have them */
};

static int keep(struct walk *w, enum form form, const char *path, struct err *reterr)
{
	struct list *l = &w->lists[form];

	if (l->n == DATA_TREE_FILES)
		return err_set(reterr, ERR_LIMIT, "%s has more than %d %s files", w->root,
			       DATA_TREE_FILES, forms[form].name);
	if (l->n == l->cap) {
		size_t want = l->cap ? l->cap * 2 : 64;
		char **grown = realloc(l->paths, want * sizeof(*grown));

		if (!grown)
			return err_errno(reterr, ENOMEM, "read %s", w->root);
		l->paths = grown;
		l->cap = want;
	}
	l->paths[l->n] = strdup(path);
	return l->paths[l->n++] ? 0 : err_errno(reterr, ENOMEM, "read %s", w->root);
}

static bool is_ignored(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		if (str_eq(name, ignored[i]))
			return true;
	return false;
}

/* The file `name` lies at `path`. */
static int take_file(struct walk *w, const char *name, const char *path, struct err *reterr)
{
	w->texts += str_ends(name, ".txt") && strchr(path, '/');
	for (int form = 0; form < FORMS_; form++)
		for (size_t i = 0; forms[form].suffixes[i]; i++)
			if (source_is_named(name, forms[form].suffixes[i]))
				return is_ignored(name) ? 0 : keep(w, form, path, reterr);
	return 0;
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

	if (depth > DATA_TREE_DEPTH || !path_join(path, sizeof(path), w->root, below))
		return err_set(reterr, ERR_LIMIT, "%s is deeper than %d folders", w->root,
			       DATA_TREE_DEPTH);
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
		else if (is_file(dirfd(dir), d))
			r = take_file(w, d->d_name, path, reterr);
	}
	closedir(dir);
	return r;
}

static int no_config(const char *dir, const char *config, const struct buf *names,
		     struct err *reterr)
{
	if (!config)
		return err_at(reterr, ERR_INVALID, CONFIG_FIELD,
			      "%s has several configurations; name one in dataset.config: %s", dir,
			      buf_str(names));
	return err_at(reterr, ERR_INVALID, CONFIG_FIELD, "%s has no configuration '%s'; %s%s", dir,
		      config,
		      names->len ? "name one that it has in dataset.config: "
				 : "remove dataset.config",
		      buf_str(names));
}

static int no_file(const char *dir, const char *config, struct err *reterr)
{
	return err_at(
		reterr, ERR_INVALID, CONFIG_FIELD,
		"the configuration%s%s%s of %s has no file of data; name another one, or name "
		"its files in dataset.train.path and dataset.test.path",
		config ? " '" : "", config ? config : "", config ? "'" : "", dir);
}

static int two_forms(const struct walk *w, const char *field, struct err *reterr)
{
	return err_at(reterr, ERR_INVALID, field,
		      "%s has CSV files (%s) and JSON Lines files (%s); keep one kind, or name "
		      "files in dataset.train.path and dataset.test.path",
		      w->root, w->lists[FORM_CSV].paths[0], w->lists[FORM_JSONL].paths[0]);
}

/* Text files are the data if they are more than the CSV or JSON Lines files, as in `datasets`. */
static bool is_used(const struct walk *w, enum form form)
{
	size_t n = w->lists[form].n;

	return n && (form == FORM_PARQUET || n >= w->texts);
}

static bool has_any(const struct walk *w)
{
	return is_used(w, FORM_PARQUET) || is_used(w, FORM_CSV) || is_used(w, FORM_JSONL);
}

/* Group the files of one form by split; no groups if the configuration has none of them. */
static int group(const struct walk *w, enum form form, const json_t *configs, const char *name,
		 struct split_groups *ret, struct err *reterr)
{
	OWN(buf_done) struct buf names = BUF_INIT(ERR_MSG_MAX / 2);
	const struct list *l = &w->lists[form];
	int r;

	*ret = (struct split_groups){0};
	if (!is_used(w, form))
		return 0;
	r = config_splits(configs, name, (const char *const *)l->paths, l->n, ret, &names);
	if (r == -ENOENT)
		return no_config(w->root, name, &names, reterr);
	return r < 0 ? err_errno(reterr, ENOMEM, "read %s", w->root) : 0;
}

static int check_one_form(const struct walk *w, const json_t *configs, const char *name,
			  const char *field, struct err *reterr)
{
	OWN(split_groups_done) struct split_groups others = {0};
	int r = group(w, FORM_JSONL, configs, name, &others, NULL);

	return r < 0 || others.n ? two_forms(w, field, reterr) : 0;
}

static int check_shards(const struct walk *w, const struct list *l, const struct split_groups *g,
			const char *field, struct err *reterr)
{
	OWN(buf_done) struct buf missing = BUF_INIT(PATH_MAX);

	if (!shards_gap(g, (const char *const *)l->paths, l->n, &missing))
		return 0;
	return err_at(reterr, ERR_INVALID, field,
		      "%s lacks %s, which belongs to the other files of that name; fetch it, or "
		      "name the files that are meant in dataset.train.path and dataset.test.path",
		      w->root, buf_str(&missing));
}

/* Group the files of the first form that the configuration has. */
static int choose(const struct walk *w, const struct tree_config *config, const char *field,
		  struct split_groups *ret, enum form *ret_form, struct err *reterr)
{
	OWN(json_decrefp) json_t *configs = NULL;
	const struct buf none = BUF_INIT(0);
	const char *name = config->chosen ? "default" : config->name;
	enum form form = FORM_PARQUET;
	int r = config->chosen || !has_any(w) ? 0 : card_configs(w->root, &configs, reterr);

	for (; r >= 0 && form < FORMS_; form++) {
		r = group(w, form, configs, name, ret, reterr);
		if (r < 0 || ret->n)
			break;
		split_groups_done(ret);
	}
	if (r < 0 || !has_any(w))
		return r;
	if (!ret->n)
		return name && !configs ? no_config(w->root, name, &none, reterr)
					: no_file(w->root, name, reterr);
	*ret_form = form;
	if (form == FORM_CSV)
		r = check_one_form(w, configs, name, field, reterr);
	if (r >= 0 && !config->chosen) /* what the hub lists is whole */
		r = check_shards(w, &w->lists[form], ret, field, reterr);
	return r;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct walk *w)
{
	for (int form = 0; form < FORMS_; form++)
		if (w->lists[form].n)
			qsort(w->lists[form].paths, w->lists[form].n, sizeof(char *), by_path);
}

static void walk_done(struct walk *w)
{
	for (int form = 0; form < FORMS_; form++)
		saved_files_free(w->lists[form].paths, w->lists[form].n);
}

int data_tree_splits(const char *dir, const struct tree_config *config, const char *field,
		     struct split_groups *ret, const struct source_kind **ret_kind,
		     struct err *reterr)
{
	OWN(walk_done) struct walk w = {.root = dir};
	enum form form = FORM_PARQUET;
	int r;

	*ret = (struct split_groups){0};
	r = visit(&w, "", 0, reterr);
	sort(&w);
	if (r >= 0)
		r = choose(&w, config, field, ret, &form, reterr);
	*ret_kind = forms[form].kind;
	if (r >= 0 && split_groups_prefix(ret, dir) < 0)
		r = err_errno(reterr, ENOMEM, "read %s", dir);
	return r;
}
