/* SPDX-License-Identifier: MIT */
/*
 * The feed: the newest events in memory, for watchers. The manager thread publishes after each
 * commit; api threads read and wait. Older events come from the database (store_read.h).
 * Thread-safe.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define FEED_RING_EVENTS 512 /* older ones come from the database; an event is about 1 KB */

struct feed;

/* Which events a watcher wants; "" is any. */
struct feed_filter {
	char run[24], job[24], kind[32];
};

int feed_new(int64_t last_seq, struct feed **ret, struct err *reterr) MUSTCHECK;
void feed_free(struct feed *f);

/* Manager: make one committed event visible. Takes over `event`
 * ({"seq","at","kind","run","job",…}).
 */
void feed_publish(struct feed *f, int64_t seq, json_t *event);
/* Manager: something not in the event log changed for `job` (its log file grew): wake its waiters.
 */
void feed_wake(struct feed *f, const char *job);
/* Manager, from its loop: call back waiters whose deadline has passed; all of them when now_us is
 * USEC_NEVER (shutdown: every suspended connection must be resumed). */
void feed_expire(struct feed *f, int64_t now_mono_us);
int64_t feed_last_seq(struct feed *f);
/* Matching events with seq > since, oldest first, at most `max`, as a new JSON array of
 * copies; *ret_next is the high-water mark that was scanned. -ERR_GONE: `since` is older than the
 * ring, read the database first. */
int feed_read(struct feed *f, const struct feed_filter *filter, int64_t since, size_t max,
	      json_t **ret_events, int64_t *ret_next, struct err *reterr) MUSTCHECK;

/* One wait, once called back: at a matching event with seq > since, a matching feed_wake (only when
 * wake is true), the deadline, or shutdown. The caller owns the memory until fn has run or
 * feed_cancel returned true. fn runs on another thread, with no lock of the feed held. */
struct feed_waiter {
	struct feed_filter filter;
	int64_t since;
	int64_t deadline_mono_us;
	bool wake;
	void (*fn)(struct feed_waiter *w);
	void *userdata;
	struct feed_waiter *next; /* the feed's */
};
/* false: already satisfied (a matching event is there): do not wait, fn will not run. */
bool feed_wait(struct feed *f, struct feed_waiter *w);
/* true: removed, fn will not run. */
bool feed_cancel(struct feed *f, struct feed_waiter *w);
