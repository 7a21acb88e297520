/* SPDX-License-Identifier: MIT */
/* Looks in a directory for a saved data set, files of data and class folders, in this order. The
 * kind of a file is in its first bytes or its name. */
#include "worker/dataset/detect.h"

#include "base/encoding.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/dataset/data_tree.h"
#include "worker/dataset/saved.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define START_MAX 64 /* bytes that tell what a file is */

static const struct source_kind *kind_by_name(const char *path)
{
	if (source_is_named(path, ".jsonl") || source_is_named(path, ".ndjson") ||
	    source_is_named(path, ".json"))
		return &source_jsonl;
	if (source_is_named(path, ".csv") || source_is_named(path, ".tsv") ||
	    source_is_named(path, ".txt"))
		return &source_csv;
	return NULL;
}

/* The error for a file that is no Parquet file and whose name tells no other kind. */
static int not_known(const char *path, const char *field, const char *start, size_t n,
		     struct err *reterr)
{
	const char *problem = encoding_problem(start, n);

	if (n >= 4 && memcmp(start, "PARE", 4) == 0 && str_ends(path, ".parquet"))
		problem = "an encrypted Parquet file; write it without encryption";
	else if (str_ends(path, ".arrow") || str_ends(path, ".feather"))
		problem = "an Arrow file; name the folder of a saved data set, or write it as "
			  "Parquet";
	if (problem)
		return err_at(reterr, ERR_INVALID, field, "%s is %s", path, problem);
	if (str_ends(path, ".parquet"))
		return err_at(reterr, ERR_CORRUPT, field,
			      "%s is not a Parquet file: it does not begin with PAR1", path);
	return err_at(reterr, ERR_INVALID, field,
		      "the kind of the file %s is not known; name it .csv, .tsv, .jsonl (or these "
		      "with .gz) or .parquet",
		      path);
}

static int detect_file(const char *path, const char *field, struct detected *ret,
		       struct err *reterr)
{
	OWN(closep) int fd = roots_open(AT_FDCWD, path, O_RDONLY, reterr);
	char start[START_MAX] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof(start));

	if (fd < 0)
		return fd;
	if (n < 0)
		return err_at(reterr, errno, field, "cannot read %s: %s", path, strerror(errno));
	ret->kind = n >= 4 && memcmp(start, "PAR1", 4) == 0 ? &source_parquet : kind_by_name(path);
	if (!ret->kind)
		return not_known(path, field, start, (size_t)n, reterr);
	if (ret->kind == &source_jsonl && start[0] == '[')
		return err_at(reterr, ERR_INVALID, field,
			      "%s is one JSON list; write one object per line (JSON Lines)", path);
	return 0;
}

/* ---- several splits ---- */

static void print_names(const struct split_groups *g, struct buf *out)
{
	for (size_t i = 0; i < g->n; i++)
		buf_printf(out, "%s'%s'", i ? ", " : "", g->items[i].name);
}

static int is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* The folders in `path`, by name; if `saved`, only those that are saved data sets. */
static int list_folders(const char *path, bool saved, struct split_groups *ret, struct err *reterr)
{
	struct dirent **all = NULL;
	char full[PATH_MAX];
	int n = scandir(path, &all, is_visible, alphasort), r = 0;

	if (n < 0)
		return err_errno(reterr, errno, "read %s", path);
	for (int i = 0; i < n; i++) {
		if (path_join(full, sizeof(full), path, all[i]->d_name) &&
		    path_is_dir(AT_FDCWD, full) && (!saved || saved_kind(full) == SAVED_DATASET))
			r = r < 0 ? r : split_groups_add(ret, all[i]->d_name, all[i]->d_name);
		free(all[i]);
	}
	free(all);
	split_groups_sort(ret);
	return r < 0 ? err_errno(reterr, ENOMEM, "read %s", path) : 0;
}

static int no_test(const char *path, const struct split_groups *g, const char *field,
		   const char *what, struct err *reterr)
{
	OWN(buf_done) struct buf names = BUF_INIT(ERR_MSG_MAX / 2);

	print_names(g, &names);
	if (!split_groups_find(g, "train"))
		return err_at(reterr, ERR_INVALID, field,
			      "%s has %s %s, but not both train and test; name one as "
			      "dataset.train.path and another as dataset.test.path",
			      path, what, buf_str(&names));
	return err_at(reterr, ERR_INVALID, field,
		      "%s has %s %s, but not both train and test; name the split to test on in "
		      "dataset.test_split",
		      path, what, buf_str(&names));
}

static int one_part(const char *path, const char *test_split, struct err *reterr)
{
	if (!test_split)
		return 0;
	return err_at(reterr, ERR_INVALID, "/dataset/test_split",
		      "%s has no splits to choose '%s' from; remove test_split, or name its files "
		      "as dataset.train.path and dataset.test.path",
		      path, test_split);
}

