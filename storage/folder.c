/* SPDX-License-Identifier: MIT */
/* Finds the part of a path that is missing, and names its owner by the database's rows. */
#include "storage/folder.h"

#include "base/id.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "storage/pruned.h"
#include "storage/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Only these two errors prove that the path is missing. A disk that does not answer, or missing
 * rights, prove nothing. */
static bool is_missing(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Split a path below DIR/NAME/ into its next part and the rest. Returns false if the path is not
 * below it. */
static bool split(const char *dir, const char *name, const char *path, char part[NAME_MAX + 1],
		  const char **ret_rest)
{
	char above[PATH_MAX];
	int n = snprintf(above, sizeof(above), "%s/%s/", dir, name);
	size_t len;

	if (n >= (int)sizeof(above) || strncmp(path, above, (size_t)n) != 0)
		return false;
	path += n;
	len = strcspn(path, "/");
	if (!len || len > NAME_MAX)
		return false;
	memcpy(part, path, len);
	part[len] = '\0';
	*ret_rest = path + len;
	return true;
}

/* Returns the missing folder that `path` needs: the execution's folder, its `work` or its `log`.
 * Returns NULL if none of them is missing. */
static const char *missing_part(const char *dir, const char *id, const char *rest)
{
	static const struct {
		const char *part, *words;
	} parts[] = {
		{"", "the folder"},
		{"/work", "the folder 'work'"},
		{"/log", "the log"},
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t len = strlen(parts[i].part);
		char path[PATH_MAX];

		if (strncmp(rest, parts[i].part, len) != 0 || (rest[len] && rest[len] != '/') ||
		    snprintf(path, sizeof(path), "%s/" STORE_EXECUTIONS "/%s%s", dir, id,
			     parts[i].part) >= (int)sizeof(path))
			continue;
		if (is_missing(path))
			return parts[i].words;
	}
	return NULL;
}

/* Describe the owner: "job 'train' of run r1… (attempt 2)" or the endpoint; "" if there is no row.
 * -ERR_PRUNED if Trainyard itself removed the run's files. */
static int owner_of(struct db *db, const char *id, char *owner, size_t size, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(
		db,
		"SELECT j.name, coalesce(j.run, e.run), x.attempt, e.name FROM executions x "
		"LEFT JOIN jobs j ON j.id = x.job LEFT JOIN endpoints e ON e.id = x.endpoint "
		"WHERE x.id = ?",
		DB_ARGS(DB_TEXT(id)), &q, reterr);

	owner[0] = '\0';
	if (r >= 0)
		r = db_step(q, reterr);
	if (r <= 0)
		return r;
	if (!db_col_is_null(q, 3))
		str_excerptf(owner, size, "a server of endpoint '%s'", db_col_text(q, 3));
	else
		str_excerptf(owner, size, "job '%s' of run %s (attempt %d)", db_col_text(q, 0),
			     db_col_text(q, 1), (int)db_col_int(q, 2));
	return pruned_check(db, db_col_text(q, 1), reterr);
}

static int execution_removed(struct db *db, const char *id, const char *rest, struct err *reterr)
{
	const char *what = missing_part(db_dir(db), id, rest);
	char owner[256];
	int r = owner_of(db, id, owner, sizeof(owner), reterr);

	if (r < 0 || !what || !owner[0])
		return r;
	return err_set(reterr, ERR_REMOVED,
		       "%s of %s was removed outside of Trainyard, and its files are lost; spec, "
		       "state, results, metrics and events are kept",
		       what, owner);
}

int folder_check(struct db *db, const char *path, struct err *reterr)
{
	const char *dir = db_dir(db), *rest;
	char part[NAME_MAX + 1], at[PATH_MAX];

	if (!path_is_below(path, dir) || !is_missing(path))
		return 0;
	if (snprintf(at, sizeof(at), "%s/" STORE_FILE, dir) < (int)sizeof(at) && is_missing(at))
		return err_set(reterr, ERR_UNAVAILABLE,
			       "the data directory %s was renamed or deleted; put it back", dir);
	if (split(dir, STORE_EXECUTIONS, path, part, &rest))
		return execution_removed(db, part, rest, reterr);
	if (split(dir, STORE_SOURCES, path, part, &rest) &&
	    snprintf(at, sizeof(at), "%s/" STORE_SOURCES "/%s", dir, part) < (int)sizeof(at) &&
	    is_missing(at))
		return err_set(reterr, ERR_REMOVED,
			       "the copy of the source_dir, %s, was removed outside of Trainyard; "
			       "submit the run again (trainyard clone)",
			       at);
	return 0;
}
