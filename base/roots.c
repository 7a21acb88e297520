/* SPDX-License-Identifier: MIT */
/* Keeps the list of roots, and compares the location of an opened file (/proc/self/fd) with it. */
#include "base/roots.h"

#include "base/fileio.h"
#include "base/lfs.h"
#include "base/own.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static const char *const *root_dirs; /* NULL: not set */
static const char *own_dir;

void roots_set(const char *const *dirs, const char *own)
{
	root_dirs = dirs;
	own_dir = own;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

bool roots_hold(const char *real)
{
	char dir[PATH_MAX];

	for (const char *const *root = root_dirs; root && *root; root++)
		if (path_is_below(real, realpath(*root, dir) ? dir : *root))
			return true;
	return !root_dirs;
}

const char *roots_fd_path(int fd, char buf[ROOTS_FD_PATH_MAX])
{
	snprintf(buf, ROOTS_FD_PATH_MAX, "/proc/self/fd/%d", fd);
	return buf;
}

/* The current path of an open descriptor's file. */
static int fd_where(int fd, char *buf, size_t size)
{
	char link[ROOTS_FD_PATH_MAX];
	ssize_t n = readlink(roots_fd_path(fd, link), buf, size - 1);

	if (n < 0)
		return -errno;
	if ((size_t)n == size - 1)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

/* The absolute form of at/path. */
static int whole_path(int at, const char *path, char *buf, size_t size)
{
	char dir[PATH_MAX];
	int r = 0;

	if (path[0] == '/')
		return snprintf(buf, size, "%s", path) < (int)size ? 0 : -ENAMETOOLONG;
	if (at == AT_FDCWD)
		r = getcwd(dir, sizeof(dir)) ? 0 : -errno;
	else
		r = fd_where(at, dir, sizeof(dir));
	if (r < 0)
		return r;
	return path_join(buf, size, dir, path) ? 0 : -ENAMETOOLONG;
}

/* Copy OWN/folder/name of a path below OWN into `tree`. Returns false if the path is not below
 * OWN. */
static bool own_tree(const char *path, char *tree, size_t size)
{
	size_t n;

	if (!own_dir || !path_is_below(path, own_dir))
		return false;
	n = strlen(own_dir);
	for (int i = 0; i < 2; i++) {
		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
	}
	return str_format(tree, size, "%.*s", (int)n, path);
}

static int check_opened(int fd, int at, const char *path, struct err *reterr)
{
	char whole[PATH_MAX], real[PATH_MAX], tree[PATH_MAX];
	int r = whole_path(at, path, whole, sizeof(whole));

	if (r >= 0)
		r = fd_where(fd, real, sizeof(real));
	if (r < 0)
		return err_errno(reterr, -r, "open '%s'", path);
	if (own_tree(whole, tree, sizeof(tree)))
		return path_is_below(real, tree) ? 0
						 : err_set(reterr, EACCES,
							   "'%s' leads out of the directory that a "
							   "job or a download made",
							   path);
	return roots_hold(real)
		       ? 0
		       : err_set(reterr, EACCES,
				 "'%s' leads to '%s', which is not below a root that jobs may "
				 "read; move the file, or add its directory to local.roots",
				 path, real);
}

int roots_check(int fd, const char *path, struct err *reterr)
{
	return root_dirs || own_dir ? check_opened(fd, AT_FDCWD, path, reterr) : 0;
}

int roots_open(int at, const char *path, int flags, struct err *reterr)
{
	OWN(closep) int fd = openat(at, path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return err_errno(reterr, errno, "open '%s'", path);
	if (!root_dirs && !own_dir)
		return TAKE_FD(fd);
	r = check_opened(fd, at, path, reterr);
	return r < 0 ? r : TAKE_FD(fd);
}

int roots_read(const char *path, struct buf *out, struct err *reterr)
{
	OWN(closep) int fd = roots_open(AT_FDCWD, path, O_RDONLY, reterr);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(reterr, ERR_INVALID, "'%s' is not a regular file", path);
	r = fd_read_all(fd, path, out, reterr);
	if (r >= 0 && lfs_is_pointer(out->data, out->len))
		return err_set(reterr, ERR_CORRUPT, "%s is " LFS_POINTER_PROBLEM, path);
	return r;
}

int roots_read_json(const char *path, size_t max_bytes, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(max_bytes);
	int r = roots_read(path, &text, reterr);

	if (r < 0)
		return r;
	r = json_parse(buf_str(&text), text.len, ret, reterr);
	return r < 0 ? err_ctx(reterr, r, "%s", path) : 0;
}

/* Open the next directory of the path. Creates a missing one if `at` is at an allowed location. */
static int step_into(int at, const char *name, const char *path, mode_t mode, struct err *reterr)
{
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? err_errno(reterr, errno, "open '%s'", path) : fd;
	fd = roots_open(at, ".", O_PATH | O_DIRECTORY, reterr);
	if (fd < 0)
		return fd;
	close(fd);
	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return err_errno(reterr, errno, "make directory '%s'", path);
	fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_errno(reterr, errno, "open '%s'", path) : fd;
}

int roots_make_dir(const char *path, mode_t mode, struct err *reterr)
{
	OWN(closep) int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[NAME_MAX + 1];
	const char *rest = path;

	while (at >= 0 && *(rest += strspn(rest, "/"))) {
		size_t n = strcspn(rest, "/");
		int next;

		if (n > NAME_MAX)
			return err_errno(reterr, ENAMETOOLONG, "open '%s'", path);
		str_must_format(name, sizeof(name), "%.*s", (int)n, rest);
		next = step_into(at, name, path, mode, reterr);
		if (next < 0)
			return next;
		close(at);
		at = next;
		rest += n;
	}
	if (at < 0)
		return err_errno(reterr, errno, "open '/'");
	return roots_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, reterr);
}
