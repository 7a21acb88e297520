/* SPDX-License-Identifier: MIT */
/* Notes the device and inode of each file of the store, and compares them later. */
#include "storage/location.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/store.h"

#include <dirent.h>
#include <sys/stat.h>

static const char *const names[LOCATION_FILES] = {"", STORE_LOCK_FILE, STORE_FILE,
						  STORE_FILE "-wal"};

static bool path_of(const char *dir, const char *name, char path[PATH_MAX])
{
	return name[0] ? path_join(path, PATH_MAX, dir, name) : str_copy(path, PATH_MAX, dir);
}

int location_note(const char *dir, struct location *ret, struct err *reterr)
{
	*ret = (struct location){0};
	if (!str_copy(ret->dir, sizeof(ret->dir), dir))
		return err_errno(reterr, ENAMETOOLONG, "use the data directory %s", dir);
	for (size_t i = 0; i < LOCATION_FILES; i++) {
		char path[PATH_MAX];
		struct stat st;

		if (!path_of(dir, names[i], path) || stat(path, &st) < 0)
			continue;
		ret->files[i].dev = st.st_dev;
		ret->files[i].ino = st.st_ino;
		ret->files[i].known = true;
	}
	return 0;
}

int location_check(const struct location *l, struct err *reterr)
{
	for (size_t i = 0; i < LOCATION_FILES; i++) {
		char path[PATH_MAX];
		struct stat st;
		int r;

		if (!l->files[i].known || !path_of(l->dir, names[i], path))
			continue;
		r = stat(path, &st);
		if (r < 0 && errno != ENOENT && errno != ENOTDIR)
			continue; /* a file that cannot be examined proves nothing */
		if (r == 0 && st.st_dev == l->files[i].dev && st.st_ino == l->files[i].ino)
			continue;
		return err_set(reterr, ERR_UNAVAILABLE,
			       "%s %s was %s while the daemon runs, so nothing new can be stored "
			       "safely; put it back, or stop the daemon",
			       i ? "the file" : "the data directory", path,
			       r < 0 ? "renamed or deleted" : "replaced by another");
	}
	return 0;
}

static bool has_file(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), dir, name) && path_exists(AT_FDCWD, path);
}

static bool has_entries(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool any = false;
	DIR *d;

	if (!path_join(path, sizeof(path), dir, name))
		return false;
	d = opendir(path);
	while (d && !any && (entry = readdir(d)))
		any = entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

int location_may_be_new(const char *dir, bool opened, struct err *reterr)
{
	char log[PATH_MAX];
	struct stat st;

	if (!opened && path_join(log, sizeof(log), dir, STORE_FILE "-wal") && stat(log, &st) == 0 &&
	    st.st_size > 0)
		return err_set(reterr, ERR_CORRUPT,
			       "%s belongs to a database that is missing or empty; put " STORE_FILE
			       " back beside it, or move both away",
			       log);
	if (has_file(dir, STORE_RESTORING_FILE))
		return err_set(reterr, ERR_CORRUPT,
			       "a restore of %s was interrupted; run trainyardd --restore again",
			       dir);
	if (!has_entries(dir, STORE_EXECUTIONS))
		return 0;
	return err_set(reterr, ERR_CORRUPT,
		       "%s/" STORE_EXECUTIONS " has executions, but the database " STORE_FILE
		       " is missing or empty; restore it from a backup, or end every "
		       "trainyard-shim that still runs and move the folder " STORE_EXECUTIONS
		       " away to start with an empty database",
		       dir);
}
