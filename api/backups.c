/* SPDX-License-Identifier: MIT */
/* /v1/backups: makes a copy of the database, and lists the copies. */
#include "daemon/backup/backups.h"
#include "api/apart.h"
#include "api/handlers.h"
#include "api/reply.h"

void backups_make(struct request *rq)
{
	request_ask_apart(rq, 201, manager_backup);
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
