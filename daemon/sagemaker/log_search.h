/* SPDX-License-Identifier: MIT */
/*
 * The thread that searches pages of SageMaker's logs with the expressions of users: the manager
 * thread runs none. One thread for all logs, in the order in which pages come; it starts with the
 * first of them. It knows nothing of the database: what is not stored when the daemon ends is
 * searched again.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

struct log_search;

/* One page. */
struct log_search_task {
	/* On the thread. If *stop becomes true it returns soon, with whatever it has. */
	void (*search)(struct log_search_task *t, const _Atomic bool *stop);
	/* On the thread, once, after search(); or on the thread that stops, without it. */
	void (*done)(struct log_search_task *t);
	void *userdata;
	struct log_search_task *next; /* the thread's */
};

int log_search_new(struct log_search **ret, struct err *reterr) MUSTCHECK;
/* Negative: the thread cannot be started now; done() will not run. */
int log_search_add(struct log_search *s, struct log_search_task *t, struct err *reterr) MUSTCHECK;
/* Ends the thread, within some 0.2 s whatever the expressions are; done() has run for all. */
void log_search_stop(struct log_search *s);
void log_search_free(struct log_search *s); /* after the stop; NULL is allowed */
