/* SPDX-License-Identifier: MIT */
/* See transfer.h: the largest size of an item, and the check for free space. */
#include "transfer/transfer.h"

#include <errno.h>
#include <sys/statvfs.h>

int transfer_add_size(struct transfer *t, const char *what, int64_t size, int64_t *sum,
		      struct err *reterr)
{
	if (size >= 0 && size <= t->limits.download - *sum) {
		*sum += size;
		return 0;
	}
	t->failure_code = "too_large";
	return err_set(reterr, ERR_LIMIT,
		       "cannot fetch %s: all files together have more than the %lld bytes of "
		       "local.max_download",
		       what, (long long)t->limits.download);
}

int transfer_check_room(struct transfer *t, const char *dir, const char *what, int64_t bytes,
			struct err *reterr)
{
	struct statvfs fs;
	int64_t room;

	if (statvfs(dir, &fs) < 0)
		return 0; /* the later write reports the error */
	room = (int64_t)(fs.f_bavail * fs.f_frsize);
	if (bytes <= room)
		return 0;
	t->failure_code = "disk_full";
	return err_set(reterr, ENOSPC,
		       "cannot fetch %s: the download needs %lld bytes, and %lld are free in '%s'",
		       what, (long long)bytes, (long long)room, dir);
}
