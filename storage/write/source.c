/* SPDX-License-Identifier: MIT */
/* Which frozen copies of source directories jobs need, and which copies are being removed. The
 * manager thread calls this through write/prune.h. */
#include "base/fileio.h"
#include "base/hash.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"
#include "storage/write/prune.h"

#include <limits.h>
#include <string.h>

#define SOURCE_NAME_LEN HASH_HEX_LEN /* a copy is named by the hash of its content */

/* -ERR_STALE if the copy has moved to the trash since the submit was prepared. A copy that is in
 * its place stays there, because its removal ends here: only the manager's thread moves copies, and
 * only those that the committed rows name. */
static int keep_source(struct store *st, const char *source, struct err *reterr)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/" STORE_SOURCES "/%s", db_dir(st->db), source);

	if (n >= (int)sizeof(path) || !path_is_dir(AT_FDCWD, path))
		return err_set(reterr, ERR_STALE,
			       "the copy of the source_dir was removed during the submit; submit "
			       "again");
	return store_source_removed(st, source, reterr);
}

/* The frozen copy that a text names: it is a copy's path, or one below. Returns false if the text
 * is another one. */
static bool names_source(const struct store *st, const json_t *text, char ret[SOURCE_NAME_LEN])
{
	const char *s = json_string_value(text), *dir = db_dir(st->db);
	size_t n = strlen(dir);

	if (strlen(s) != json_string_length(text) || strncmp(s, dir, n) != 0 ||
	    !str_starts(s + n, "/" STORE_SOURCES "/"))
		return false;
	s += n + strlen("/" STORE_SOURCES "/");
	n = strcspn(s, "/");
	if (n != SOURCE_NAME_LEN - 1)
		return false;
	str_must_format(ret, SOURCE_NAME_LEN, "%.*s", (int)n, s);
	return true;
}

static int use_source(struct store *st, const char *job, const char *source, struct err *reterr)
{
	int r = db_run(st->db, "INSERT OR IGNORE INTO source_uses (job, source) VALUES (?, ?)",
		       DB_ARGS(DB_TEXT(job), DB_TEXT(source)), reterr);

	return r < 0 ? r : keep_source(st, source, reterr);
}

int source_uses_insert(struct store *st, const json_t *spec, const char *job, struct err *reterr)
{
	char source[SOURCE_NAME_LEN];
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;

	if (json_is_string(spec))
		return names_source(st, spec, source) ? use_source(st, job, source, reterr) : 0;
	json_array_foreach((json_t *)spec, i, value)
		if (r >= 0)
			r = source_uses_insert(st, value, job, reterr);
	json_object_foreach((json_t *)spec, key, value)
		if (r >= 0)
			r = source_uses_insert(st, value, job, reterr);
	return r;
}

int store_source_removals(struct store *st, json_t **ret, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db, "SELECT source FROM source_removals", NULL, 0, &q, reterr);

	return r < 0 ? r : ids_read(q, ret, reterr);
}

int store_source_removed(struct store *st, const char *source, struct err *reterr)
{
	int r = db_run(st->db, "DELETE FROM source_removals WHERE source = ?",
		       DB_ARGS(DB_TEXT(source)), reterr);

	return r < 0 ? r : 0;
}
