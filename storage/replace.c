/* SPDX-License-Identifier: MIT */
/* Copies the backup to trainyard.db.restoring, opens and checks that, and renames. */
#include "storage/replace.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/db.h"
#include "storage/lockfile.h"
#include "storage/migrate.h"
#include "storage/store_restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_RESERVE 64 /* bytes for the longest ending of a name */

struct replace_inside {
	struct lockfile lock;
	char dir[PATH_MAX], file[PATH_MAX], copy[PATH_MAX];
	bool copied;
};

/* A database and what SQLite keeps beside it. */
static const char *const ends[] = {"", "-wal", "-shm"};

static bool part_of(char buf[PATH_MAX], const char *path, size_t i)
{
	return str_format(buf, PATH_MAX, "%s%s", path, ends[i]);
}

/* ---- facts ---- */

static int read_facts(struct db *db, struct replace_facts *ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(db,
			 "SELECT (SELECT at_us FROM events ORDER BY seq DESC LIMIT 1), "
			 "(SELECT count(*) FROM runs), (SELECT count(*) FROM jobs WHERE state IN "
			 "('blocked', 'queued', 'starting', 'running', 'stopping'))",
			 NULL, 0, &q, reterr);

	if (r < 0)
		return r;
	*ret = (struct replace_facts){
		.readable = true,
		.newest_us = db_col_int(q, 0),
		.runs = db_col_int(q, 1),
		.unfinished = db_col_int(q, 2),
	};
	return 0;
}

/* A present database that cannot be read is no error: the user may replace it for that reason. */
static void look_at_present(const char *file, struct replace_facts *ret)
{
	OWN(db_closep) struct db *db = NULL;

	if (!path_exists(AT_FDCWD, file) || db_open(file, DB_READER, &db, NULL) < 0 ||
	    read_facts(db, ret, NULL) < 0)
		*ret = (struct replace_facts){0};
}

/* ---- the copy ---- */

static void remove_copy(const struct replace_inside *in)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (part_of(path, in->copy, i))
			unlink(path);
}

/* The log of SQLite belongs to the backup if it lies beside it. */
static int copy_parts(const struct replace_inside *in, const char *backup, struct err *reterr)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < 2; i++) {
		if (!part_of(from, backup, i) || !part_of(to, in->copy, i))
			return err_errno(reterr, ENAMETOOLONG, "use the path %s", backup);
		if (i == 0 || path_exists(AT_FDCWD, from))
			r = file_copy(AT_FDCWD, from, AT_FDCWD, to, reterr);
	}
	return r;
}

static int mark(struct db *db, const char *backup, struct err *reterr)
{
	int r = db_begin(db, reterr);

	if (r < 0)
		return r;
	r = db_run(db, "DELETE FROM meta WHERE key = '" STORE_RESTORED_US "'", NULL, 0, reterr);
	if (r >= 0)
		r = db_run(db,
			   "INSERT OR REPLACE INTO meta (key, value) VALUES "
			   "('" STORE_RESTORED_FROM "', ?)",
			   DB_ARGS(DB_TEXT(backup)), reterr);
	if (r >= 0)
		return db_commit(db, reterr);
	db_rollback(db);
	return r;
}

static int check_copy(struct replace *rp, const char *backup, struct err *reterr)
{
	OWN(db_closep) struct db *db = NULL;
	int r = db_open(rp->inside->copy, DB_WRITER, &db, reterr);

	if (r >= 0)
		r = migrate_check(db, backup, migrations_n, reterr);
	if (r >= 0)
		r = db_quick_check(db, "restore another backup", reterr);
	if (r >= 0)
		r = read_facts(db, &rp->backup, reterr);
	return r < 0 ? r : mark(db, backup, reterr);
}

/* The daemon's user owns the directory, and root may run this. */
static int make_private(const struct replace_inside *in, struct err *reterr)
{
	struct stat dir;

	if (stat(in->dir, &dir) < 0 || chmod(in->copy, 0600) < 0 ||
	    (geteuid() == 0 && chown(in->copy, dir.st_uid, dir.st_gid) < 0))
		return err_errno(reterr, errno, "keep %s private", in->copy);
	return 0;
}

