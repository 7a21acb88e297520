/* SPDX-License-Identifier: MIT */
/*
 * The feed: the newest events in memory. The manager's thread publishes after each commit; API
 * threads read and wait. Older events come from the database (store_read.h). Thread-safe.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define FEED_RING_EVENTS 512 /* events in memory; an event has about 1 KB */

struct feed;

/* Selects events; "" matches any value. */
struct feed_filter {
	char run[24], job[24], kind[32];
};

int feed_new(int64_t last_seq, struct feed **ret, struct err *reterr) MUSTCHECK;
void feed_free(struct feed *f);

/* Manager's thread. Publish one committed event. Takes over `event`
 * ({"seq","at","kind","run","job",…}). */
void feed_publish(struct feed *f, int64_t seq, json_t *event);
/* Manager's thread. Wake the waiters of `job` after a change that writes no event: its log file
 * grew. */
void feed_wake(struct feed *f, const char *job);
/* Manager's thread. Call back the waiters whose deadline has passed. USEC_NEVER calls back all of
 * them, so that a shutdown resumes every suspended connection. */
void feed_expire(struct feed *f, int64_t now_mono_us);
int64_t feed_last_seq(struct feed *f);
/* Read matching events with seq > since, oldest first, at most `max`, as a new JSON array of
 * copies. *ret_next is the highest seq that was examined. -ERR_GONE if `since` is older than the
 * events in memory: read the database first. */
int feed_read(struct feed *f, const struct feed_filter *filter, int64_t since, size_t max,
	      json_t **ret_events, int64_t *ret_next, struct err *reterr) MUSTCHECK;

/* As feed_read(), but calls fn with the JSON text of each event, oldest first, until fn returns
 * false: then the event is not examined. Cheaper for many readers, because each event is printed
 * once. `text` is valid during the call. fn runs under the feed's lock and must be short. */
typedef bool (*feed_text_fn)(void *userdata, int64_t seq, const char *text);
int feed_read_text(struct feed *f, const struct feed_filter *filter, int64_t since, feed_text_fn fn,
		   void *userdata, int64_t *ret_next, struct err *reterr) MUSTCHECK;

/* A wait with exactly one callback: at a matching event with seq > since, at a matching feed_wake
 * (if `wake`), at the deadline or at shutdown. The caller owns the memory until fn has run or
 * feed_cancel has returned true. fn runs on another thread without a lock of the feed. */
struct feed_waiter {
	struct feed_filter filter;
	int64_t since;
	int64_t deadline_mono_us;
	bool wake;
	void (*fn)(struct feed_waiter *w);
	void *userdata;
	struct feed_waiter *next; /* private to the feed */
};
/* Returns false if a matching event already exists: then do not wait, fn does not run. */
bool feed_wait(struct feed *f, struct feed_waiter *w);
/* Returns true if the waiter was removed, so that fn does not run. */
bool feed_cancel(struct feed *f, struct feed_waiter *w);
