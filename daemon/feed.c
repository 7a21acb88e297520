/* SPDX-License-Identifier: MIT */
/*
 * The ring of the newest events, and the list of waiters. A waiter is removed under the lock and
 * called back without it.
 */
#include "daemon/feed.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <pthread.h>
#include <string.h>

struct slot {
	int64_t seq;
	json_t *event;
	char *text; /* of the event; NULL until the first reader asks for it */
};

struct feed {
	pthread_mutex_t lock;
	struct slot ring[FEED_RING_EVENTS];
	size_t next;	   /* index of the next event */
	int64_t last_seq;  /* newest published seq; at the start the database's */
	int64_t lost_upto; /* every seq up to this one is not in memory */
	struct feed_waiter *waiters;
};

int feed_new(int64_t last_seq, struct feed **ret, struct err *reterr)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		return err_errno(reterr, ENOMEM, "make the feed");
	pthread_mutex_init(&f->lock, NULL);
	f->last_seq = f->lost_upto = last_seq;
	*ret = f;
	return 0;
}

static void clear_slot(struct slot *slot)
{
	json_decref(slot->event);
	free(slot->text);
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < FEED_RING_EVENTS; i++)
		clear_slot(&f->ring[i]);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static bool field_matches(const json_t *event, const char *key, const char *want)
{
	return !want[0] || str_eq(json_get_str(event, key, NULL), want);
}

static bool matches(const struct feed_filter *filter, const json_t *event)
{
	return field_matches(event, "run", filter->run) &&
	       field_matches(event, "job", filter->job) &&
	       field_matches(event, "kind", filter->kind);
}

/* Call back a list that was removed from the feed. No lock is held, because fn may free its
 * waiter. */
static void call_all(struct feed_waiter *list)
{
	while (list) {
		struct feed_waiter *w = list;

		list = w->next;
		w->next = NULL;
		w->fn(w);
	}
}

