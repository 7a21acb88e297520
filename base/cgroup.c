/* SPDX-License-Identifier: MIT */
/*
 * Finds the cgroup of this process below the mounted cgroup file system, starts a child in a
 * cgroup, and kills all processes of one.
 */
#include "base/cgroup.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CGROUP_TEXT_MAX 16384
#define MOUNTS_MAX	(1 << 20)
#define MOUNT_ROOT	3 /* the fourth field of a line of mountinfo; see proc(5) */
#define MOUNT_POINT	4

const char *cgroup_find(const char *proc_cgroup, int *ret_len)
{
	for (const char *p = proc_cgroup; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (!str_starts(p, "0::/"))
			continue;
		*ret_len = (int)strcspn(p + 3, "\n");
		return p + 3;
	}
	return NULL;
}

/* Copy field `n` (from 0) of a line into `buf`. Returns false if it is missing, too long, or has an
 * escaped character. */
static bool field_copy(const char *line, int n, char *buf, size_t size)
{
	size_t len;

	for (; n > 0; n--) {
		line += strcspn(line, " \n");
		line += *line == ' ';
	}
	len = strcspn(line, " \n");
	if (!len || len >= size || memchr(line, '\\', len))
		return false;
	memcpy(buf, line, len);
	buf[len] = '\0';
	return true;
}

bool cgroup_mount_find(const char *mountinfo, char *point, char *root, size_t size)
{
	for (const char *p = mountinfo; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *end = p + strcspn(p, "\n"), *type = strstr(p, " - ");

		if (!type || type > end || !str_starts(type + 3, "cgroup2 "))
			continue;
		if (field_copy(p, MOUNT_ROOT, root, size) &&
		    field_copy(p, MOUNT_POINT, point, size))
			return true;
	}
	return false;
}

int cgroup_own(char *buf, size_t size)
{
	OWN(buf_done) struct buf mounts = BUF_INIT(MOUNTS_MAX);
	OWN(buf_done) struct buf text = BUF_INIT(CGROUP_TEXT_MAX);
	char point[PATH_MAX], root[PATH_MAX];
	const char *path;
	size_t skip;
	int len, n;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", &text, NULL) < 0 ||
	    file_read(AT_FDCWD, "/proc/self/mountinfo", &mounts, NULL) < 0)
		return -ENOENT;
	path = cgroup_find(buf_str(&text), &len);
	if (!path || str_starts(path, "/..") ||
	    !cgroup_mount_find(buf_str(&mounts), point, root, sizeof(point)))
		return -ENOENT;
	skip = str_eq(root, "/") ? 0 : strlen(root);
	if (skip > (size_t)len || strncmp(path, root, skip) != 0)
		return -ENOENT;
	n = snprintf(buf, size, "%s%.*s", point, len - (int)skip, path + skip);
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	while (n > 1 && buf[n - 1] == '/')
		buf[--n] = '\0';
	return 0;
}

int cgroup_open(const char *dir, int *ret_fd)
{
	OWN(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOTSUP;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

bool cgroup_can_kill(int fd)
{
	return faccessat(fd, "cgroup.kill", W_OK, AT_EACCESS) == 0;
}

int cgroup_kill(int fd)
{
	OWN(closep) int file = openat(fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	return file < 0 || write(file, "1", 1) != 1 ? -errno : 0;
}

int cgroup_populated(int fd)
{
	static const char key[] = "populated ";
	OWN(buf_done) struct buf text = BUF_INIT(CGROUP_TEXT_MAX);
	const char *at;

	if (file_read(fd, "cgroup.events", &text, NULL) < 0)
		return -EIO;
	at = strstr(buf_str(&text), key);
	return at ? at[sizeof(key) - 1] == '1' : -EIO;
}

pid_t cgroup_fork(int fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)fd,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}
