/* SPDX-License-Identifier: MIT */
/* The frozen copies of source directories that a prune may remove. */
#include "base/hash.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/prune_plan.h"
#include "storage/store.h"

#include <string.h>

bool prune_source_name(const char *name)
{
	return strlen(name) == HASH_HEX_LEN - 1 &&
	       strspn(name, "0123456789abcdef") == HASH_HEX_LEN - 1;
}

int prune_sources_of_run(struct db *db, const char *run, struct db_stmt **ret, struct err *reterr)
{
	return db_query(db,
			"SELECT DISTINCT source FROM source_uses "
			"WHERE job IN (SELECT id FROM jobs WHERE run = ?)",
			DB_ARGS(DB_TEXT(run)), ret, reterr);
}

/* Returns 1 if a job of a run that stays needs the copy, else 0. */
static int used_by_jobs(struct prune_plan *p, const char *source, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(p->db,
			 "SELECT DISTINCT j.run FROM source_uses u JOIN jobs j ON j.id = u.job "
			 "WHERE u.source = ?",
			 DB_ARGS(DB_TEXT(source)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		if (!prune_plan_has_chosen(p, db_col_text(q, 0)))
			return 1;
	return r;
}

/* Returns 1 if a live endpoint or an added model names the copy, else 0. An endpoint may go back to
 * the model of a run that was pruned. */
static int used_by_models(struct prune_plan *p, const char *source, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	char path[sizeof("/" STORE_SOURCES "/") + HASH_HEX_LEN];

	str_must_format(path, sizeof(path), "/" STORE_SOURCES "/%s", source);
	return db_first(p->db,
			"SELECT 1 FROM endpoints INDEXED BY endpoints_live "
			"WHERE state NOT IN ('deleted', 'failed') "
			"AND instr(model || ' ' || spec || ' ' || coalesce(previous, ''), ?1) "
			"UNION ALL SELECT 1 FROM models WHERE instr(source, ?1) LIMIT 1",
			DB_ARGS(DB_TEXT(path)), &q, reterr);
}

int prune_source_is_used(struct prune_plan *p, const char *source, struct err *reterr)
{
	int r = used_by_jobs(p, source, reterr);

	return r ? r : used_by_models(p, source, reterr);
}
