/* SPDX-License-Identifier: MIT */
/* The replacements of libc's functions, and the text of what they noted. */
#include "tests/unit/sync_trace.h"

#include "base/buf.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct buf notes = BUF_INIT(1 << 20);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void note_sync(int fd)
{
	char link[64], path[PATH_MAX] = "";
	struct stat st;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	pthread_mutex_lock(&lock);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		buf_puts(&notes, "sync DIR/\n");
	else
		buf_printf(&notes, "sync %s\n", last_part(path));
	pthread_mutex_unlock(&lock);
}

static void note_rename(const char *from, const char *to)
{
	pthread_mutex_lock(&lock);
	buf_printf(&notes, "rename %s %s\n", last_part(from), last_part(to));
	pthread_mutex_unlock(&lock);
}

void trace_clear(void)
{
	buf_clear(&notes);
}

const char *trace_text(void)
{
	return buf_str(&notes);
}

/* ---- in the place of libc's ---- */

int fsync(int fd)
{
	note_sync(fd);
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	note_sync(fd);
	return (int)syscall(SYS_fdatasync, fd);
}

int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags)
{
	note_rename(from, to);
	return (int)syscall(SYS_renameat2, at, from, to_at, to, flags);
}

int renameat(int at, const char *from, int to_at, const char *to)
{
	return renameat2(at, from, to_at, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat2(-100 /* AT_FDCWD */, from, -100, to, 0);
}
