/* SPDX-License-Identifier: MIT */
/*
 * Sends a command for one request: suspend, queue, continue after the commit. The request owns the
 * command's memory; the manager uses it from the queueing until `done`. The server's threads call
 * this.
 */
#include "api/command.h"

#include "api/idempotency.h"
#include "api/reply.h"
#include "base/own.h"
#include "base/str.h"

static void on_done(struct command *c)
{
	request_resume(c->userdata);
}

static void command_free(void *state)
{
	struct command *c = state;

	run_spec_freep(&c->run);
	json_decref(c->json);
	json_decref(c->answer);
	free(c->submitted);
	free(c);
}

/* Takes over `run` and `json`. */
static void queue_command(struct request *rq, const struct command *wanted, const char *id,
			  void (*then)(struct request *rq))
{
	struct command *c = calloc(1, sizeof(*c));
	struct err e;
	int r;

	if (!c) {
		run_spec_free(wanted->run);
		json_decref(wanted->json);
		reply_problem(rq, 503, "unavailable",
			      "the daemon is out of memory; try again later");
		return;
	}
	*c = *wanted;
	c->done = on_done;
	c->userdata = rq;
	c->key = rq->idempotency ? rq->idempotency->key : NULL;
	c->request = rq->idempotency ? rq->idempotency->request : NULL;
	rq->state = c;
	rq->state_free = command_free;
	if (id && !str_copy(c->id, sizeof(c->id), id)) {
		reply_problem(
			rq, 404, "not_found",
			"there is no run, job or endpoint '%.80s'; GET /v1/runs, /v1/jobs and "
			"/v1/endpoints list them",
			id);
		return;
	}
	/* Suspend the connection before the manager can see the command. After a successful
	 * queueing `c` and its run belong to the manager until `done`. */
	request_wait(rq, then);
	r = manager_queue(rq->api->manager, c, &e);
	if (r >= 0)
		return;
	c->result = r;
	c->err = e;
	request_resume(rq);
}

void command_send(struct request *rq, enum command_kind kind, const char *id, int64_t number,
		  struct run_spec *run, void (*then)(struct request *rq))
{
	struct command c = {.kind = kind, .number = number, .run = run};

	queue_command(rq, &c, id, then);
}

void command_send_json(struct request *rq, enum command_kind kind, const char *id, json_t *json,
		       void (*then)(struct request *rq))
{
	struct command c = {.kind = kind, .json = json};

	queue_command(rq, &c, id, then);
}

struct command *command_result(struct request *rq)
{
	struct command *c = rq->state;

	if (c->result >= 0)
		return c;
	if (c->result == -ERR_INVALID && *c->err.field)
		reply_problems(rq, 422, "invalid_body",
			       json_pack("[{s:s, s:s, s:s}]", "pointer", c->err.field, "code",
					 "invalid", "detail", c->err.msg),
			       "%s: %s", c->err.field, c->err.msg);
	else
		reply_error(rq, c->result, &c->err);
	return NULL;
}

void command_reply_json(struct request *rq)
{
	struct command *c = command_result(rq);

	if (c)
		reply_json(rq, 200, TAKE(c->answer));
}

bool command_priority(struct request *rq, int64_t *ret)
{
	static const char *const fields[] = {"priority"};
	const json_t *number = json_object_get(rq->json, "priority");

	if (!request_fields(rq, fields, ARRAY_LEN(fields)))
		return false;
	*ret = json_integer_value(number);
	if (json_is_integer(number) && *ret >= -SPEC_PRIORITY_MAX && *ret <= SPEC_PRIORITY_MAX)
		return true;
	reply_problems(rq, 422, "invalid_body",
		       json_pack("[{s:s, s:s, s:s}]", "pointer", "/priority", "code",
				 json_is_integer(number) ? "out_of_range" : "wrong_type", "detail",
				 "must be a whole number from -1000 to 1000"),
		       "/priority must be a whole number from -1000 to 1000");
	return false;
}