/* Move the waiters that satisfy `due` to a separate list. The caller holds the lock. */
static struct feed_waiter *
take_due(struct feed *f, bool (*due)(const struct feed_waiter *w, const void *arg), const void *arg)
{
	struct feed_waiter **at = &f->waiters, *taken = NULL;

	while (*at) {
		struct feed_waiter *w = *at;

		if (!due(w, arg)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = taken;
		taken = w;
	}
	return taken;
}

static bool due_event(const struct feed_waiter *w, const void *arg)
{
	return matches(&w->filter, arg);
}

static bool due_wake(const struct feed_waiter *w, const void *arg)
{
	return w->wake && (!w->filter.job[0] || str_eq(w->filter.job, arg));
}

static bool due_deadline(const struct feed_waiter *w, const void *arg)
{
	return w->deadline_mono_us <= *(const int64_t *)arg;
}

void feed_publish(struct feed *f, int64_t seq, json_t *event)
{
	struct feed_waiter *due;
	struct slot *slot;

	pthread_mutex_lock(&f->lock);
	slot = &f->ring[f->next];
	f->next = (f->next + 1) % FEED_RING_EVENTS;
	if (slot->event)
		f->lost_upto = slot->seq;
	clear_slot(slot);
	*slot = (struct slot){.seq = seq, .event = event};
	f->last_seq = seq;
	due = take_due(f, due_event, event);
	pthread_mutex_unlock(&f->lock);
	call_all(due);
}

void feed_wake(struct feed *f, const char *job)
{
	struct feed_waiter *due;

	pthread_mutex_lock(&f->lock);
	due = take_due(f, due_wake, job);
	pthread_mutex_unlock(&f->lock);
	call_all(due);
}

void feed_expire(struct feed *f, int64_t now_mono_us)
{
	struct feed_waiter *due;

	pthread_mutex_lock(&f->lock);
	due = take_due(f, due_deadline, &now_mono_us);
	pthread_mutex_unlock(&f->lock);
	call_all(due);
}

int64_t feed_last_seq(struct feed *f)
{
	int64_t seq;

	pthread_mutex_lock(&f->lock);
	seq = f->last_seq;
	pthread_mutex_unlock(&f->lock);
	return seq;
}

/* Copies events, because threads must not share Jansson's reference counts without its atomic
 * build. A shallow copy suffices: the values never change. */
static int copy_matching(struct feed *f, const struct feed_filter *filter, int64_t since,
			 size_t max, json_t *events, int64_t *ret_next)
{
	*ret_next = since > f->last_seq ? since : f->last_seq;
	for (size_t i = 0; i < FEED_RING_EVENTS; i++) {
		const struct slot *slot = &f->ring[(f->next + i) % FEED_RING_EVENTS];
		json_t *copy;

		if (!slot->event || slot->seq <= since || !matches(filter, slot->event))
			continue;
		if (json_array_size(events) == max)
			return 0; /* *ret_next is the last event taken */
		copy = json_deep_copy(slot->event);
		if (!copy || json_array_append_new(events, copy) < 0)
			return -ENOMEM;
		if (json_array_size(events) == max)
			*ret_next = slot->seq;
	}
	return 0;
}

static int not_in_memory(int64_t since, struct err *reterr)
{
	return err_set(reterr, ERR_GONE, "the daemon no longer has the events up to %lld in memory",
		       (long long)since);
}

int feed_read(struct feed *f, const struct feed_filter *filter, int64_t since, size_t max,
	      json_t **ret_events, int64_t *ret_next, struct err *reterr)
{
	OWN(json_decrefp) json_t *events = json_array();
	int r = -ERR_GONE;

	if (!events)
		return err_errno(reterr, ENOMEM, "read the feed");
	pthread_mutex_lock(&f->lock);
	if (since >= f->lost_upto)
		r = copy_matching(f, filter, since, max, events, ret_next);
	pthread_mutex_unlock(&f->lock);
	if (r == -ERR_GONE)
		return not_in_memory(since, reterr);
	if (r < 0)
		return err_errno(reterr, -r, "read the feed");
	*ret_events = TAKE(events);
	return 0;
}

/* The caller holds the lock. */
static int each_text(struct feed *f, const struct feed_filter *filter, int64_t since,
		     feed_text_fn fn, void *userdata, int64_t *ret_next)
{
	*ret_next = since;
	for (size_t i = 0; i < FEED_RING_EVENTS; i++) {
		struct slot *slot = &f->ring[(f->next + i) % FEED_RING_EVENTS];

		if (!slot->event || slot->seq <= since)
			continue;
		if (matches(filter, slot->event)) {
			if (!slot->text && !(slot->text = json_text(slot->event)))
				return -ENOMEM;
			if (!fn(userdata, slot->seq, slot->text))
				return 0;
		}
		*ret_next = slot->seq;
	}
	if (f->last_seq > *ret_next)
		*ret_next = f->last_seq;
	return 0;
}

int feed_read_text(struct feed *f, const struct feed_filter *filter, int64_t since, feed_text_fn fn,
		   void *userdata, int64_t *ret_next, struct err *reterr)
{
	int r = -ERR_GONE;

	pthread_mutex_lock(&f->lock);
	if (since >= f->lost_upto)
		r = each_text(f, filter, since, fn, userdata, ret_next);
	pthread_mutex_unlock(&f->lock);
	if (r == -ERR_GONE)
		return not_in_memory(since, reterr);
	return r < 0 ? err_errno(reterr, -r, "read the feed") : 0;
}

/* True if memory has a matching event newer than w->since. The caller holds the lock. */
static bool has_newer(struct feed *f, const struct feed_waiter *w)
{
	if (w->since >= f->last_seq)
		return false;
	if (w->since < f->lost_upto)
		return true; /* unknown: let the caller check */
	for (size_t i = 0; i < FEED_RING_EVENTS; i++)
		if (f->ring[i].event && f->ring[i].seq > w->since &&
		    matches(&w->filter, f->ring[i].event))
			return true;
	return false;
}

bool feed_wait(struct feed *f, struct feed_waiter *w)
{
	bool wait;

	pthread_mutex_lock(&f->lock);
	wait = !has_newer(f, w);
	if (wait) {
		w->next = f->waiters;
		f->waiters = w;
	}
	pthread_mutex_unlock(&f->lock);
	return wait;
}

static bool due_this(const struct feed_waiter *w, const void *arg)
{
	return w == arg;
}

bool feed_cancel(struct feed *f, struct feed_waiter *w)
{
	struct feed_waiter *taken;

	pthread_mutex_lock(&f->lock);
	taken = take_due(f, due_this, w);
	pthread_mutex_unlock(&f->lock);
	return taken != NULL;
}
