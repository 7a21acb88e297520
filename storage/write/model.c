/* SPDX-License-Identifier: MIT */
/* Rows of added models, and the jobs that were submitted with them. The manager thread calls this
 * through store.h. */
#include "base/own.h"
#include "base/str.h"
#include "storage/write/internal.h"

static int model_event(struct store *st, const char *kind, const char *name, const json_t *source,
		       int64_t now_us, struct err *reterr)
{
	json_t *body = json_pack("{s:s}", "name", name);

	if (source && json_object_update(body, (json_t *)source) < 0)
		return err_errno(reterr, ENOMEM, "write the event of the model '%s'", name);
	return store_event(st, kind, NULL, NULL, NULL, body, now_us, reterr);
}

int store_model_insert(struct store *st, const char *name, const json_t *source, int64_t now_us,
		       struct err *reterr)
{
	int64_t n = 0;
	int r = db_get_int(st->db, "SELECT count(*) FROM models", NULL, 0, 0, &n, reterr);

	if (r >= 0 && n >= STORE_MODELS_MAX)
		return err_set(reterr, ERR_CONFLICT,
			       "%d models are registered, which is the limit; remove one first",
			       STORE_MODELS_MAX);
	if (r >= 0)
		r = db_run(st->db, "INSERT INTO models (name, source, created_us) VALUES (?, ?, ?)",
			   DB_ARGS(DB_TEXT(name), DB_JSON(source), DB_INT(now_us)), reterr);
	return r < 0 ? r : model_event(st, "model_added", name, source, now_us, reterr);
}

int store_model_find(struct store *st, const char *name, json_t **ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_first(st->db, "SELECT source FROM models WHERE name = ?", DB_ARGS(DB_TEXT(name)),
			 &q, reterr);

	if (r == 0)
		return err_set(reterr, ERR_NOT_FOUND, "no model was added as '%s'", name);
	return r < 0 ? r : db_col_json(q, 0, ret, reterr);
}

/* -ERR_CONFLICT if `q` has a row: the first row names a user, an id or a name. Releases q. */
static int refuse_used(const char *name, const char *what, struct db_stmt *q, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	int r = db_step(owned, reterr);

	if (r <= 0)
		return r;
	return err_set(reterr, ERR_CONFLICT,
		       "the model '%s' is in use, because %s %s is %s; wait for its end, or end it",
		       name, what, db_col_text(owned, 0), db_col_text(owned, 1));
}

static int check_unused(struct store *st, const char *name, struct err *reterr)
{
	struct db_stmt *q = NULL;
	int r = db_query(st->db,
			 "SELECT j.id, j.state FROM model_uses u JOIN jobs j ON j.id = u.job "
			 "WHERE u.model = ? AND j.state NOT IN "
			 "('succeeded', 'failed', 'cancelled', 'skipped') ORDER BY j.n LIMIT 1",
			 DB_ARGS(DB_TEXT(name)), &q, reterr);

	if (r >= 0)
		r = refuse_used(name, "job", q, reterr);
	if (r >= 0)
		r = db_query(st->db,
			     "SELECT e.name, e.state FROM model_uses u JOIN endpoints e "
			     "ON e.job = u.job WHERE u.model = ? "
			     "AND e.state NOT IN ('deleted', 'failed') ORDER BY e.n LIMIT 1",
			     DB_ARGS(DB_TEXT(name)), &q, reterr);
	return r < 0 ? r : refuse_used(name, "endpoint", q, reterr);
}

int store_model_delete(struct store *st, const char *name, int64_t now_us, struct err *reterr)
{
	OWN(json_decrefp) json_t *source = NULL;
	int r = store_model_find(st, name, &source, reterr);

	if (r >= 0)
		r = check_unused(st, name, reterr);
	if (r >= 0)
		r = db_run(st->db, "DELETE FROM models WHERE name = ?", DB_ARGS(DB_TEXT(name)),
			   reterr);
	return r < 0 ? r : model_event(st, "model_removed", name, source, now_us, reterr);
}

int model_uses_insert(struct store *st, const struct job_spec *js, const char *job,
		      struct err *reterr)
{
	for (size_t i = 0; i < js->models_n; i++) {
		int r = db_run(st->db,
			       "INSERT OR IGNORE INTO model_uses (model, job) VALUES (?, ?)",
			       DB_ARGS(DB_TEXT(js->models[i]), DB_TEXT(job)), reterr);

		if (r == -ERR_NOT_FOUND)
			return err_set(reterr, ERR_CONFLICT,
				       "the model '%s' was removed during the submit; submit again",
				       js->models[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
