/* SPDX-License-Identifier: MIT */
#include "worker/shim/record.h"

#include "base/fileio.h"
#include "base/own.h"

#include <assert.h>
#include <string.h>

#define RECORD_TMP EXECUTION_EXIT ".tmp"

int record_reserve(int dirfd, int *ret_fd, struct err *reterr)
{
	OWN(closep)
	int fd = openat(dirfd, RECORD_TMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0640);
	int r = fd < 0 ? errno : posix_fallocate(fd, 0, RECORD_RESERVE_BYTES);

	if (r) {
		unlinkat(dirfd, RECORD_TMP, 0);
		return err_errno(reterr, r, "reserve space for %s", EXECUTION_EXIT);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int record_write(int dirfd, int fd, const struct exit_record *rec, struct err *reterr)
{
	OWN(json_decrefp) json_t *j = exit_record_format(rec);
	OWN(freep) char *text = j ? json_text(j) : NULL;
	size_t len = text ? strlen(text) : 0;
	int r = 0;

	if (!text)
		return err_errno(reterr, ENOMEM, "write %s", EXECUTION_EXIT);
	assert(len <= RECORD_RESERVE_BYTES);
	if (lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r >= 0)
		r = fd_write_all(fd, text, len);
	if (r >= 0 && (ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r >= 0 && renameat(dirfd, RECORD_TMP, dirfd, EXECUTION_EXIT) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0)
		r = dir_sync(dirfd, ".");
	return r < 0 ? err_errno(reterr, -r, "write %s", EXECUTION_EXIT) : 0;
}
