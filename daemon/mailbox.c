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

	pthread_mutex_lock(&mgr->queue_lock);
	stopping = mgr->stopping;
	full = mgr->queue_n >= MANAGER_QUEUE_MAX;
	if (!full && !stopping) {
		STAILQ_INSERT_TAIL(&mgr->queue, c, link);
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
	pthread_mutex_lock(&mgr->queue_lock);
	STAILQ_INSERT_TAIL(&mgr->inbox, m, link);
	pthread_mutex_unlock(&mgr->queue_lock);
	wake(mgr);
}

void mailbox_take(struct manager *mgr, struct command_list *ret)
{
	struct command *c;

	pthread_mutex_lock(&mgr->queue_lock);
	for (int n = 0; n < MANAGER_BATCH_MAX && (c = STAILQ_FIRST(&mgr->queue)); n++) {
		STAILQ_REMOVE_HEAD(&mgr->queue, link);
		STAILQ_INSERT_TAIL(ret, c, link);
		mgr->queue_n--;
	}
	if (!STAILQ_EMPTY(&mgr->queue))
		wake(mgr); /* the next round handles the rest */
	pthread_mutex_unlock(&mgr->queue_lock);
}

void mailbox_deliver(struct manager *mgr)
{
	STAILQ_HEAD(, manager_message) list = STAILQ_HEAD_INITIALIZER(list);
	struct manager_message *m;

	pthread_mutex_lock(&mgr->queue_lock);
	STAILQ_CONCAT(&list, &mgr->inbox);
	pthread_mutex_unlock(&mgr->queue_lock);
	while ((m = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
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
