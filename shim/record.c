/* SPDX-License-Identifier: MIT */
/* Reserves the space of exit.json, and puts the record in place by a rename. */
#include "shim/record.h"

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

int record_reserve(int dirfd, int *ret_fd, struct err *reterr)
{
	OWN(closep)
	int fd = openat(dirfd, EXECUTION_EXIT_TMP,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int r = fd < 0 ? errno : posix_fallocate(fd, 0, RECORD_RESERVE_BYTES);

	if (r) {
		unlinkat(dirfd, EXECUTION_EXIT_TMP, 0);
		return err_errno(reterr, r, "reserve space for %s", EXECUTION_EXIT);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* True if `name` is a link to the open file. */
static bool is_name_of(int dirfd, const char *name, int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int write_text(int fd, const char *text, size_t len)
{
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd_write_all(fd, text, len);

	return r >= 0 && (ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0) ? -errno : r;
}

/* Put the record in place. If the program has removed or replaced the reserved file, a new file
 * takes its place. */
static int place(int dirfd, int fd, const char *text, size_t len, struct err *reterr)
{
	OWN(closep) int fresh = -1;
	int r;

	if (is_name_of(dirfd, EXECUTION_EXIT_TMP, fd))
		return beneath_rename(dirfd, EXECUTION_EXIT_TMP, EXECUTION_EXIT, reterr);
	if (is_name_of(dirfd, EXECUTION_EXIT, fd))
		return 0;
	r = beneath_create(dirfd, EXECUTION_EXIT_TMP, 0640, &fresh, reterr);
	if (r < 0)
		return r;
	r = write_text(fresh, text, len);
	return r < 0 ? err_errno(reterr, -r, "write %s", EXECUTION_EXIT)
		     : beneath_rename(dirfd, EXECUTION_EXIT_TMP, EXECUTION_EXIT, reterr);
}

int record_write(int dirfd, int fd, const struct exit_record *rec, struct err *reterr)
{
	OWN(json_decrefp) json_t *j = exit_record_format(rec);
	OWN(freep) char *text = j ? json_text(j) : NULL;
	size_t len = text ? strlen(text) : 0;
	int r;

	if (!text)
		return err_errno(reterr, ENOMEM, "write %s", EXECUTION_EXIT);
	assert(len <= RECORD_RESERVE_BYTES);
	r = write_text(fd, text, len);
	if (r < 0)
		return err_errno(reterr, -r, "write %s", EXECUTION_EXIT);
	r = place(dirfd, fd, text, len, reterr);
	if (r < 0)
		return r;
	r = dir_sync(dirfd, ".");
	return r < 0 ? err_errno(reterr, -r, "write %s", EXECUTION_EXIT) : 0;
}
