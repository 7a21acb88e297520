/* SPDX-License-Identifier: MIT */
/*
 * Copies files, links and directories by recursion. Files keep their permissions, and their owner
 * may write.
 */
#include "worker/script/copy.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static int copy_dir(int from, int to, int depth, struct err *reterr);

static int copy_link(int from, const char *name, int to, struct err *reterr)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_errno(reterr, errno, "read link %s", name);
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 && errno != EEXIST)
		return err_errno(reterr, errno, "make link %s", name);
	return 0;
}

static int copy_file(int from, const char *name, int to, mode_t mode, struct err *reterr)
{
	OWN(closep) int fd = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char opened[ROOTS_FD_PATH_MAX];
	int r = fd < 0 ? err_errno(reterr, errno, "read %s", name)
		       : file_copy(AT_FDCWD, roots_fd_path(fd, opened), to, name, reterr);

	if (r >= 0 && fchmodat(to, name, (mode & 0777) | S_IWUSR, 0) < 0)
		r = err_errno(reterr, errno, "copy %s", name);
	return r;
}

static int copy_subdir(int from, const char *name, int to, int depth, struct err *reterr)
{
	OWN(closep) int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	OWN(closep) int out = -1;

	if (depth > COPY_DEPTH_MAX)
		return err_set(reterr, ERR_LIMIT, "the tree is more than %d directories deep",
			       COPY_DEPTH_MAX);
	if (mkdirat(to, name, 0755) < 0 && errno != EEXIST)
		return err_errno(reterr, errno, "make directory %s", name);
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || out < 0)
		return err_errno(reterr, errno, "open directory %s", name);
	return copy_dir(in, out, depth, reterr);
}

static int copy_entry(int from, const char *name, int to, int depth, struct err *reterr)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(reterr, errno, "read %s", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from, name, to, st.st_mode, reterr);
	case S_IFDIR:
		return copy_subdir(from, name, to, depth + 1, reterr);
	case S_IFLNK:
		return copy_link(from, name, to, reterr);
	default:
		return err_set(reterr, ERR_INVALID, "%s is neither a file, a directory nor a link",
			       name);
	}
}

static int copy_dir(int from, int to, int depth, struct err *reterr)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWN(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return err_errno(reterr, errno, "read a directory");
	while ((e = readdir(d))) {
		int r;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		r = copy_entry(from, e->d_name, to, depth, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int copy_tree(int from_at, const char *from, int to_at, const char *to, struct err *reterr)
{
	OWN(closep) int in = openat(from_at, from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWN(closep) int out = -1;
	int r;

	if (in < 0)
		return err_errno(reterr, errno, "open directory %s", from);
	r = dir_make(to_at, to, 0755, reterr);
	if (r < 0)
		return r;
	out = openat(to_at, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out < 0)
		return err_errno(reterr, errno, "open directory %s", to);
	r = copy_dir(in, out, 0, reterr);
	return r < 0 ? err_ctx(reterr, r, "cannot copy %s", from) : 0;
}
