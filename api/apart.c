/* SPDX-License-Identifier: MIT */
/* The thread waits until the connection is suspended, because it resumes it. */
#include "api/apart.h"

#include "api/reply.h"
#include "base/own.h"
#include "base/thread.h"

#include <semaphore.h>
#include <stdlib.h>

#define APART_STACK_BYTES (256 << 10)

struct apart {
	struct request *rq;
	void (*work)(struct request *rq);
	sem_t suspended;
};

static void *run(void *arg)
{
	struct apart *a = arg;

	while (sem_wait(&a->suspended) < 0 && errno == EINTR)
		;
	a->work(a->rq);
	request_resume(a->rq);
	sem_destroy(&a->suspended);
	free(a);
	return NULL;
}

void request_apart(struct request *rq, void (*work)(struct request *rq),
		   void (*then)(struct request *rq))
{
	struct apart *a = malloc(sizeof(*a));
	struct err err;
	int r = a ? 0 : -ENOMEM;

	if (a) {
		*a = (struct apart){.rq = rq, .work = work};
		sem_init(&a->suspended, 0, 0);
		r = thread_start(APART_STACK_BYTES, run, a, NULL);
	}
	if (r < 0) {
		free(a);
		/* the limit of threads is one of resources, as that of descriptors */
		r = err_errno(&err, r == -EAGAIN ? EMFILE : -r, "start a thread");
		reply_error(rq, r, &err);
		return;
	}
	request_wait(rq, then);
	sem_post(&a->suspended);
}

/* ---- a question to the manager ---- */

struct question {
	unsigned status;
	int (*ask)(struct manager *mgr, json_t **ret, struct err *reterr);
	json_t *answer;
	int result;
	struct err err;
};

static void question_free(void *state)
{
	struct question *q = state;

	json_decref(q->answer);
	free(q);
}

static void ask(struct request *rq)
{
	struct question *q = rq->state;

	q->result = q->ask(rq->api->manager, &q->answer, &q->err);
}

static void answered(struct request *rq)
{
	struct question *q = rq->state;

	if (q->result < 0)
		reply_error(rq, q->result, &q->err);
	else
		reply_json(rq, q->status, TAKE(q->answer));
}

void request_ask_apart(struct request *rq, unsigned status,
		       int (*fn)(struct manager *mgr, json_t **ret, struct err *reterr))
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return;
	*q = (struct question){.status = status, .ask = fn};
	rq->state = q;
	rq->state_free = question_free;
	request_apart(rq, ask, answered);
}
