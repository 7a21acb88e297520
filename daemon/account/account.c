/* SPDX-License-Identifier: MIT */
/* The account service: a queue, and a few threads that start with the first query. */
#include "daemon/account/parts.h"

#include "base/thread.h"
#include "daemon/core.h"

#include <errno.h>

#define THREADS	    2
#define STACK_BYTES (512 << 10)

struct account {
	struct manager *manager;
	pthread_mutex_t lock;
	pthread_cond_t more;
	bool stopping;
	pthread_t threads[THREADS];
	size_t threads_n, queue_n;
	STAILQ_HEAD(, account_query) queue;
};

static void answer(struct account *a, struct account_query *q)
{
	static int (*const kinds[])(struct account_turn * t) = {
		[ACCOUNT_ROLES] = account_roles,       [ACCOUNT_ROLE] = account_role,
		[ACCOUNT_JOBS] = account_jobs,	       [ACCOUNT_JOB] = account_job,
		[ACCOUNT_JOB_LOGS] = account_job_logs, [ACCOUNT_ARTIFACTS] = account_artifacts,
	};
	struct account_turn t = {
		.aws = a->manager->aws,
		.q = q,
		.bucket = a->manager->settings->aws.bucket,
		.until_us = clock_mono_us() + ACCOUNT_BUDGET_US,
	};

	q->result = kinds[q->kind](&t);
	if (q->result >= 0 && !q->json)
		q->result = err_errno(&q->err, ENOMEM, "answer about the account");
	q->done(q);
}

static void *account_thread(void *userdata)
{
	struct account *a = userdata;

	pthread_setname_np(pthread_self(), "account");
	pthread_mutex_lock(&a->lock);
	for (;;) {
		struct account_query *q = STAILQ_FIRST(&a->queue);

		if (!q && a->stopping)
			break;
		if (!q) {
			pthread_cond_wait(&a->more, &a->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&a->queue, link);
		a->queue_n--;
		pthread_mutex_unlock(&a->lock);
		answer(a, q);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* Start the threads at the first query; the lock is held. */
static int start_threads(struct account *a, struct err *reterr)
{
	int r = 0;

	while (r == 0 && a->threads_n < THREADS) {
		r = thread_start(STACK_BYTES, account_thread, a, &a->threads[a->threads_n]);
		a->threads_n += r == 0;
	}
	return a->threads_n ? 0 : err_errno(reterr, -r, "start a thread of the account");
}

static int refuse(struct manager *mgr, struct account *a, struct account_query *q)
{
	if (!mgr->aws) {
		q->failure = ACCOUNT_CREDENTIALS;
		return err_set(&q->err, ERR_UNAVAILABLE, "%s", mgr->aws_why.message);
	}
	if (a->stopping)
		return err_set(&q->err, ERR_UNAVAILABLE, "the daemon is stopping");
	if (a->queue_n >= ACCOUNT_QUEUE_MAX)
		return err_set(&q->err, ERR_LIMIT,
			       "%d requests about the AWS account wait already; try again later",
			       ACCOUNT_QUEUE_MAX);
	return start_threads(a, &q->err);
}

int manager_account(struct manager *mgr, struct account_query *q)
{
	struct account *a = mgr->account;
	int r;

	q->failure = ACCOUNT_OURS;
	pthread_mutex_lock(&a->lock);
	r = refuse(mgr, a, q);
	if (r >= 0) {
		STAILQ_INSERT_TAIL(&a->queue, q, link);
		a->queue_n++;
		pthread_cond_signal(&a->more);
	} else {
		q->result = r;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

int account_open(struct manager *mgr, struct account **ret, struct err *reterr)
{
	struct account *a = calloc(1, sizeof(*a));

	if (!a)
		return err_errno(reterr, ENOMEM, "make the account service");
	a->manager = mgr;
	STAILQ_INIT(&a->queue);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->more, NULL);
	*ret = a;
	return 0;
}

void account_free(struct account *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_broadcast(&a->more);
	pthread_mutex_unlock(&a->lock);
	for (size_t i = 0; i < a->threads_n; i++)
		pthread_join(a->threads[i], NULL);
	pthread_cond_destroy(&a->more);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