/* Choose the splits for training and test. A single one is split in two. */
static int choose_parts(const char *path, const struct split_groups *g, const char *field,
			const char *what, const char *test_split, struct detected *d,
			struct err *reterr)
{
	OWN(buf_done) struct buf names = BUF_INIT(ERR_MSG_MAX / 2);
	const char *test = test_split			  ? test_split
			   : split_groups_find(g, "test") ? "test"
							  : "validation";

	if (g->n == 1) {
		str_assign(d->train, g->items[0].name);
		return one_part(path, test_split, reterr);
	}
	print_names(g, &names);
	if (test_split && (!split_groups_find(g, test) || str_eq(test, "train")))
		return err_at(reterr, ERR_INVALID, "/dataset/test_split",
			      "%s has %s %s; '%s' is not a split to test on", path, what,
			      buf_str(&names), test);
	if (!split_groups_find(g, "train") || !split_groups_find(g, test))
		return no_test(path, g, field, what, reterr);
	d->has_parts = true;
	str_assign(d->train, "train");
	str_must_copy(d->test, sizeof(d->test), test);
	if (!test_split && str_eq(test, "test") && split_groups_find(g, "validation"))
		str_assign(d->spare, "validation");
	return 0;
}

/* Detect files of data in the folder, with the splits that `datasets` would find. 1: there are
 * some. */
static int detect_tree(const char *path, const char *field, const char *test_split,
		       const struct source_columns *columns, struct detected *ret,
		       struct err *reterr)
{
	struct tree_config config = {columns->config, columns->config_chosen};
	int r = data_tree_splits(path, &config, field, &ret->files, &ret->kind, reterr);

	if (r < 0 || !ret->files.n)
		return r;
	r = choose_parts(path, &ret->files, field, "files of the splits", test_split, ret, reterr);
	return r < 0 ? r : 1;
}

/* Class folders in train/ and another folder, or the class folders themselves. */
static int detect_classes(const char *path, const char *field, const char *test_split,
			  struct detected *ret, struct err *reterr)
{
	OWN(split_groups_done) struct split_groups names = {0};
	int r = list_folders(path, false, &names, reterr);

	ret->kind = &source_folder;
	if (r < 0)
		return r;
	if (split_groups_find(&names, "train") &&
	    (test_split || split_groups_find(&names, "test") ||
	     split_groups_find(&names, "validation")))
		return choose_parts(path, &names, field, "the folders", test_split, ret, reterr);
	return one_part(path, test_split, reterr);
}

static int detect_dir(const char *path, const char *field, const char *test_split,
		      const struct source_columns *columns, struct detected *ret,
		      struct err *reterr)
{
	OWN(split_groups_done) struct split_groups names = {0};
	int r;

	switch (saved_kind(path)) {
	case SAVED_DATASET:
		ret->kind = &source_saved;
		return one_part(path, test_split, reterr);
	case SAVED_DICT:
		ret->kind = &source_saved;
		r = list_folders(path, true, &names, reterr);
		if (r >= 0 && !names.n)
			r = err_at(reterr, ERR_INVALID, field, "%s is a DatasetDict without splits",
				   path);
		return r < 0 ? r
			     : choose_parts(path, &names, field, "the splits", test_split, ret,
					    reterr);
	case SAVED_NONE:
		break;
	}
	r = detect_tree(path, field, test_split, columns, ret, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	return detect_classes(path, field, test_split, ret, reterr);
}

static int detect(const char *path, const char *field, const char *test_split,
		  const struct source_columns *columns, struct detected *ret, struct err *reterr)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return err_at(reterr, errno, field, "cannot read %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return detect_dir(path, field, test_split, columns, ret, reterr);
	r = detect_file(path, field, ret, reterr);
	return r < 0 ? r : one_part(path, test_split, reterr);
}

int source_detect(const char *path, const char *field, const char *test_split,
		  const struct source_columns *columns, struct detected *ret, struct err *reterr)
{
	char at[ERR_FIELD_MAX];
	int r;

	str_excerptf(at, sizeof(at), "%s/path", field);
	*ret = (struct detected){0};
	r = detect(path, at, test_split, columns, ret, reterr);
	if (r < 0)
		return err_in(reterr, r, at);
	if (!columns->config || columns->config_chosen || ret->files.n)
		return r;
	return err_at(reterr, ERR_INVALID, "/dataset/config",
		      "%s is no folder of Parquet, CSV or JSON Lines files, so it has no "
		      "configurations; remove dataset.config",
		      path);
}

void detected_done(struct detected *d)
{
	split_groups_done(&d->files);
}
