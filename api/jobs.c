/* SPDX-License-Identifier: MIT */
/* Jobs: submit, list, item, cancel, retry, hold, priority, attempts, explain. The server's threads
 * run this. */
#include "api/handlers.h"

#include "api/command.h"
#include "api/costs.h"
#include "api/list.h"
#include "api/reply.h"
#include "api/submit.h"

void jobs_list(struct request *rq)
{
	list_reply(rq, LIST_JOBS);
}

static void reply_job(struct request *rq, const char *id)
{
	struct store_reader *sr = request_reader(rq);
	json_t *job, *cost;
	struct err e;
	int r;

	if (!sr)
		return;
	r = store_read_job(sr, id, &job, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	cost = costs_of_job(rq, json_object_get(job, "spec"), json_object_get(job, "cost"));
	if (cost)
		json_object_set_new(job, "cost", cost);
	reply_item(rq, job);
}

void jobs_get(struct request *rq)
{
	if (request_id(rq, 'j'))
		reply_job(rq, rq->args[0]);
}

void jobs_submit(struct request *rq)
{
	submit(rq, true, submit_reply_job);
}

static void changed(struct request *rq)
{
	if (command_result(rq))
		reply_job(rq, rq->args[0]);
}

static void change(struct request *rq, enum command_kind kind)
{
	if (request_id(rq, 'j') && request_fields(rq, NULL, 0))
		command_send(rq, kind, rq->args[0], 0, NULL, changed);
}

void jobs_cancel(struct request *rq)
{
	change(rq, COMMAND_JOB_CANCEL);
}

void jobs_retry(struct request *rq)
{
	change(rq, COMMAND_JOB_RETRY);
}

void jobs_hold(struct request *rq)
{
	change(rq, COMMAND_JOB_HOLD);
}

void jobs_release(struct request *rq)
{
	change(rq, COMMAND_JOB_RELEASE);
}

void jobs_priority(struct request *rq)
{
	int64_t priority;

	if (request_id(rq, 'j') && command_priority(rq, &priority))
		command_send(rq, COMMAND_JOB_PRIORITY, rq->args[0], priority, NULL, changed);
}

void jobs_attempts(struct request *rq)
{
	struct store_reader *sr;
	json_t *attempts;
	struct err e;
	int r;

	if (!request_id(rq, 'j'))
		return;
	sr = request_reader(rq);
	if (!sr)
		return;
	r = store_read_attempts(sr, rq->args[0], &attempts, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, attempts);
}

void jobs_explain(struct request *rq)
{
	if (request_id(rq, 'j'))
		command_send(rq, COMMAND_EXPLAIN, rq->args[0], 0, NULL, command_reply_json);
}
