/* SPDX-License-Identifier: MIT */
/*
 * Opens with openat2(2) where the kernel and the service allow it. Otherwise opens one name at a
 * time without links, and compares mounts.
 */
#include "base/beneath.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"

#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#define OPEN_TRIES 16 /* openat2 returns EAGAIN if a rename anywhere raced with it */

static int open_by_openat2(int at, const char *path, uint64_t flags, enum beneath_links links)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd;

	if (links == BENEATH_NO_LINKS) {
		how.flags |= O_NOFOLLOW;
		how.resolve |= RESOLVE_NO_SYMLINKS;
	}
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : fd;
}

/* The id of a file's mount; 0 if the kernel does not report it. st_dev does not help: on an overlay
 * the files differ from their directories. */
static uint64_t mount_of(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 && st.stx_mask & STATX_MNT_ID
		       ? st.stx_mnt_id
		       : 0;
}

/* Correct the error: O_DIRECTORY reports a link as "not a directory". */
static int why_not(int dir, const char *name, int errnum)
{
	struct stat st;

	if (errnum == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return -ELOOP;
	return -errnum;
}

/* Open without links and without openat2, one name at a time. */
static int open_by_steps(int at, const char *path, uint64_t flags)
{
	OWN(closep) int dir = -1;
	uint64_t root = mount_of(at);
	char name[NAME_MAX + 1];
	int fd;

	for (;;) {
		size_t len = strcspn(path, "/");
		bool last = !path[len + strspn(path + len, "/")];

		if (!len || len > NAME_MAX || (len == 2 && memcmp(path, "..", 2) == 0))
			return len > NAME_MAX ? -ENAMETOOLONG : -EXDEV;
		memcpy(name, path, len);
		name[len] = '\0';
		fd = openat(dir >= 0 ? dir : at, name,
			    O_NOFOLLOW | O_CLOEXEC | (last ? (int)flags : O_PATH | O_DIRECTORY));
		if (fd < 0)
			return why_not(dir >= 0 ? dir : at, name, errno);
		if (mount_of(fd) != root) {
			close(fd);
			return -EXDEV;
		}
		if (last)
			return fd;
		closep(&dir);
		dir = fd;
		path += len + strspn(path + len, "/");
	}
}

/* Open a path whose links are followed. Resolves the path first and then opens the result without
 * links, so that a later change cannot lead elsewhere. */
static int open_followed(int at, const char *path, uint64_t flags)
{
	char root[PATH_MAX], real[PATH_MAX], link[64];
	OWN(closep) int fd = openat(at, path, O_PATH | O_CLOEXEC);
	ssize_t n, m;

	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	n = readlink(link, root, sizeof(root) - 1);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	m = readlink(link, real, sizeof(real) - 1);
	if (n < 0 || m < 0)
		return -errno;
	root[n] = real[m] = '\0';
	if (m <= n + 1 || strncmp(real, root, (size_t)n) != 0 || real[n] != '/')
		return -EXDEV;
	return open_by_steps(at, real + n + 1, flags);
}

/* openat2 is unavailable in services with RestrictSUIDSGID= (systemd.exec(5)) and on old
 * kernels. */
static int open_at(int at, const char *path, uint64_t flags, enum beneath_links links)
{
	int fd = open_by_openat2(at, path, flags, links), r;

	if (fd != -ENOSYS)
		return fd;
	r = open_by_steps(at, path, flags);
	return r == -ELOOP && links == BENEATH_INNER_LINKS ? open_followed(at, path, flags) : r;
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFLNK:
		return "a link";
	default:
		return "a device";
	}
}

static int open_failed(int r, const char *path, struct err *reterr)
{
	if (r == -ELOOP)
		return err_set(reterr, ERR_INVALID, "%s is a link, not a file", path);
	if (r == -EXDEV)
		return err_set(reterr, ERR_INVALID, "%s leads out of its directory", path);
	if (r == -ENXIO)
		return err_set(reterr, ERR_INVALID, "%s is a socket or a device, not a file", path);
	return err_errno(reterr, -r, "open %s", path);
}

