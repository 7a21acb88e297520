/* SPDX-License-Identifier: MIT */
/* POST of runs and jobs, and validate: manager_prepare on the server's thread, then one command. */
#include "api/submit.h"

#include "api/command.h"
#include "api/costs.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "base/json_put.h"
#include "base/own.h"
#include "base/str.h"

#define SUBMIT_TRIES 3

void submit_refused(struct request *rq, const char *code, json_t *problems)
{
	size_t n = json_array_size(problems);
	const json_t *first = json_array_get(problems, 0);
	const char *pointer = json_get_str(first, "pointer", "");

	if (n == 1)
		reply_problems(rq, 422, code, json_incref(problems), "%s%s%s", pointer,
			       *pointer ? ": " : "", json_get_str(first, "detail", ""));
	else
		reply_problems(rq, 422, code, json_incref(problems), "the spec has %zu problems",
			       n);
}

static void reply_location(struct request *rq, const char *noun, const char *id)
{
	char location[64];

	str_must_format(location, sizeof(location), "/v1/%s/%s", noun, id);
	reply_header(rq, "Location", location);
}

static void reply_created(struct request *rq, const char *noun, const char *id, struct buf *body)
{
	buf_puts(body, "}");
	reply_json_text(rq, 201, body);
	reply_location(rq, noun, id);
}

/* The request was done before: answer what became of it. */
static void reply_repeated(struct request *rq, bool is_job, const char *run)
{
	OWN(json_decrefp) json_t *stored = NULL;
	struct store_reader *sr = request_reader(rq);
	char id[ID_LEN];
	struct err e;
	int r;

	if (!sr)
		return;
	str_must_copy(id, sizeof(id), run);
	r = store_read_run(sr, run, &stored, &e);
	if (r >= 0 && is_job) {
		const json_t *first = json_array_get(json_object_get(stored, "jobs"), 0);

		str_must_copy(id, sizeof(id), json_get_str(first, "id", ""));
		json_decref(TAKE(stored));
		r = store_read_job(sr, id, &stored, &e);
	}
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	reply_json(rq, 201, TAKE(stored));
	reply_location(rq, is_job ? "jobs" : "runs", id);
	reply_header(rq, "Idempotency-Replayed", "true");
}

void submit_reply_run(struct request *rq)
{
	struct command *c = command_result(rq);
	struct buf body = BUF_INIT(SIZE_MAX / 2);

	if (!c)
		return;
	if (c->repeated) {
		reply_repeated(rq, false, c->result_id);
		return;
	}
	answer_submitted_run(&body, c->run, c->submitted);
	if (json_array_size(c->run->warnings)) {
		answer_key(&body, "warnings");
		json_put(&body, c->run->warnings, JSON_KEYS_IN_ORDER);
	}
	reply_created(rq, "runs", c->submitted->run, &body);
}

void submit_reply_job(struct request *rq)
{
	struct command *c = command_result(rq);
	struct buf body = BUF_INIT(SIZE_MAX / 2);
	OWN(json_decrefp) json_t *cost = NULL;

	if (!c)
		return;
	if (c->repeated) {
		reply_repeated(rq, true, c->result_id);
		return;
	}
	answer_submitted_job(&body, c->run, c->submitted);
	cost = costs_of_job(rq, c->run->jobs[0].spec, NULL);
	if (cost) {
		answer_key(&body, "cost");
		json_put(&body, cost, JSON_KEYS_IN_ORDER);
	}
	reply_created(rq, "jobs", c->submitted->jobs[0], &body);
}

static void answered(struct request *rq);

static void prepare(struct request *rq, bool is_job)
{
	OWN(json_decrefp) json_t *problems = json_array();
	struct store_reader *sr = request_reader(rq);
	struct run_spec *run = NULL;
	struct err e = {0};
	int r;

	if (!sr)
		return;
	rq->submits++;
	r = manager_prepare(rq->api->manager, sr, rq->json, is_job, false, &run, problems, NULL,
			    &e);
	json_decref(TAKE(rq->json));
	if (r == -ERR_INVALID)
		submit_refused(rq, "invalid_spec", problems);
	else if (r < 0)
		reply_error(rq, r, &e);
	else
		command_send(rq, COMMAND_SUBMIT, NULL, 0, run, answered);
}

/* If a prune removed a frozen copy after the checks, do the checks again: they make a new one. */
static void answered(struct request *rq)
{
	struct command *c = rq->state;

	if (c->result != -ERR_STALE || rq->submits == SUBMIT_TRIES) {
		rq->submitted(rq);
		return;
	}
	rq->json = json_incref(c->run->body);
	rq->state_free(TAKE(rq->state));
	prepare(rq, submit_is_job(rq));
}

void submit(struct request *rq, bool is_job, void (*then)(struct request *rq))
{
	rq->submitted = then;
	prepare(rq, is_job);
}

bool submit_is_job(const struct request *rq)
{
	return !json_object_get(rq->json, "jobs") && json_object_get(rq->json, "kind");
}

void validate(struct request *rq)
{
	bool is_job = submit_is_job(rq);
	OWN(json_decrefp) json_t *problems = json_array();
	struct store_reader *sr = request_reader(rq);
	OWN(run_spec_freep) struct run_spec *run = NULL;
	json_t *placement = NULL;
	struct err e = {0};
	json_t *answer;
	int r;

	if (!sr)
		return;
	r = manager_prepare(rq->api->manager, sr, rq->json, is_job, true, &run, problems,
			    &placement, &e);
	if (r < 0 && r != -ERR_INVALID) {
		json_decref(placement);
		reply_error(rq, r, &e);
		return;
	}
	answer = json_pack("{s:b, s:O, s:o}", "valid", r >= 0, "problems", problems, "warnings",
			   run ? json_incref(run->warnings) : json_array());
	if (placement)
		json_object_set_new(answer, "placement", placement);
	reply_json(rq, 200, answer);
}
