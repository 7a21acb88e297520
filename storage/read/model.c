/* SPDX-License-Identifier: MIT */
/* Answers about added models and their users. API threads call this through store_read.h. */
#include "base/own.h"
#include "storage/read/internal.h"

#define USERS_MAX 100 /* ids of jobs, and names of endpoints, in the answer about one model */

int store_read_models(struct store_reader *sr, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *models = json_object();
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = db_query(sr->db, "SELECT name, source, created_us FROM models ORDER BY name", NULL,
			 0, &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		OWN(json_decrefp) json_t *source = NULL;

		r = db_col_json(q, 1, &source, reterr);
		if (r >= 0 && (json_object_set_new(source, "added_at", col_time(q, 2)) < 0 ||
			       json_object_set(models, db_col_text(q, 0), source) < 0))
			r = out_of_memory(reterr);
	}
	if (r < 0)
		return r;
	*ret = TAKE(models);
	return 0;
}

/* Read the first column of all rows of `q` and release `q`. */
static int texts_of(struct db_stmt *q, json_t **ret, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *owned = q;
	OWN(json_decrefp) json_t *list = json_array();
	int r;

	while ((r = db_step(owned, reterr)) > 0)
		if (json_array_append_new(list, json_string(db_col_text(owned, 0))) < 0)
			return out_of_memory(reterr);
	if (r < 0)
		return r;
	*ret = TAKE(list);
	return 0;
}

int store_read_model_users(struct store_reader *sr, const char *name, json_t **ret,
			   struct err *reterr)
{
	OWN(json_decrefp) json_t *jobs = NULL, *endpoints = NULL;
	struct db_stmt *q = NULL;
	int r = db_query(sr->db,
			 "SELECT j.id FROM model_uses u JOIN jobs j ON j.id = u.job "
			 "WHERE u.model = ? AND j.state NOT IN "
			 "('succeeded', 'failed', 'cancelled', 'skipped') ORDER BY j.n LIMIT ?",
			 DB_ARGS(DB_TEXT(name), DB_INT(USERS_MAX)), &q, reterr);

	if (r >= 0)
		r = texts_of(q, &jobs, reterr);
	if (r >= 0)
		r = db_query(sr->db,
			     "SELECT e.name FROM model_uses u JOIN endpoints e ON e.job = u.job "
			     "WHERE u.model = ? AND e.state NOT IN ('deleted', 'failed') "
			     "ORDER BY e.name LIMIT ?",
			     DB_ARGS(DB_TEXT(name), DB_INT(USERS_MAX)), &q, reterr);
	if (r >= 0)
		r = texts_of(q, &endpoints, reterr);
	if (r < 0)
		return r;
	*ret = json_pack("{sO sO}", "jobs", jobs, "endpoints", endpoints);
	return *ret ? 0 : out_of_memory(reterr);
}
