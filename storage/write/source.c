/* SPDX-License-Identifier: MIT */
/* Which frozen copies of source directories jobs need, and which copies are being removed. The
 * manager thread calls this through write/prune.h. */
#include "base/fileio.h"
#include "base/own.h"
#include "storage/write/internal.h"
#include "storage/write/prune.h"

#include <limits.h>

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

int source_uses_insert(struct store *st, const char *job, struct err *reterr)
{
	OWN(json_decrefp) json_t *sources = NULL;
	struct db_stmt *q = NULL;
	const json_t *source;
	size_t i;
	int r = db_run(st->db,
		       "INSERT OR IGNORE INTO source_uses (job, source) "
		       "SELECT j.id, substr(t.value, 15, 64) FROM jobs j "
		       "JOIN job_specs s ON s.n = j.n, json_tree(s.spec) t "
		       "WHERE j.id = ?1 AND t.type = 'text' AND t.value GLOB 'data:/" STORE_SOURCES
		       "/*' "
		       "AND length(substr(t.value, 15, 64)) = 64 "
		       "AND substr(t.value, 79, 1) IN ('', '/')",
		       DB_ARGS(DB_TEXT(job)), reterr);

	if (r <= 0)
		return r;
	r = db_query(st->db, "SELECT source FROM source_uses WHERE job = ?", DB_ARGS(DB_TEXT(job)),
		     &q, reterr);
	if (r >= 0)
		r = ids_read(q, &sources, reterr);
	json_array_foreach(sources, i, source)
		if (r >= 0)
			r = keep_source(st, json_string_value(source), reterr);
	return r < 0 ? r : 0;
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
