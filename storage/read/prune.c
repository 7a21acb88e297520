/* SPDX-License-Identifier: MIT */
/* The plan of a prune: what would be removed, and what is kept for which reason. API threads call
 * this through store_read.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/prune_plan.h"
#include "storage/read/internal.h"
#include "storage/shape.h"

/* Add one run to the answer. "executions" lets the caller measure the run's files. */
static int add_run(struct prune_plan *p, const char *id, const char *name, int64_t finished_us,
		   json_t *removed, json_t *kept, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *item = json_pack("{s:s, s:s, s:o}", "run", id, "name", name, "finished_at",
				 shape_time(finished_us));
	OWN(db_releasep) struct db_stmt *q = NULL;
	struct prune_hold hold;
	json_t *ids;
	int r = prune_plan_look(p, id, &hold, reterr);

	if (r < 0)
		return r;
	if (r > 0) {
		json_object_set_new(
			item, "reason",
			json_pack("{s:s, s:s}", "code", hold.code, "message", hold.message));
		return json_array_append(kept, item) < 0 ? out_of_memory(reterr) : 0;
	}
	ids = json_array();
	json_object_set_new(item, "executions", ids);
	r = prune_executions(p->db, id, &q, reterr);
	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		if (json_array_append_new(ids, json_string(db_col_text(q, 0))) < 0)
			return out_of_memory(reterr);
	if (r < 0)
		return r;
	return json_array_append(removed, item) < 0 ? out_of_memory(reterr) : 0;
}

static int look_at(struct store_reader *sr, const struct prune_filter *f, struct prune_plan *p,
		   json_t *removed, json_t *kept, bool *ret_more, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int looked = 0;
	int r = f->run ? db_query(sr->db, "SELECT id, name, finished_us FROM runs WHERE id = ?",
				  DB_ARGS(DB_TEXT(f->run)), &q, reterr)
		       : prune_candidates(sr->db, f, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		char id[ID_LEN];

		if (looked++ == PRUNE_LOOK_MAX || json_array_size(removed) == PRUNE_RUNS_MAX) {
			*ret_more = true;
			return 0;
		}
		db_col_copy(q, 0, id, sizeof(id));
		r = add_run(p, id, db_col_text(q, 1), db_col_int(q, 2), removed, kept, reterr);
	}
	if (r >= 0 && f->run && !looked)
		return err_set(reterr, ERR_NOT_FOUND, "there is no run '%.64s'", f->run);
	return r;
}

int store_read_prune(struct store_reader *sr, const struct prune_filter *f, json_t **ret,
		     struct err *reterr)
{
	OWN(json_decrefp) json_t *removed = json_array(), *kept = json_array();
	struct prune_plan plan = {0};
	bool more = false;
	int r = db_begin_read(sr->db, reterr);

	if (r >= 0)
		r = prune_plan_init(&plan, sr->db, reterr);
	if (r >= 0)
		r = look_at(sr, f, &plan, removed, kept, &more, reterr);
	prune_plan_done(&plan);
	db_end_read(sr->db);
	if (r < 0)
		return r;
	*ret = json_pack("{s:O, s:O, s:b}", "removed", removed, "kept", kept, "truncated", more);
	return *ret ? 0 : out_of_memory(reterr);
}
