/* SPDX-License-Identifier: MIT */
/*
 * Compares free space, inodes and descriptors with what new work needs, and sorts errors into lack
 * of room and other trouble.
 */
#include "daemon/schedule/headroom.h"

#include "base/descriptors.h"
#include "base/str.h"
#include "daemon/core.h"

#include <errno.h>
#include <inttypes.h>

int headroom_check_disk(const char *dir, const struct statvfs *vfs, int64_t free_min_bytes,
			struct err *reterr)
{
	uint64_t free_bytes = (uint64_t)vfs->f_bavail * vfs->f_frsize;
	char have[24], need[24];

	if (free_bytes < (uint64_t)free_min_bytes)
		return err_set(reterr, ENOSPC,
			       "the disk with %s is full: %s are free, and nothing new starts "
			       "below %s (local.disk_free_min_bytes); free some space",
			       dir, str_bytes(have, sizeof(have), (int64_t)free_bytes),
			       str_bytes(need, sizeof(need), free_min_bytes));
	/* f_files is 0 if the file system creates inodes on demand (btrfs). */
	if (vfs->f_files && vfs->f_favail < HEADROOM_INODES)
		return err_set(
			reterr, ENOSPC,
			"the disk with %s is full: %" PRIu64
			" inodes are free, and nothing new starts below %d; remove some files",
			dir, (uint64_t)vfs->f_favail, HEADROOM_INODES);
	return 0;
}

int headroom_check(const struct manager *mgr, struct err *reterr)
{
	const struct settings *set = mgr->settings;
	struct statvfs vfs;
	int r = store_check_location(mgr->store, reterr);

	if (r < 0)
		return r;
	if (!descriptors_are_left(HEADROOM_DESCRIPTORS))
		return err_set(reterr, ERR_UNAVAILABLE,
			       "the daemon has no file descriptors left; try again later, or raise "
			       "LimitNOFILE= of the service");
	if (statvfs(set->data_dir, &vfs) < 0)
		return 0; /* the next failing call gives a better message */
	return headroom_check_disk(set->data_dir, &vfs, set->disk_free_min_bytes, reterr);
}

bool headroom_is_missing(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EMFILE || r == -ENFILE || r == -EAGAIN ||
	       r == -ENOMEM;
}

bool headroom_look_failed(int r)
{
	return headroom_is_missing(r) || r == -EIO || r == -ESTALE || r == -ETIMEDOUT ||
	       r == -EINTR;
}

int headroom_code(int r)
{
	return r == -ENOSPC || r == -EDQUOT ? -ENOSPC : -ERR_UNAVAILABLE;
}
