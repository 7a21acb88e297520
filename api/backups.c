/* SPDX-License-Identifier: MIT */
/* /v1/backups. A thread of its own copies the database; the server's threads run the rest. */
#include "daemon/backup/backups.h"
#include "api/apart.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "base/own.h"

struct backup {
	json_t *made;
	int result;
	struct err err;
};

static void backup_free(void *state)
{
	struct backup *b = state;

	json_decref(b->made);
	free(b);
}

static void make(struct request *rq)
{
	struct backup *b = rq->state;

	b->result = manager_backup(rq->api->manager, &b->made, &b->err);
}

static void made(struct request *rq)
{
	struct backup *b = rq->state;

	if (b->result < 0)
		reply_error(rq, b->result, &b->err);
	else
		reply_json(rq, 201, TAKE(b->made));
}

void backups_make(struct request *rq)
{
	rq->state = calloc(1, sizeof(struct backup));
	rq->state_free = backup_free;
	if (rq->state)
		request_apart(rq, make, made);
}

void backups_list(struct request *rq)
{
	json_t *all = NULL;
	struct err e;
	int r = manager_backups(rq->api->manager, &all, &e);

	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, all);
}
