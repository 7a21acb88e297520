/* SPDX-License-Identifier: MIT */
/* Runs: submit, list, item, cancel, retry. The server's threads run this. */
#include "api/handlers.h"

#include "api/command.h"
#include "api/list.h"
#include "api/reply.h"
#include "api/submit.h"

void runs_list(struct request *rq)
{
	list_reply(rq, LIST_RUNS);
}

static void reply_run(struct request *rq, const char *id)
{
	struct store_reader *sr = request_reader(rq);
	json_t *run;
	struct err e;
	int r;

	if (!sr)
		return;
	r = store_read_run(sr, id, &run, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_item(rq, run);
}

void runs_get(struct request *rq)
{
	if (request_id(rq, 'r'))
		reply_run(rq, rq->args[0]);
}

void runs_submit(struct request *rq)
{
	submit(rq, submit_is_job(rq), submit_reply_run);
}

static void changed(struct request *rq)
{
	if (command_result(rq))
		reply_run(rq, rq->args[0]);
}

static void change(struct request *rq, enum command_kind kind)
{
	if (request_id(rq, 'r') && request_fields(rq, NULL, 0))
		command_send(rq, kind, rq->args[0], 0, NULL, changed);
}

void runs_cancel(struct request *rq)
{
	change(rq, COMMAND_RUN_CANCEL);
}

void runs_retry(struct request *rq)
{
	change(rq, COMMAND_RUN_RETRY);
}

void runs_hold(struct request *rq)
{
	change(rq, COMMAND_RUN_HOLD);
}

void runs_release(struct request *rq)
{
	change(rq, COMMAND_RUN_RELEASE);
}

void runs_priority(struct request *rq)
{
	int64_t priority;

	if (request_id(rq, 'r') && command_priority(rq, &priority))
		command_send(rq, COMMAND_RUN_PRIORITY, rq->args[0], priority, NULL, changed);
}

void runs_explain(struct request *rq)
{
	if (request_id(rq, 'r'))
		command_send(rq, COMMAND_RUN_EXPLAIN, rq->args[0], 0, NULL, command_reply_json);
}

void runs_spec(struct request *rq)
{
	struct store_reader *sr;
	json_t *body;
	struct err e;
	int r;

	if (!request_id(rq, 'r'))
		return;
	sr = request_reader(rq);
	if (!sr)
		return;
	r = store_read_run_body(sr, rq->args[0], &body, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, body);
}
