/* SPDX-License-Identifier: MIT */
/*
 * A disk that fails, for LD_PRELOAD. While the file $BAD_DISK_IF exists, the call $BAD_DISK_CALL
 * (fdatasync, pwrite, pread) fails with EIO for files whose path ends with $BAD_DISK_FILE. From the
 * first failure on, each sync of a file trainyard.db* is written to $BAD_DISK_LOG, one line each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool failed;

static bool path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void note(const char *call, const char *path)
{
	char line[PATH_MAX + 32];
	int fd = open(getenv("BAD_DISK_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	int n = snprintf(line, sizeof(line), "%s %s\n", call, path);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

static bool fails(const char *call, int fd)
{
	const char *end = getenv("BAD_DISK_FILE"), *name;
	char path[PATH_MAX];
	bool sync = strcmp(call, "fdatasync") == 0, strikes;

	if (!end || !path_of(fd, path))
		return false;
	name = strrchr(path, '/');
	strikes = strcmp(call, getenv("BAD_DISK_CALL")) == 0 && strlen(path) > strlen(end) &&
		  strcmp(path + strlen(path) - strlen(end), end) == 0 &&
		  access(getenv("BAD_DISK_IF"), F_OK) == 0;
	if (strikes || (failed && sync && name && strncmp(name, "/trainyard.db", 13) == 0))
		note(strikes ? "failed" : "synced", path);
	failed = failed || strikes;
	if (strikes)
		errno = EIO;
	return strikes;
}

int fdatasync(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	return fails("fdatasync", fd) ? -1 : next(fd);
}

int fsync(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	return fails("fdatasync", fd) ? -1 : next(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	ssize_t (*next)(int, const void *, size_t, off64_t) =
		(ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");

	return fails("pwrite", fd) ? -1 : next(fd, data, len, at);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t at)
{
	ssize_t (*next)(int, void *, size_t, off64_t) =
		(ssize_t(*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");

	return fails("pread", fd) ? -1 : next(fd, data, len, at);
}
