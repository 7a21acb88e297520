/* SPDX-License-Identifier: MIT */
/*
 * Walks a source_dir in a fixed order: once to hash it, and once to copy it to a temporary name,
 * which is then renamed to the hash.
 */
#include "daemon/submit/sources.h"

#include "base/fileio.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "base/tree.h"
#include "daemon/manager.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 32

struct tree {
	struct hash *hash;
	int64_t bytes, files;
	int to; /* destination directory; -1: only hash */
};

static bool left_out(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..") || str_eq(name, ".git") ||
	       str_eq(name, "__pycache__");
}

static int select_entry(const struct dirent *e)
{
	return !left_out(e->d_name);
}

/* Sort names by bytes, so that the hash depends on neither the file system nor the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* `fd` is the open file, so that the checked file is the copied one. */
static int add_file(struct tree *t, int fd, const char *path, const struct stat *st,
		    struct err *reterr)
{
	char hex[HASH_HEX_LEN], opened[ROOTS_FD_PATH_MAX];
	int r;

	t->files++;
	t->bytes += st->st_size;
	if (t->files > MANAGER_SOURCE_FILES_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "the directory has more than %d files; name one with only the code",
			       MANAGER_SOURCE_FILES_MAX);
	if (t->bytes > MANAGER_SOURCE_BYTES_MAX)
		return err_set(
			reterr, ERR_LIMIT,
			"the directory is larger than %d MiB; move data and models out of it",
			MANAGER_SOURCE_BYTES_MAX >> 20);
	roots_fd_path(fd, opened);
	r = t->to >= 0 ? file_copy(AT_FDCWD, opened, t->to, path, reterr)
		       : hash_file(AT_FDCWD, opened, hex, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "%s", path);
	if (t->to >= 0)
		return 0;
	hash_update(t->hash, path, strlen(path) + 1);
	hash_update(t->hash, st->st_mode & 0100 ? "x" : "-", 1);
	hash_update(t->hash, hex, strlen(hex));
	return 0;
}

static int walk(struct tree *t, int from, const char *path, int depth, struct err *reterr);

static int add_dir(struct tree *t, int fd, const char *path, int depth, struct err *reterr)
{
	if (depth >= DEPTH_MAX)
		return err_set(reterr, ERR_LIMIT, "%s is more than %d directories deep; flatten it",
			       path, DEPTH_MAX);
	if (t->to >= 0) {
		int r = dir_make(t->to, path, 0755, reterr);

		if (r < 0)
			return r;
	}
	return walk(t, fd, path, depth + 1, reterr);
}

/* Links are followed if they lead to a file below the roots; the copy has no links. */
static int add_entry(struct tree *t, int from, const char *name, const char *path, int depth,
		     struct err *reterr)
{
	OWN(closep) int fd = -1;
	struct stat st;

	if (fstatat(from, name, &st, 0) < 0)
		return err_errno(reterr, errno, "read %s", path);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = roots_open(from, name, O_RDONLY, reterr);
		if (fd < 0)
			return fd;
		if (fstat(fd, &st) < 0)
			return err_errno(reterr, errno, "read %s", path);
	}
	if (S_ISREG(st.st_mode))
		return add_file(t, fd, path, &st, reterr);
	if (S_ISDIR(st.st_mode))
		return add_dir(t, fd, path, depth, reterr);
	return err_set(
		reterr, ERR_INVALID,
		"%s is a special file; source_dir may have files, directories and links only",
		path);
}

static int walk(struct tree *t, int from, const char *path, int depth, struct err *reterr)
{
	struct dirent **names = NULL;
	int n = scandirat(from, ".", &names, select_entry, by_bytes), r = 0;

	if (n < 0)
		return err_errno(reterr, errno, "read %s", path[0] ? path : "it");
	for (int i = 0; i < n; i++) {
		char below[PATH_MAX];

		if (r >= 0 && snprintf(below, sizeof(below), "%s%s%s", path, path[0] ? "/" : "",
				       names[i]->d_name) >= (int)sizeof(below))
			r = err_errno(reterr, ENAMETOOLONG, "read %s", path);
		if (r >= 0)
			r = add_entry(t, from, names[i]->d_name, below, depth, reterr);
		free(names[i]);
	}
	free(names);
	return r;
}

/* Copy to a temporary name, then rename: a directory named by its hash is always complete. */
static int copy_tree(int from, const char *final, struct err *reterr)
{
	char tmp[PATH_MAX], id[ID_LEN];
	struct tree t = {.to = -1};
	struct err ignored;
	int r;

	id_new('s', id);
	if (snprintf(tmp, sizeof(tmp), "%s.%s", final, id) >= (int)sizeof(tmp))
		return err_errno(reterr, ENAMETOOLONG, "copy the source_dir");
	r = dir_make(AT_FDCWD, tmp, 0755, reterr);
	if (r < 0)
		return r;
	t.to = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = t.to < 0 ? err_errno(reterr, errno, "open %s", tmp) : walk(&t, from, "", 0, reterr);
	closep(&t.to);
	if (r >= 0 && rename(tmp, final) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		r = err_errno(reterr, errno, "put %s in place", final);
	if (r < 0 || path_exists(AT_FDCWD, tmp))
		(void)!tree_remove(AT_FDCWD, tmp, &ignored);
	return r;
}

int source_freeze(const char *sources, const char *dir, bool dry, char *ret, size_t size,
		  struct err *reterr)
{
	OWN(hash_freep) struct hash *hash = hash_new();
	OWN(closep) int from = roots_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, reterr);
	struct tree t = {.hash = hash, .to = -1};
	char hex[HASH_HEX_LEN];
	int r;

	if (from < 0)
		return from;
	r = walk(&t, from, "", 0, reterr);
	if (r < 0)
		return r;
	hash_hex(hash, hex);
	if (!path_join(ret, size, sources, hex))
		return err_errno(reterr, ENAMETOOLONG, "put the copy of the source_dir in place");
	if (dry || path_is_dir(AT_FDCWD, ret))
		return 0;
	r = dir_make(AT_FDCWD, sources, 0755, reterr);
	return r < 0 ? r : copy_tree(from, ret, reterr);
}
