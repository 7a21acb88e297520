/* SPDX-License-Identifier: MIT */
/* The "sagemaker" and "cost" parts of jobs and endpoints. API threads call this through
 * store_read.h. */
#include "jobs/sagemaker/resource.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/read/internal.h"
#include "storage/shape.h"

enum {
	C_KIND,
	C_NAME,
	C_REGION,
	C_ARN,
	C_STATE,
	C_STATUS,
	C_REASON, /* two columns */
	C_ANSWER = C_REASON + 2,
	C_CREATED,
	C_ENDED,
	C_RESERVED,
	C_DIFFERENCE,
	C_SETTLED,
	C_ATTEMPT,
};
#define RESOURCE_COLUMNS                                                                       \
	"SELECT kind, name, region, arn, state, status, reason_code, reason_message, answer, " \
	"created_us, ended_us, reserved_micro_usd, difference_micro_usd, settled_us, attempt " \
	"FROM resources "

struct shown {
	json_t *sagemaker, *resources;
	int64_t reserved, settled; /* micro-dollars */
	int attempt;
};

static void shown_done(struct shown *s)
{
	json_decref(TAKE(s->sagemaker));
	json_decref(TAKE(s->resources));
}

static json_t *text_or_null(struct db_stmt *q, int col)
{
	const char *s = db_col_text(q, col);

	return s[0] ? shape_text(s) : json_null();
}

/* Add the training job or the endpoint itself; its description is at the top level. */
static int add_main(struct shown *s, struct db_stmt *q, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *own =
		json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "region", db_col_text(q, C_REGION),
			  "arn", text_or_null(q, C_ARN), "state", db_col_text(q, C_STATE), "status",
			  text_or_null(q, C_STATUS), "reason", col_reason_json(q, C_REASON),
			  "created_at", col_time(q, C_CREATED), "ended_at", col_time(q, C_ENDED));
	OWN(json_decrefp) json_t *answer = NULL, *described = NULL;
	int r = db_col_json(q, C_ANSWER, &answer, reterr);

	if (r < 0)
		return r;
	if (!own || json_object_update(s->sagemaker, own) < 0)
		return out_of_memory(reterr);
	described = answer ? shape_resource_answer(answer) : NULL;
	if (described && json_object_update_missing(s->sagemaker, described) < 0)
		return out_of_memory(reterr);
	return 0;
}

static int add_resource(struct shown *s, struct db_stmt *q, struct err *reterr)
{
	json_t *one =
		json_pack("{s:s, s:s, s:s, s:o, s:o}", "resource", db_col_text(q, C_KIND), "name",
			  db_col_text(q, C_NAME), "state", db_col_text(q, C_STATE), "status",
			  text_or_null(q, C_STATUS), "reason", col_reason_json(q, C_REASON));

	return json_array_append_new(s->resources, one) < 0 ? out_of_memory(reterr) : 0;
}

/* Rows come oldest first, so the newest of each kind remains. */
static int add_row(struct shown *s, struct db_stmt *q, struct err *reterr)
{
	const char *kind = db_col_text(q, C_KIND);
	int64_t cost = db_col_int(q, C_RESERVED) + db_col_int(q, C_DIFFERENCE);
	enum resource_state state;
	int r = 0;

	*(db_col_int(q, C_SETTLED) ? &s->settled : &s->reserved) += cost;
	if (db_col_int(q, C_ATTEMPT) > s->attempt) {
		json_object_clear(s->sagemaker);
		json_array_clear(s->resources);
		s->attempt = (int)db_col_int(q, C_ATTEMPT);
	}
	json_object_set_new(s->sagemaker, kind, json_string(db_col_text(q, C_NAME)));
	if (str_eq(kind, resource_kind_str(RESOURCE_TRAINING_JOB)) ||
	    str_eq(kind, resource_kind_str(RESOURCE_ENDPOINT)))
		r = add_main(s, q, reterr);
	if (r < 0 || resource_state_parse(db_col_text(q, C_STATE), &state) < 0 ||
	    resource_state_is_final(state))
		return r;
	return add_resource(s, q, reterr);
}

int add_sagemaker(json_t *to, struct store_reader *sr, const char *job, const char *endpoint,
		  struct err *reterr)
{
	OWN(shown_done)
	struct shown s = {.sagemaker = json_object(), .resources = json_array()};
	OWN(db_releasep) struct db_stmt *q = NULL;
	int r = job ? db_query(sr->db, RESOURCE_COLUMNS "WHERE job = ? ORDER BY attempt, n",
			       DB_ARGS(DB_TEXT(job)), &q, reterr)
		    : db_query(sr->db, RESOURCE_COLUMNS "WHERE endpoint = ? ORDER BY n",
			       DB_ARGS(DB_TEXT(endpoint)), &q, reterr);

	while (r >= 0 && (r = db_step(q, reterr)) > 0)
		r = add_row(&s, q, reterr);
	if (r < 0 || !json_object_size(s.sagemaker))
		return r;
	json_object_set(s.sagemaker, "resources", s.resources);
	json_object_set(to, "sagemaker", s.sagemaker);
	return json_object_set_new(to, "cost",
				   json_pack("{s:o, s:o}", "reserved_usd", shape_usd(s.reserved),
					     "settled_usd", shape_usd(s.settled))) < 0
		       ? out_of_memory(reterr)
		       : 0;
}

/* The S3 locations from the request of CreateTrainingJob: results are below PATH/NAME/output/. */
static json_t *places_of(const char *name, const json_t *request)
{
	const char *output =
		json_get_str(json_object_get(request, "OutputDataConfig"), "S3OutputPath", "");
	const char *checkpoints =
		json_get_str(json_object_get(request, "CheckpointConfig"), "S3Uri", NULL);
	json_t *places = json_object();

	json_object_set_new(
		places, "output/",
		json_sprintf("%s%s%s/output/", output, str_ends(output, "/") ? "" : "/", name));
	if (checkpoints)
		json_object_set_new(
			places, "checkpoints/",
			json_sprintf("%s%s", checkpoints, str_ends(checkpoints, "/") ? "" : "/"));
	return places;
}

int store_read_attempt_uris(struct store_reader *sr, const char *job, int attempt, json_t **ret,
			    struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	OWN(json_decrefp) json_t *request = NULL;
	int r = db_query(
		sr->db,
		"SELECT name, region, request FROM resources WHERE job = ? AND attempt = ? "
		"AND kind = ? ORDER BY n DESC LIMIT 1",
		DB_ARGS(DB_TEXT(job), DB_INT(attempt),
			DB_TEXT(resource_kind_str(RESOURCE_TRAINING_JOB))),
		&q, reterr);

	*ret = NULL;
	if (r >= 0)
		r = db_step(q, reterr);
	if (r > 0)
		r = db_col_json(q, 2, &request, reterr);
	if (r < 0 || !request)
		return r < 0 ? r : 0;
	*ret = json_pack("{ss so}", "region", db_col_text(q, 1), "places",
			 places_of(db_col_text(q, 0), request));
	return *ret ? 0 : out_of_memory(reterr);
}
