/* SPDX-License-Identifier: MIT */
/* Added models: list, item, add, remove. The server's threads run this. */
#include "api/command.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "api/submit.h"
#include "base/own.h"
#include "base/str.h"

#include <stdio.h>

void models_list(struct request *rq)
{
	struct store_reader *sr = request_reader(rq);
	json_t *list;
	struct err e;
	int r;

	if (!sr)
		return;
	r = manager_models(rq->api->manager, sr, &list, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, list);
}

static void reply_model(struct request *rq, unsigned status)
{
	struct store_reader *sr = request_reader(rq);
	json_t *model;
	struct err e;
	int r;

	if (!sr)
		return;
	r = manager_model(rq->api->manager, sr, rq->args[0], &model, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, status, model);
}

void models_get(struct request *rq)
{
	reply_model(rq, 200);
}

static void added(struct request *rq)
{
	struct command *c = command_result(rq);
	char location[80];

	if (!c)
		return;
	reply_model(rq, c->number ? 201 : 200);
	if (!c->number)
		return;
	str_must_format(location, sizeof(location), "/v1/models/%s", c->id);
	reply_header(rq, "Location", location);
}

/* Reply what the request would add. */
static void reply_dry(struct request *rq, json_t *source)
{
	json_set_str(source, "name", rq->args[0]);
	json_set_str(source, "origin", "added");
	reply_json(rq, 200, source);
}

void models_add(struct request *rq)
{
	OWN(json_decrefp) json_t *problems = json_array(), *source = NULL;
	bool dry = false;
	struct err e = {0};
	int r;

	if (!request_param_bool(rq, "dry_run", &dry))
		return;
	r = manager_model_check(rq->api->manager, rq->args[0], rq->json, &source, problems, &e);
	if (r < 0 && json_array_size(problems))
		submit_refused(rq, "invalid_body", problems);
	else if (r < 0)
		reply_error(rq, r, &e);
	else if (dry)
		reply_dry(rq, TAKE(source));
	else
		command_send_json(rq, COMMAND_MODEL_ADD, rq->args[0], TAKE(source), added);
}

static void removed(struct request *rq)
{
	if (command_result(rq))
		reply_empty(rq, 204);
}

void models_remove(struct request *rq)
{
	command_send(rq, COMMAND_MODEL_REMOVE, rq->args[0], 0, NULL, removed);
}
