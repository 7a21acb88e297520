/* SPDX-License-Identifier: MIT */
/* See detect.h. */
#include "worker/dataset/detect.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/parquet_tree.h"
#include "worker/dataset/saved.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static const struct source_kind *kind_by_name(const char *path)
{
	OWN(freep) char *name = strdup(path);
	size_t len = strlen(path);

	if (!name)
		return NULL;
	if (str_ends(name, ".gz"))
		name[len - 3] = 0;
	if (str_ends(name, ".jsonl") || str_ends(name, ".ndjson") || str_ends(name, ".json"))
		return &source_jsonl;
	if (str_ends(name, ".csv") || str_ends(name, ".tsv") || str_ends(name, ".txt"))
		return &source_csv;
	return NULL;
}

static int detect_file(const char *path, const char *field, struct detected *ret,
		       struct err *reterr)
{
	OWN(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char magic[4] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, magic, sizeof(magic));

	if (n < 0)
		return err_at(reterr, errno, field, "cannot read %s: %s", path, strerror(errno));
	if (n == 4 && memcmp(magic, "PAR1", 4) == 0)
		ret->kind = &source_parquet;
	else if (str_ends(path, ".parquet"))
		return err_at(reterr, ERR_CORRUPT, field,
			      "%s is not a Parquet file: it does not "
			      "begin with PAR1",
			      path);
	else
		ret->kind = kind_by_name(path);
	if (!ret->kind)
		return err_at(reterr, ERR_INVALID, field,
			      "%s: what kind of file is this? Name it .csv, .tsv, .jsonl (or these "
			      "with .gz) or .parquet",
			      path);
	if (ret->kind == &source_jsonl && magic[0] == '[')
		return err_at(reterr, ERR_INVALID, field,
			      "%s is one JSON list; write one object per line (JSON Lines)", path);
	return 0;
}

static bool has_dirs(const char *path, const char *a, const char *b)
{
	char one[PATH_MAX], two[PATH_MAX];

	return path_join(one, sizeof(one), path, a) && path_join(two, sizeof(two), path, b) &&
	       path_is_dir(AT_FDCWD, one) && path_is_dir(AT_FDCWD, two);
}

static void set_parts(struct detected *d, const char *train, const char *test)
{
	d->has_parts = true;
	str_copy(d->train, sizeof(d->train), train);
	str_copy(d->test, sizeof(d->test), test);
}

/* Parquet files in the folder: what `datasets` would make of it. Without a test split the
 * validation split takes its place. 1: it was that. */
static int detect_parquet(const char *path, const char *field, struct detected *ret,
			  struct err *reterr)
{
	OWN(split_groups_done) struct split_groups splits = {0};
	OWN(buf_done) struct buf names = BUF_INIT(ERR_MSG_MAX / 2);
	const char *test;
	int r = parquet_tree_splits(path, &splits, reterr);

	if (r < 0 || !splits.n)
		return r;
	ret->kind = &source_parquet_tree;
	if (splits.n == 1) {
		str_copy(ret->train, sizeof(ret->train), splits.items[0].name);
		return 1;
	}
	test = split_groups_find(&splits, "test") ? "test" : "validation";
	if (split_groups_find(&splits, "train") && split_groups_find(&splits, test)) {
		set_parts(ret, "train", test);
		return 1;
	}
	for (size_t i = 0; i < splits.n; i++)
		buf_printf(&names, "%s'%s'", i ? ", " : "", splits.items[i].name);
	return err_at(reterr, ERR_INVALID, field,
		      "%s has Parquet files of the splits %s, but not both train and test; name "
		      "the files of one as dataset.train and of another as dataset.test",
		      path, buf_str(&names));
}

static int detect_dir(const char *path, const char *field, struct detected *ret, struct err *reterr)
{
	int r;

	switch (saved_kind(path)) {
	case SAVED_DATASET:
		ret->kind = &source_saved;
		return 0;
	case SAVED_DICT:
		ret->kind = &source_saved;
		set_parts(ret, "train", "test");
		if (!has_dirs(path, "train", "test"))
			return err_at(reterr, ERR_INVALID, field,
				      "%s is a DatasetDict without the splits train and test; name "
				      "one split, such as %s/train",
				      path, path);
		return 0;
	case SAVED_NONE:
		break;
	}
	r = detect_parquet(path, field, ret, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	ret->kind = &source_folder;
	if (has_dirs(path, "train", "test"))
		set_parts(ret, "train", "test");
	return 0;
}

int source_detect(const char *path, const char *field, struct detected *ret, struct err *reterr)
{
	char at[ERR_FIELD_MAX];
	struct stat st;

	snprintf(at, sizeof(at), "%s/path", field);
	*ret = (struct detected){0};
	if (stat(path, &st) < 0)
		return err_at(reterr, errno, at, "cannot read %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return detect_dir(path, at, ret, reterr);
	return detect_file(path, at, ret, reterr);
}
