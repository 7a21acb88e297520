/* SPDX-License-Identifier: MIT */
/*
 * The thread that searches pages of SageMaker's logs with users' expressions; the manager's thread
 * runs none of them. One thread serves all logs, in the order of the pages, and starts with the
 * first page.
 * The thread does not use the database. If the daemon ends before a page's result is stored, the
 * page is searched again.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <sys/queue.h>

struct log_search;

/* One page. */
struct log_search_task {
	/* Search the page; on the thread. If *stop becomes true, it returns soon with a partial
	 * result. */
	void (*search)(struct log_search_task *t, const _Atomic bool *stop);
	/* Called once after search(), on the thread; after a stop without search(), on the stopping
	 * thread. */
	void (*done)(struct log_search_task *t);
	void *userdata;
	STAILQ_ENTRY(log_search_task) link; /* the thread's own */
};

int log_search_new(struct log_search **ret, struct err *reterr) MUSTCHECK;
/* Add a page; starts the thread if needed. Does not block. Negative: the thread cannot start now,
 * and done() will not run. */
int log_search_add(struct log_search *s, struct log_search_task *t, struct err *reterr) MUSTCHECK;
/* End the thread, within about 0.2 s whatever the expressions are. done() has then run for all
 * pages. */
void log_search_stop(struct log_search *s);
void log_search_free(struct log_search *s); /* call it after the stop; NULL is allowed */
