/* SPDX-License-Identifier: MIT */
/* Reads and writes whole files, makes files and names durable, and joins and checks paths. */
#include "base/fileio.h"

#include "base/own.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define READ_CHUNK 65536

int fd_read_all(int fd, const char *name, struct buf *out, struct err *reterr)
{
	for (;;) {
		size_t room = out->max - out->len;
		size_t want = room < READ_CHUNK ? room : READ_CHUNK;
		char *to = buf_reserve(out, want);
		char past;
		ssize_t n;

		if (!to)
			return err_errno(reterr, ENOMEM, "read %s", name);
		n = want ? read(fd, to, want) : read(fd, &past, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(reterr, errno, "read %s", name);
		if (n == 0)
			return 0;
		if (!want)
			return err_set(reterr, ERR_LIMIT, "%s is larger than %zu bytes", name,
				       out->max);
		buf_added(out, (size_t)n);
	}
}

int file_read(int at, const char *path, struct buf *out, struct err *reterr)
{
	OWN(closep) int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(reterr, errno, "read %s", path);
	if (S_ISDIR(st.st_mode))
		return err_errno(reterr, EISDIR, "read %s", path);
	return fd_read_all(fd, path, out, reterr);
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* fsync the directory that contains the entry `path`. */
static int parent_sync(int at, const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (!slash)
		return dir_sync(at, ".");
	if (n >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, n);
	parent[n] = '\0';
	return dir_sync(at, n ? parent : "/");
}

/* Write PATH.tmp and rename it; with fsync of the file if `sync`. */
static int replace_file(int at, const char *path, const void *data, size_t len, mode_t mode,
			bool sync, struct err *reterr)
{
	char tmp[PATH_MAX];
	OWN(closep) int fd = -1;
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
		return err_errno(reterr, ENAMETOOLONG, "write %s", path);
	fd = openat(at, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno(reterr, errno, "create %s", tmp);
	r = fd_write_all(fd, data, len);
	if (r >= 0 && sync && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && renameat(at, tmp, at, path) < 0)
		r = -errno;
	if (r >= 0)
		return 0;
	unlinkat(at, tmp, 0);
	return err_errno(reterr, -r, "write %s", path);
}

int file_write_atomic(int at, const char *path, const void *data, size_t len, mode_t mode,
		      struct err *reterr)
{
	int r = replace_file(at, path, data, len, mode, true, reterr);

	if (r < 0)
		return r;
	r = parent_sync(at, path);
	return r < 0 ? err_errno(reterr, -r, "sync the directory of %s", path) : 0;
}

int file_write_unsynced(int at, const char *path, const void *data, size_t len, mode_t mode,
			struct err *reterr)
{
	return replace_file(at, path, data, len, mode, false, reterr);
}

int file_name_durably(int fd, const char *from, const char *to, struct err *reterr)
{
	int r;

	if (fd >= 0 && fsync(fd) < 0)
		return err_errno(reterr, errno, "sync %s", from);
	if (rename(from, to) < 0)
		return err_errno(reterr, errno, "put %s in place", to);
	r = parent_sync(AT_FDCWD, to);
	return r < 0 ? err_errno(reterr, -r, "sync the directory of %s", to) : 0;
}

int dir_sync(int at, const char *path)
{
	OWN(closep) int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int dir_make(int at, const char *path, mode_t mode, struct err *reterr)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return err_errno(reterr, ENAMETOOLONG, "make directory %s", path);
	memcpy(part, path, n + 1);
	for (char *p = part + 1;; p++) {
		char was = *p;

		if (was && was != '/')
			continue;
		*p = '\0';
		if (mkdirat(at, part, mode) < 0 && errno != EEXIST)
			return err_errno(reterr, errno, "make directory %s", part);
		if (!was)
			break;
		*p = '/';
	}
	if (!path_is_dir(at, path))
		return err_errno(reterr, ENOTDIR, "make directory %s", path);
	return 0;
}

int file_copy(int from_dirfd, const char *from, int to_dirfd, const char *to, struct err *reterr)
{
	OWN(closep) int in = openat(from_dirfd, from, O_RDONLY | O_CLOEXEC);
	OWN(closep) int out = -1;
	char chunk[READ_CHUNK];
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return err_errno(reterr, errno, "copy %s", from);
	out = openat(to_dirfd, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777);
	if (out < 0)
		return err_errno(reterr, errno, "copy to %s", to);
	for (;;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)1 << 30, 0);

		if (n > 0)
			continue;
		if (n == 0)
			return 0;
		if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
			return err_errno(reterr, errno, "copy %s to %s", from, to);
		break;
	}
	for (;;) {
		ssize_t n = read(in, chunk, sizeof(chunk));
		int r;

		if (n == 0)
			return 0;
		r = n < 0 ? -errno : fd_write_all(out, chunk, (size_t)n);
		if (r < 0)
			return err_errno(reterr, -r, "copy %s to %s", from, to);
	}
}

bool path_exists(int at, const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, 0) == 0;
}

bool path_is_dir(int at, const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

bool path_is_inside(const char *path)
{
	if (!*path || *path == '/')
		return false;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
		if (*path)
			path++;
	}
	return true;
}

bool path_join(char *buf, size_t size, const char *a, const char *b)
{
	size_t n = strlen(a);
	const char *gap = n && a[n - 1] != '/' ? "/" : "";

	return snprintf(buf, size, "%s%s%s", a, gap, b) < (int)size;
}

int socket_address(int at, const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	int n;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", at, name);
	if (n >= (int)sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n + 1);
	return 0;
}

bool dir_is_removed(int dirfd)
{
	struct stat st;

	return fstat(dirfd, &st) == 0 && st.st_nlink == 0;
}
