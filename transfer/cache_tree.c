/* SPDX-License-Identifier: MIT */
/* See cache_tree.h. */
#include "transfer/cache_tree.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* Called for every entry below a directory, for a folder after its content. A negative result ends
 * the walk. */
typedef int (*visit_fn)(int at, const char *name, const struct stat *st, void *userdata,
			struct err *reterr);

static int walk(int dirfd, visit_fn visit, void *userdata, struct err *reterr);

static int walk_entry(int at, const char *name, visit_fn visit, void *userdata, struct err *reterr)
{
	struct stat st;
	int r = 0;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(reterr, errno, "read %s", name);
	if (S_ISDIR(st.st_mode)) {
		int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return errno == ENOENT ? 0 : err_errno(reterr, errno, "open %s", name);
		r = walk(fd, visit, userdata, reterr);
	}
	return r < 0 ? r : visit(at, name, &st, userdata, reterr);
}

/* Owns dirfd. */
static int walk(int dirfd, visit_fn visit, void *userdata, struct err *reterr)
{
	DIR *dir = fdopendir(dirfd);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		close(dirfd);
		return err_errno(reterr, ENOMEM, "read a folder of the cache");
	}
	while (r >= 0 && (d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			r = walk_entry(dirfd, d->d_name, visit, userdata, reterr);
	closedir(dir);
	return r;
}

static int walk_path(const char *path, visit_fn visit, void *userdata, struct err *reterr)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(reterr, errno, "open %s", path);
	return walk(fd, visit, userdata, reterr);
}

static int seal_one(int at, const char *name, const struct stat *st, void *userdata,
		    struct err *reterr)
{
	const struct timespec stamp[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = TREE_SEAL_SECONDS}};
	OWN(closep) int fd = -1;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return err_set(reterr, ERR_CORRUPT, "%s is neither a file nor a folder", name);
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(reterr, errno, "open %s", name);
	if (S_ISREG(st->st_mode) &&
	    (fchmod(fd, 0444 | (st->st_mode & 0111)) < 0 || futimens(fd, stamp) < 0))
		return err_errno(reterr, errno, "write-protect %s", name);
	return fsync(fd) < 0 ? err_errno(reterr, errno, "sync %s", name) : 0;
}

int cache_tree_seal(const char *dir, struct err *reterr)
{
	int r = walk_path(dir, seal_one, NULL, reterr);

	if (r >= 0 && dir_sync(AT_FDCWD, dir) < 0)
		r = err_errno(reterr, errno, "sync %s", dir);
	return r;
}

static int measure_one(int at, const char *name, const struct stat *st, void *userdata,
		       struct err *reterr)
{
	struct cache_facts *facts = userdata;

	facts->bytes += (int64_t)st->st_blocks * 512;
	if (S_ISREG(st->st_mode)) {
		facts->linked |= st->st_nlink > 1;
		facts->spoiled |= st->st_mtim.tv_sec != TREE_SEAL_SECONDS;
	}
	return 0;
}

void cache_tree_measure(const char *dir, struct cache_facts *ret)
{
	*ret = (struct cache_facts){0};
	if (walk_path(dir, measure_one, ret, NULL) < 0)
		ret->spoiled = true;
}

static int copy_file(int from_at, const char *from, int to_at, const char *to, struct err *reterr)
{
	int r = file_copy(from_at, from, to_at, to, reterr);

	if (r >= 0 && fchmodat(to_at, to, 0644, 0) < 0)
		r = err_errno(reterr, errno, "write %s", to);
	return r;
}

/* True for: no links on this file system, another file system, too many links, the kernel's
 * protected_hardlinks. */
static bool cannot_link(int e)
{
	return e == EXDEV || e == EPERM || e == EMLINK || e == EOPNOTSUPP || e == EACCES;
}

int cache_tree_link_file(const char *from, const char *to, struct err *reterr)
{
	if (link(from, to) == 0)
		return 0;
	if (!cannot_link(errno))
		return err_errno(reterr, errno, "link %s to %s", from, to);
	return copy_file(AT_FDCWD, from, AT_FDCWD, to, reterr);
}

static int link_tree(int from_at, int to_at, struct err *reterr);

static int link_folder(int from_at, const char *name, int to_at, struct err *reterr)
{
	OWN(closep) int from = -1;
	OWN(closep) int to = -1;

	if (mkdirat(to_at, name, 0755) < 0)
		return err_errno(reterr, errno, "make the folder %s", name);
	from = openat(from_at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(to_at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return err_errno(reterr, errno, "open the folder %s", name);
	return link_tree(from, to, reterr);
}

static int link_one(int from_at, const char *name, int to_at, struct err *reterr)
{
	struct stat st;

	if (fstatat(from_at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(reterr, errno, "read %s", name);
	if (S_ISDIR(st.st_mode))
		return link_folder(from_at, name, to_at, reterr);
	if (linkat(from_at, name, to_at, name, 0) == 0)
		return 0;
	if (!cannot_link(errno))
		return err_errno(reterr, errno, "link %s", name);
	return copy_file(from_at, name, to_at, name, reterr);
}

static int link_tree(int from_at, int to_at, struct err *reterr)
{
	int fd = fcntl(from_at, F_DUPFD_CLOEXEC, 0), r = 0;
	struct dirent *d;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		r = err_errno(reterr, errno, "read a folder of the cache");
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r >= 0 && (d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			r = link_one(from_at, d->d_name, to_at, reterr);
	closedir(dir);
	return r;
}

int cache_tree_link(const char *from, const char *into, struct err *reterr)
{
	OWN(closep) int from_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWN(closep) int to_fd = -1;

	if (from_fd < 0)
		return err_errno(reterr, errno, "open %s", from);
	if (mkdir(into, 0755) < 0)
		return err_errno(reterr, errno, "make the folder %s", into);
	to_fd = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to_fd < 0)
		return err_errno(reterr, errno, "open %s", into);
	return link_tree(from_fd, to_fd, reterr);
}
