/* SPDX-License-Identifier: MIT */
/* The search thread and its queue of pages. The thread starts with the first page. */
#include "daemon/sagemaker/log_search.h"

#include "base/own.h"
#include "base/thread.h"

#include <pthread.h>

#define STACK_BYTES (256 << 10)

struct log_search {
	pthread_t thread;
	bool started; /* used by the manager's thread only */
	_Atomic bool stopping;
	pthread_mutex_t lock; /* protects all fields below */
	pthread_cond_t news;
	STAILQ_HEAD(, log_search_task) queue;
};

/* Wait for the next page. NULL: the daemon stops. */
static struct log_search_task *next_task(struct log_search *s)
{
	struct log_search_task *t;

	pthread_mutex_lock(&s->lock);
	while (STAILQ_EMPTY(&s->queue) && !s->stopping)
		pthread_cond_wait(&s->news, &s->lock);
	t = s->stopping ? NULL : STAILQ_FIRST(&s->queue);
	if (t)
		STAILQ_REMOVE_HEAD(&s->queue, link);
	pthread_mutex_unlock(&s->lock);
	return t;
}

static void *search_thread(void *userdata)
{
	struct log_search *s = userdata;
	struct log_search_task *t;

	pthread_setname_np(pthread_self(), "log-search");
	while ((t = next_task(s))) {
		t->search(t, &s->stopping);
		t->done(t);
	}
	return NULL;
}

static int start_thread(struct log_search *s, struct err *reterr)
{
	int r;

	if (s->started)
		return 0;
	r = thread_start(STACK_BYTES, search_thread, s, &s->thread);
	s->started = r == 0;
	return r == 0 ? 0 : err_errno(reterr, -r, "start the thread that searches logs");
}

int log_search_add(struct log_search *s, struct log_search_task *t, struct err *reterr)
{
	int r = start_thread(s, reterr);

	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	STAILQ_INSERT_TAIL(&s->queue, t, link);
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int log_search_new(struct log_search **ret, struct err *reterr)
{
	struct log_search *s = calloc(1, sizeof(*s));

	if (!s)
		return err_errno(reterr, ENOMEM, "make the search of logs");
	STAILQ_INIT(&s->queue);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->news, NULL);
	*ret = s;
	return 0;
}

void log_search_stop(struct log_search *s)
{
	if (!s->started)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	s->started = false;
	while (!STAILQ_EMPTY(&s->queue)) {
		struct log_search_task *t = STAILQ_FIRST(&s->queue);

		STAILQ_REMOVE_HEAD(&s->queue, link);
		t->done(t);
	}
}

void log_search_free(struct log_search *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->news);
	free(s);
}
