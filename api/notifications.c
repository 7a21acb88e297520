/* SPDX-License-Identifier: MIT */
/* POST /v1/notifications/test. A thread of its own waits for the receivers; the server's threads
 * run the rest. */
#include "api/apart.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "base/own.h"
#include "daemon/manager.h"

struct test {
	json_t *answer;
	int result;
	struct err err;
};

static void test_free(void *state)
{
	struct test *t = state;

	json_decref(t->answer);
	free(t);
}

static void deliver(struct request *rq)
{
	struct test *t = rq->state;

	t->result = manager_notify_test(rq->api->manager, &t->answer, &t->err);
}

static void answered(struct request *rq)
{
	struct test *t = rq->state;

	if (t->result < 0)
		reply_error(rq, t->result, &t->err);
	else
		reply_json(rq, 200, TAKE(t->answer));
}

void notifications_test(struct request *rq)
{
	rq->state = calloc(1, sizeof(struct test));
	rq->state_free = test_free;
	if (rq->state)
		request_apart(rq, deliver, answered);
}
