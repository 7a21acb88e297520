/* SPDX-License-Identifier: MIT */
/* The thread waits until the connection is suspended, because it resumes it. */
#include "api/apart.h"

#include "api/reply.h"
#include "base/own.h"

#include <pthread.h>
#include <semaphore.h>

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

static int start(struct apart *a)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, APART_STACK_BYTES);
	r = pthread_create(&thread, &attr, run, a);
	pthread_attr_destroy(&attr);
	return -r;
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
		r = start(a);
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
