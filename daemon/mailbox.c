/* SPDX-License-Identifier: MIT */
/*
 * The mailbox of the manager's thread: commands and messages of other threads, with one lock and
 * one eventfd that wakes the loop. It also holds the manager's own request for a scheduling pass.
 * manager.c takes the content and runs it.
 */
#include "daemon/mailbox.h"

#include "base/own.h"

#include <unistd.h>

static void wake(struct manager *mgr)
{
	uint64_t one = 1;

	(void)!write(mgr->queue_fd, &one, sizeof(one));
}

int manager_queue(struct manager *mgr, struct command *c, struct err *reterr)
{
	bool full, stopping;

	c->next = NULL;
	pthread_mutex_lock(&mgr->queue_lock);
	stopping = mgr->stopping;
	full = mgr->queue_n >= MANAGER_QUEUE_MAX;
	if (!full && !stopping) {
		*mgr->queue_tail = c;
		mgr->queue_tail = &c->next;
		mgr->queue_n++;
	}
	pthread_mutex_unlock(&mgr->queue_lock);
	if (stopping)
		return err_set(reterr, ERR_UNAVAILABLE, "the daemon is stopping; try again");
	if (full)
		return err_set(reterr, ERR_LIMIT, "%d requests wait already; try again later",
			       MANAGER_QUEUE_MAX);
	wake(mgr);
	return 0;
}

void manager_post(struct manager *mgr, struct manager_message *m)
{
	m->next = NULL;
	pthread_mutex_lock(&mgr->queue_lock);
	*mgr->inbox_tail = m;
	mgr->inbox_tail = &m->next;
	pthread_mutex_unlock(&mgr->queue_lock);
	wake(mgr);
}

struct command *mailbox_take(struct manager *mgr)
{
	struct command *first, **at;
	size_t n = 0;

	pthread_mutex_lock(&mgr->queue_lock);
	first = mgr->queue_head;
	for (at = &first; *at && n < MANAGER_BATCH_MAX; at = &(*at)->next)
		n++;
	mgr->queue_head = *at;
	*at = NULL;
	mgr->queue_n -= n;
	if (!mgr->queue_head)
		mgr->queue_tail = &mgr->queue_head;
	else
		wake(mgr); /* the next round handles the rest */
	pthread_mutex_unlock(&mgr->queue_lock);
	return first;
}

void mailbox_deliver(struct manager *mgr)
{
	struct manager_message *list;

	pthread_mutex_lock(&mgr->queue_lock);
	list = TAKE(mgr->inbox_head);
	mgr->inbox_tail = &mgr->inbox_head;
	pthread_mutex_unlock(&mgr->queue_lock);
	while (list) {
		struct manager_message *m = list;

		list = m->next;
		m->fn(mgr, m);
	}
}

bool mailbox_is_empty(struct manager *mgr)
{
	bool empty;

	pthread_mutex_lock(&mgr->queue_lock);
	empty = mgr->queue_n == 0;
	pthread_mutex_unlock(&mgr->queue_lock);
	return empty;
}

void manager_want_schedule(struct manager *mgr)
{
	if (mgr->want_schedule || mgr->stopping || !mgr->ready || mgr->ends_only)
		return;
	mgr->want_schedule = true;
	sd_event_source_set_enabled(mgr->schedule_source, SD_EVENT_ONESHOT);
}
