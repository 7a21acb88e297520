/* SPDX-License-Identifier: MIT */
/*
 * Reads the schema version, copies the database, and applies all missing migrations in one
 * transaction.
 */
#include "storage/migrate.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>

#define BACKUPS_MAX 100 /* copies of one version, from earlier tries of the same upgrade */

static int read_facts(struct db *db, int64_t *ret_version, int64_t *ret_application,
		      int64_t *ret_tables, struct err *reterr)
{
	int r = db_get_int(db, "PRAGMA user_version", NULL, 0, 0, ret_version, reterr);

	if (r >= 0)
		r = db_get_int(db, "PRAGMA application_id", NULL, 0, 0, ret_application, reterr);
	if (r >= 0)
		r = db_get_int(db, "SELECT count(*) FROM sqlite_schema", NULL, 0, 0, ret_tables,
			       reterr);
	return r;
}

/* PATH.before-vN, or PATH.before-vN-2 … if an earlier try left a copy. Nothing is overwritten. */
static int backup_name(const char *path, int version, char *buf, size_t size, struct err *reterr)
{
	for (int i = 1; i <= BACKUPS_MAX; i++) {
		int n = i == 1 ? snprintf(buf, size, "%s.before-v%d", path, version)
			       : snprintf(buf, size, "%s.before-v%d-%d", path, version, i);

		if (n < 0 || (size_t)n >= size)
			return err_errno(reterr, ENAMETOOLONG, "use the path %s", path);
		if (!path_exists(AT_FDCWD, buf))
			return 0;
	}
	return err_set(reterr, ERR_LIMIT,
		       "the backup %s.before-v%d exists %d times already; remove some copies", path,
		       version, BACKUPS_MAX);
}

static int sync_parent(const char *path, struct err *reterr)
{
	OWN(freep) char *copy = strdup(path);
	int r = copy ? dir_sync(AT_FDCWD, dirname(copy)) : -ENOMEM;

	return r < 0 ? err_errno(reterr, -r, "sync the directory of %s", path) : 0;
}

static int back_up(struct db *db, const char *path, int version, struct err *reterr)
{
	char name[PATH_MAX], tmp[PATH_MAX];
	int r = backup_name(path, version, name, sizeof(name) - 8, reterr);

	if (r < 0)
		return r;
	str_must_format(tmp, sizeof(tmp), "%.*s.tmp", PATH_MAX - 8, name);
	unlink(tmp);
	r = db_backup(db, tmp, reterr);
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	if (rename(tmp, name) < 0)
		return err_errno(reterr, errno, "rename %s", tmp);
	return sync_parent(path, reterr);
}

/* The temporary table `here` for migrations that need the data directory: one row; dropped at the
 * end. */
static int add_here(struct db *db, const char *path, struct err *reterr)
{
	OWN(freep) char *dir = strdup(path);
	int r = db_script(db, "CREATE TEMP TABLE here (dir TEXT)", reterr);

	if (r < 0 || !dir)
		return r < 0 ? r : err_errno(reterr, ENOMEM, "upgrade the database");
	return db_run(db, "INSERT INTO here VALUES (?)", DB_ARGS(DB_TEXT(dirname(dir))), reterr);
}

static int apply(struct db *db, const char *path, const struct migration *list, size_t from,
		 size_t n, struct err *reterr)
{
	char pragma[64];
	int r = db_begin(db, reterr);

	if (r < 0)
		return r;
	r = add_here(db, path, reterr);
	for (size_t i = from; i < n && r >= 0; i++) {
		r = db_script(db, list[i].sql, reterr);
		if (r < 0)
			err_ctx(reterr, r, "cannot apply the migration %s", list[i].name);
	}
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", n);
	if (r >= 0)
		r = db_script(db, "DROP TABLE here", reterr);
	if (r >= 0)
		r = db_script(db, pragma, reterr);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return db_commit(db, reterr);
}

/* Refuse a database that this program does not understand. */
static int check(const char *path, int64_t version, int64_t application, int64_t tables, size_t n,
		 struct err *reterr)
{
	if (tables && application != DB_APPLICATION_ID)
		return err_set(reterr, ERR_UNSUPPORTED,
			       "%s is an SQLite database of another program; move the file away",
			       path);
	if (version > (int64_t)n)
		return err_set(reterr, ERR_UNSUPPORTED,
			       "%s has schema version %" PRId64
			       ", and this trainyardd knows versions up to %zu; install the newer "
			       "version that wrote the file",
			       path, version, n);
	return 0;
}

int migrate_check(struct db *db, const char *path, size_t n, struct err *reterr)
{
	int64_t version = 0, application = 0, tables = 0;
	int r = read_facts(db, &version, &application, &tables, reterr);

	if (r >= 0 && !tables)
		r = err_set(reterr, ERR_UNSUPPORTED, "%s is an empty database", path);
	return r < 0 ? r : check(path, version, application, tables, n, reterr);
}

int migrate(struct db *db, const char *path, const struct migration *list, size_t n,
	    struct err *reterr)
{
	int64_t version = 0, application = 0, tables = 0;
	int r = read_facts(db, &version, &application, &tables, reterr);

	if (r >= 0)
		r = check(path, version, application, tables, n, reterr);
	if (r < 0 || version == (int64_t)n)
		return r;
	if (tables) {
		r = back_up(db, path, (int)n, reterr);
		if (r < 0)
			return r;
	}
	return apply(db, path, list, version < 0 ? 0 : (size_t)version, n, reterr);
}
