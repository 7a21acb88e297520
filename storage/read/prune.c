/* SPDX-License-Identifier: MIT */
/* The plan of a prune: what would be removed, and what is kept for which reason. API threads call
 * this through store_read.h. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/prune_plan.h"
#include "storage/read/internal.h"
#include "storage/shape.h"
#include "storage/store.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>

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

/* Add the frozen copy unless a run that stays, an endpoint or a model needs it. Returns 1 if the
 * list is full. */
static int add_source(struct prune_plan *p, const char *source, json_t *sources, struct err *reterr)
{
	char path[PATH_MAX];
	int r, n = snprintf(path, sizeof(path), "%s/" STORE_SOURCES "/%s", db_dir(p->db), source);

	if (n >= (int)sizeof(path) || !path_is_dir(AT_FDCWD, path))
		return 0;
	r = prune_source_is_used(p, source, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	if (json_array_size(sources) == PRUNE_SOURCES_MAX)
		return 1;
	return json_array_append_new(sources, json_pack("{s:s}", "source", source)) < 0
		       ? out_of_memory(reterr)
		       : 0;
}

static int add_sources_of_run(struct prune_plan *p, const char *run, json_t *sources,
			      struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = prune_sources_of_run(p->db, run, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		r = add_source(p, db_col_text(q, 0), sources, reterr);
		if (r != 0)
			break;
	}
	return r;
}

/* All copies in the data directory, also those that no submit used. */
static int add_sources(struct prune_plan *p, json_t *sources, struct err *reterr)
{
	char path[PATH_MAX];
	OWN(closedirp)
	DIR *d = path_join(path, sizeof(path), db_dir(p->db), STORE_SOURCES) ? opendir(path) : NULL;
	struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d)))
		if (prune_source_name(e->d_name))
			r = add_source(p, e->d_name, sources, reterr);
	return r;
}

struct looked {
	json_t *removed, *kept, *sources;
	int64_t next; /* 0: all runs were examined */
	bool more;
};

static int look_at_runs(struct store_reader *sr, const struct prune_filter *f, struct prune_plan *p,
			struct looked *l, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int64_t last = 0;
	int looked = 0;
	int r = f->run ? db_query(sr->db, "SELECT id, name, finished_us, n FROM runs WHERE id = ?",
				  DB_ARGS(DB_TEXT(f->run)), &q, reterr)
		       : prune_candidates(sr->db, f, PRUNE_LOOK_MAX + 1, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		char id[ID_LEN];

		if (looked++ == PRUNE_LOOK_MAX || json_array_size(l->removed) == PRUNE_RUNS_MAX) {
			l->next = last;
			return 0;
		}
		last = db_col_int(q, 3);
		db_col_copy(q, 0, id, sizeof(id));
		r = add_run(p, id, db_col_text(q, 1), db_col_int(q, 2), l->removed, l->kept,
			    reterr);
	}
	if (r >= 0 && f->run && !looked)
		return err_set(reterr, ERR_NOT_FOUND, "there is no run '%.64s'", f->run);
	return r;
}

static int look_at(struct store_reader *sr, const struct prune_filter *f, struct prune_plan *p,
		   struct looked *l, struct err *reterr)
{
	int r = look_at_runs(sr, f, p, l, reterr);

	if (r >= 0 && !f->run)
		r = add_sources(p, l->sources, reterr);
	else if (r >= 0 && json_array_size(l->removed))
		r = add_sources_of_run(p, f->run, l->sources, reterr);
	l->more = l->next || r == 1;
	return r;
}

int store_read_prune(struct store_reader *sr, const struct prune_filter *f, json_t **ret,
		     struct err *reterr)
{
	OWN(json_decrefp) json_t *removed = json_array(), *kept = json_array();
	OWN(json_decrefp) json_t *sources = json_array();
	struct looked l = {.removed = removed, .kept = kept, .sources = sources};
	struct prune_plan plan = {0};
	char next[24] = "";
	int r = db_begin_read(sr->db, reterr);

	if (r >= 0)
		r = prune_plan_init(&plan, sr->db, reterr);
	if (r >= 0)
		r = look_at(sr, f, &plan, &l, reterr);
	prune_plan_done(&plan);
	db_end_read(sr->db);
	if (r < 0)
		return r;
	snprintf(next, sizeof(next), "%" PRId64, l.next);
	*ret = json_pack("{s:O, s:O, s:O, s:b, s:s*}", "removed", removed, "kept", kept, "sources",
			 sources, "truncated", l.more, "next_cursor", l.next ? next : NULL);
	return *ret ? 0 : out_of_memory(reterr);
}
