/* SPDX-License-Identifier: MIT */
/* Full disk: free space and write again. */
#include "storage/db_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t full_lock = PTHREAD_MUTEX_INITIALIZER;
static bool (*full_fn)(void *userdata, int64_t *ret_claim);
static void *full_userdata;

void db_on_full(bool (*make_room)(void *userdata, int64_t *ret_claim), void *userdata)
{
	pthread_mutex_lock(&full_lock);
	full_fn = make_room;
	full_userdata = userdata;
	pthread_mutex_unlock(&full_lock);
}

static ssize_t pwrite_or_make_room(int fd, const void *data, size_t len, off_t at)
{
	ssize_t n = pwrite(fd, data, len, at);
	int64_t claim = 0;
	bool room = false;

	if (n >= 0 || (errno != ENOSPC && errno != EDQUOT))
		return n;
	pthread_mutex_lock(&full_lock);
	if (full_fn)
		room = full_fn(full_userdata, &claim);
	pthread_mutex_unlock(&full_lock);
	/* Other writers also wait for free blocks: take them at once. */
	if (room && claim)
		(void)!fallocate(fd, FALLOC_FL_KEEP_SIZE, at, claim);
	if (room)
		return pwrite(fd, data, len, at);
	errno = ENOSPC; /* SQLite reports a full disk in no other way */
	return -1;
}

/* If a COMMIT meets a full disk, SQLite rolls back and the commit cannot be tried again. So the
 * second try happens one level below, at the write itself. */
void db_hook_writes(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	if (!vfs || vfs->iVersion < 3 || !vfs->xSetSystemCall)
		return;
	vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)pwrite_or_make_room);
	vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)pwrite_or_make_room);
}