static int copy(struct replace *rp, const char *backup, struct err *reterr)
{
	struct replace_inside *in = rp->inside;
	struct stat st;
	int r;

	if (stat(backup, &st) < 0)
		return err_errno(reterr, errno, "read the backup %s", backup);
	if (!S_ISREG(st.st_mode))
		return err_set(reterr, ERR_UNSUPPORTED, "%s is not a regular file", backup);
	remove_copy(in);
	in->copied = true;
	r = copy_parts(in, backup, reterr);
	if (r >= 0)
		r = make_private(in, reterr);
	if (r >= 0)
		r = check_copy(rp, backup, reterr);
	return r < 0 ? err_ctx(reterr, r, "%s cannot be restored", backup) : 0;
}

static int set_names(struct replace *rp, const char *dir, struct err *reterr)
{
	struct replace_inside *in = rp->inside;
	char at[CLOCK_TEXT_LEN];

	if (!str_copy(in->dir, sizeof(in->dir), dir) ||
	    !str_format(in->file, sizeof(in->file) - NAME_RESERVE, "%s/%s", dir, STORE_FILE))
		return err_errno(reterr, ENAMETOOLONG, "use the data directory %s", dir);
	str_must_format(in->copy, sizeof(in->copy), "%.*s/" STORE_RESTORING_FILE,
			PATH_MAX - NAME_RESERVE, dir);
	rp->replaces = path_exists(AT_FDCWD, in->file);
	str_must_format(rp->aside, sizeof(rp->aside), "%.*s.before-restore-%s",
			PATH_MAX - NAME_RESERVE, in->file, clock_format(at, clock_now_us()));
	return 0;
}

int replace_open(const char *dir, const char *backup, struct replace *ret, struct err *reterr)
{
	int r;

	*ret = (struct replace){.inside = calloc(1, sizeof(*ret->inside))};
	if (!ret->inside)
		return err_errno(reterr, ENOMEM, "restore a backup");
	ret->inside->lock.fd = -1;
	r = dir_make(AT_FDCWD, dir, 0700, reterr);
	if (r >= 0)
		r = lockfile_open(dir, &ret->inside->lock, reterr);
	if (r >= 0)
		r = set_names(ret, dir, reterr);
	if (r < 0)
		return r;
	look_at_present(ret->inside->file, &ret->present);
	return copy(ret, backup, reterr);
}

/* ---- the exchange ---- */

/* The database goes first: a database without its log would silently lack its newest commits, and a
 * log without a database is refused at the next start. */
static int put_aside(const struct replace *rp, struct err *reterr)
{
	const struct replace_inside *in = rp->inside;
	char from[PATH_MAX], to[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (!part_of(from, in->file, i) || !part_of(to, rp->aside, i))
			return err_errno(reterr, ENAMETOOLONG, "use the path %s", in->file);
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_errno(reterr, errno, "rename %s to %s", from, to);
	}
	return 0;
}

static int sync_dir(const struct replace_inside *in, struct err *reterr)
{
	int r = dir_sync(AT_FDCWD, in->dir);

	return r < 0 ? err_errno(reterr, -r, "sync %s", in->dir) : 0;
}

int replace_put(struct replace *rp, struct err *reterr)
{
	struct replace_inside *in = rp->inside;
	OWN(closep) int fd = open(in->copy, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(reterr, errno, "sync %s", in->copy);
	FAULT("restore.copied");
	r = put_aside(rp, reterr);
	if (r >= 0)
		r = sync_dir(in, reterr);
	FAULT("restore.aside");
	if (r >= 0 && rename(in->copy, in->file) < 0)
		r = err_errno(reterr, errno, "rename %s to %s", in->copy, in->file);
	if (r < 0)
		return r;
	in->copied = false;
	return sync_dir(in, reterr);
}

void replace_close(struct replace *rp)
{
	struct replace_inside *in = TAKE(rp->inside);

	if (!in)
		return;
	if (in->copied)
		remove_copy(in);
	if (in->lock.fd >= 0)
		lockfile_close(&in->lock);
	free(in);
}
