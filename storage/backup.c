/* SPDX-License-Identifier: MIT */
/* One read transaction holds the state that is copied, so that commits meanwhile do not start the
 * copy anew. */
#include "storage/backup.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/read/internal.h"

#include <limits.h>

static int copy(struct db *db, const char *path, struct err *reterr)
{
	int64_t seq;
	int r = db_begin_read(db, reterr);

	if (r >= 0) /* the transaction begins with its first read */
		r = db_get_int(db, "SELECT count(*) FROM meta", NULL, 0, 0, &seq, reterr);
	if (r >= 0)
		r = db_backup(db, path, reterr);
	db_end_read(db);
	return r;
}

static int check(const char *path, struct err *reterr)
{
	OWN(db_closep) struct db *db = NULL;
	int r = db_open(path, DB_READER, &db, reterr);

	return r < 0 ? r : db_quick_check(db, "keep the last backups", reterr);
}

/* The readers of the copy left these beside it. */
static void remove_parts(const char *path)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	char part[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_format(part, sizeof(part), "%s%s", path, ends[i]))
			unlink(part);
}

static int give_name(const char *dir, const char *from, const char *to, struct err *reterr)
{
	OWN(closep) int fd = open(from, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(reterr, errno, "sync %s", from);
	if (path_exists(AT_FDCWD, to))
		return err_set(reterr, ERR_EXISTS, "%s exists", to);
	if (rename(from, to) < 0)
		return err_errno(reterr, errno, "rename %s", from);
	r = dir_sync(AT_FDCWD, dir);
	return r < 0 ? err_errno(reterr, -r, "sync %s", dir) : 0;
}

int store_backup(struct store_reader *sr, const char *dir, const char *name, struct err *reterr)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	int r;

	if (!str_format(path, sizeof(path), "%s/%s", dir, name) ||
	    !str_format(tmp, sizeof(tmp), "%s/%s.tmp", dir, name))
		return err_errno(reterr, ENAMETOOLONG, "use the directory %s", dir);
	remove_parts(tmp);
	r = copy(sr->db, tmp, reterr);
	if (r >= 0)
		r = check(tmp, reterr);
	if (r >= 0)
		r = give_name(dir, tmp, path, reterr);
	remove_parts(tmp);
	return r;
}