static int check(int at, const char *path, const struct stat *st, int64_t max_bytes,
		 struct err *reterr)
{
	struct stat dir;

	if (!S_ISREG(st->st_mode))
		return err_set(reterr, ERR_INVALID, "%s is %s, not a file", path,
			       type_name(st->st_mode));
	if (fstat(at, &dir) < 0)
		return err_errno(reterr, errno, "open %s", path);
	if (st->st_uid != dir.st_uid)
		return err_set(reterr, ERR_INVALID,
			       "%s belongs to user %u, its directory to user %u", path, st->st_uid,
			       dir.st_uid);
	if (st->st_size > max_bytes)
		return err_set(reterr, ERR_LIMIT, "%s has %lld bytes; at most %lld are read", path,
			       (long long)st->st_size, (long long)max_bytes);
	return 0;
}

int beneath_open(int at, const char *path, enum beneath_links links, int64_t max_bytes, int *ret_fd,
		 struct stat *ret_st, struct err *reterr)
{
	OWN(closep) int fd = open_at(at, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, links);
	struct stat st;
	int r;

	if (fd < 0) {
		r = fd;
		fd = -1;
		return open_failed(r, path, reterr);
	}
	if (fstat(fd, &st) < 0)
		return err_errno(reterr, errno, "open %s", path);
	r = check(at, path, &st, max_bytes, reterr);
	if (r < 0)
		return r;
	if (ret_st)
		*ret_st = st;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int beneath_open_dir(int at, const char *path, int flags, int *ret_fd, struct err *reterr)
{
	int fd = open_at(at, path, (uint64_t)flags | O_RDONLY | O_DIRECTORY, BENEATH_NO_LINKS);

	if (fd < 0)
		return open_failed(fd, path, reterr);
	*ret_fd = fd;
	return 0;
}

int beneath_read(int at, const char *path, struct buf *out, struct err *reterr)
{
	OWN(closep) int fd = -1;
	int r = beneath_open(at, path, BENEATH_NO_LINKS, (int64_t)out->max, &fd, NULL, reterr);

	return r < 0 ? r : fd_read_all(fd, path, out, reterr);
}

int beneath_read_json(int at, const char *path, size_t max_bytes, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(max_bytes);
	int r = beneath_read(at, path, &text, reterr);

	if (r < 0)
		return r;
	r = json_parse(buf_str(&text), text.len, ret, reterr);
	return r < 0 ? err_ctx(reterr, r, "%s", path) : 0;
}

/* Rename a directory in one step, however large it is; it keeps its content under the new name. */
static int move_aside(int at, const char *path)
{
	char aside[NAME_MAX + 1];

	if (unlinkat(at, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (snprintf(aside, sizeof(aside), "%s.aside-%llx", path,
		     (unsigned long long)clock_mono_us()) >= (int)sizeof(aside))
		return -ENAMETOOLONG;
	return renameat2(at, path, at, aside, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

int beneath_create(int at, const char *path, mode_t mode, int *ret_fd, struct err *reterr)
{
	int r = move_aside(at, path), fd;

	if (r < 0)
		return err_errno(reterr, -r, "remove %s", path);
	fd = openat(at, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(reterr, errno, "create %s", path);
	*ret_fd = fd;
	return 0;
}

int beneath_rename(int at, const char *from, const char *to, struct err *reterr)
{
	int r = renameat(at, from, at, to) < 0 ? -errno : 0;

	if (r == -EISDIR || r == -ENOTEMPTY || r == -EEXIST) {
		r = move_aside(at, to);
		if (r >= 0 && renameat(at, from, at, to) < 0)
			r = -errno;
	}
	return r < 0 ? err_errno(reterr, -r, "rename %s to %s", from, to) : 0;
}
