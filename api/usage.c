/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/disk-usage. A separate thread waits for the worker that measures; the server's threads
 * run the rest.
 */
#include "api/handlers.h"

#include "api/apart.h"
#include "api/reply.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/manager.h"

#include <string.h>

#define USAGE_RUNS_MAX 20

struct usage {
	json_t *question, *answer;
	int result;
	struct err err;
};

static void usage_free(void *state)
{
	struct usage *u = state;

	json_decref(u->question);
	json_decref(u->answer);
	free(u);
}

/* A row is committed before its folder is made, so only rows that are read after the folders prove
 * that a folder has none. Returns false if an error was replied. */
static bool drop_known(struct request *rq, struct usage *u)
{
	json_t *strays = json_object_get(u->answer, "without_row");
	OWN(json_decrefp) json_t *known = json_object();
	struct store_reader *sr;
	struct err e;
	int r;

	if (!json_array_size(strays))
		return true;
	sr = request_reader(rq);
	if (!sr)
		return false;
	r = store_read_executions(sr, NULL, known, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	if (json_object_size(known) >= STORE_USAGE_MAX) /* not all rows were read */
		json_array_clear(strays);
	for (size_t i = json_array_size(strays); i-- > 0;)
		if (json_object_get(known,
				    json_get_str(json_array_get(strays, i), "execution", "")))
			json_array_remove(strays, i);
	return r >= 0;
}

static void answered(struct request *rq)
{
	struct usage *u = rq->state;

	if (u->result < 0)
		reply_error(rq, u->result, &u->err);
	else if (drop_known(rq, u))
		reply_json(rq, 200, TAKE(u->answer));
}

static void measure(struct request *rq)
{
	struct usage *u = rq->state;

	u->result = manager_usage(rq->api->manager, u->question, &u->answer, &u->err);
}

/* Add the executions of the runs in `runs`, or of all runs. Returns false if an error was
 * replied. */
static bool read_executions(struct request *rq, const char *runs, json_t *executions)
{
	struct store_reader *sr = request_reader(rq);
	struct err e;
	int r = 0, n = 0;

	if (!sr)
		return false;
	if (!runs)
		r = store_read_executions(sr, NULL, executions, &e);
	while (r >= 0 && runs) {
		size_t len = strcspn(runs, ",");
		char run[ID_LEN];

		if (!str_format(run, sizeof(run), "%.*s", (int)len, runs) || !id_valid('r', run) ||
		    ++n > USAGE_RUNS_MAX) {
			reply_problem(rq, 400, "invalid_parameter",
				      "the query parameter 'run' must be ids of runs separated by "
				      "commas, at most %d",
				      USAGE_RUNS_MAX);
			return false;
		}
		r = store_read_executions(sr, run, executions, &e);
		runs = runs[len] ? runs + len + 1 : NULL;
	}
	if (r < 0)
		reply_error(rq, r, &e);
	return r >= 0;
}

void disk_usage(struct request *rq)
{
	const char *runs = request_param(rq, "run");
	struct usage *u = calloc(1, sizeof(*u));
	json_t *executions = json_object();

	rq->state = u;
	rq->state_free = usage_free;
	if (!u) {
		json_decref(executions);
		return;
	}
	u->question = json_pack("{sb so}", "all", !runs, "executions", executions);
	if (!read_executions(rq, runs, executions))
		return;
	request_apart(rq, measure, answered);
}
