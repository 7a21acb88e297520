/* SPDX-License-Identifier: MIT */
/* Allocates the file, frees its blocks once if the disk is full, and allocates them again later. */
#include "storage/reserve.h"

#include "base/clock.h"
#include "base/own.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define RESERVE_RETRY_US (30 * USEC_PER_SEC)

static void allocate(struct reserve *rv)
{
	bool ok = posix_fallocate(rv->fd, 0, rv->bytes) == 0;

	if (!ok)
		(void)!ftruncate(rv->fd, 0); /* keep no partial reserve */
	__atomic_store_n(&rv->held, ok, __ATOMIC_SEQ_CST);
	rv->next_try_us = clock_mono_us() + RESERVE_RETRY_US;
}

int reserve_open(const char *dir, const char *name, int64_t bytes, struct reserve *ret,
		 struct err *reterr)
{
	struct reserve rv = {.fd = -1, .bytes = bytes};
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_errno(reterr, ENAMETOOLONG, "use the data directory %s", dir);
	rv.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (rv.fd < 0)
		return err_errno(reterr, errno, "open %s", path);
	allocate(&rv);
	*ret = rv;
	return 0;
}

bool reserve_give_up(struct reserve *rv)
{
	return __atomic_exchange_n(&rv->held, false, __ATOMIC_SEQ_CST) && ftruncate(rv->fd, 0) == 0;
}

bool reserve_renew(struct reserve *rv)
{
	struct statvfs vfs;

	if (__atomic_load_n(&rv->held, __ATOMIC_SEQ_CST))
		return true;
	if (clock_mono_us() < rv->next_try_us)
		return false;
	rv->next_try_us = clock_mono_us() + RESERVE_RETRY_US;
	/* Require twice the size, so that the reserve does not take the last blocks from a
	 * commit. */
	if (fstatvfs(rv->fd, &vfs) == 0 && vfs.f_bavail >= 2 * (uint64_t)rv->bytes / vfs.f_frsize)
		allocate(rv);
	return __atomic_load_n(&rv->held, __ATOMIC_SEQ_CST);
}

void reserve_close(struct reserve *rv)
{
	if (rv->fd > 0)
		close(rv->fd);
	rv->fd = -1;
	rv->held = false;
}
