/* SPDX-License-Identifier: MIT */
/* Walks the tree with fts(3), checks links, and sorts the paths. */
#include "transfer/tree.h"

#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "transfer/exclude.h"

#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

void tree_done(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->files[i].path);
	free(t->files);
	*t = (struct tree){0};
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct tree_file *)a)->path, ((const struct tree_file *)b)->path);
}

static int add(struct tree *t, const char *path, const struct stat *st, struct err *reterr)
{
	if (!str_utf8_valid(path, strlen(path)))
		return err_set(reterr, EILSEQ,
			       "the file name '%s' is not UTF-8, which S3 needs; rename the file",
			       path);
	if (t->n == TREE_FILES_MAX)
		return err_set(reterr, ERR_LIMIT, "the directory has more than %d files",
			       TREE_FILES_MAX);
	if ((t->n & (t->n - 1)) == 0) {
		size_t room = t->n ? 2 * t->n : 1;
		struct tree_file *more = reallocarray(t->files, room, sizeof(*more));

		if (!more)
			return err_errno(reterr, ENOMEM, "list the files");
		t->files = more;
	}
	t->files[t->n] = (struct tree_file){strdup(path), st->st_size, st->st_mode & 0777};
	if (!t->files[t->n].path)
		return err_errno(reterr, ENOMEM, "list the files");
	t->n++;
	t->bytes += st->st_size;
	return 0;
}

/* Follow a link if it leads to a file or directory below the roots. */
static int follow(FTS *fts, FTSENT *e, struct err *reterr)
{
	int fd = roots_open(AT_FDCWD, e->fts_path, O_PATH, reterr);

	if (fd == -ENOENT || fd == -ELOOP)
		return 0; /* the link leads to nothing */
	if (fd < 0)
		return fd;
	close(fd);
	fts_set(fts, e, FTS_FOLLOW);
	return 0;
}

static int visit(struct tree *t, FTS *fts, FTSENT *e, size_t root_len, const json_t *exclude,
		 struct err *reterr)
{
	const char *path = e->fts_path + root_len;

	path += strspn(path, "/");
	if (e->fts_info == FTS_DP || (e->fts_level == 0 && e->fts_info == FTS_D))
		return 0;
	if (*path && exclude_matches(exclude, path)) {
		fts_set(fts, e, FTS_SKIP);
		return 0;
	}
	switch (e->fts_info) {
	case FTS_SL:
		return follow(fts, e, reterr);
	case FTS_F:
		return add(t, path, e->fts_statp, reterr);
	case FTS_DC:
		return err_set(reterr, ERR_INVALID,
			       "'%s' is a link to a directory above itself; remove the link",
			       e->fts_path);
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return err_errno(reterr, e->fts_errno ? e->fts_errno : EIO, "read '%s'",
				 e->fts_path);
	default: /* directories, links to nothing, sockets */
		return 0;
	}
}

int tree_read(const char *root, const json_t *exclude, struct tree *ret, struct err *reterr)
{
	char *const roots[] = {(char *)root, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	OWN(closep) int fd = -1;
	struct stat st;
	FTSENT *e;
	int r = 0;

	*ret = (struct tree){0};
	if (!fts)
		return err_errno(reterr, errno, "read '%s'", root);
	fd = roots_open(AT_FDCWD, root, O_RDONLY, reterr);
	if (fd < 0)
		r = fd;
	else if (fstat(fd, &st) < 0)
		r = err_errno(reterr, errno, "read '%s'", root);
	else if (!S_ISDIR(st.st_mode))
		r = err_set(reterr, ERR_INVALID, "'%s' is not a directory", root);
	while (r >= 0 && (e = fts_read(fts)))
		r = visit(ret, fts, e, strlen(root), exclude, reterr);
	fts_close(fts);
	if (r < 0)
		tree_done(ret);
	else if (ret->n)
		qsort(ret->files, ret->n, sizeof(ret->files[0]), by_path);
	return r;
}
