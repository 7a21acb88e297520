/* SPDX-License-Identifier: MIT */
/* The loop of the thread: the next message, its delivery, the note of it in the database. */
#include "daemon/notification/notifier.h"

#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "base/thread.h"
#include "daemon/core.h"
#include "daemon/feed.h"
#include "daemon/notification/conditions.h"
#include "daemon/notification/message.h"
#include "daemon/notification/note.h"
#include "daemon/notification/receivers.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#define PAGE	       STORE_LIST_MAX
#define FIRST_RETRY_US (10 * USEC_PER_SEC)
#define MAX_RETRY_US   (1800 * USEC_PER_SEC)
#define SETTLE_US      (200 * USEC_PER_MSEC) /* a burst of events is read at once */
#define STACK_BYTES    (512 << 10)

struct notifier {
	struct manager *mgr;
	const struct notify_settings *set;
	struct store_reader *reader;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool stop; /* set under lock */
	bool waiting;	  /* True while the feed has `waiter`; guarded by lock */
	struct feed_waiter waiter;

	/* the rest is the thread's own */
	int64_t since;	 /* the events up to here are done */
	json_t *page;	 /* events after `since` */
	size_t at;	 /* the next one of the page */
	int64_t look_us; /* next look at the conditions, clock_mono_us */
	json_t *message; /* that is to be delivered; NULL: none */
	int64_t seq;	 /* of its event; 0: it has a condition */
	char key[CONDITION_KEY_MAX];
	bool done[RECEIVERS_]; /* True if that receiver has the message */
	int tries;
	int64_t begun_us, next_us; /* clock_mono_us: the first and the next try */
	int64_t window_us;	   /* begin of the window, clock_mono_us */
	int messages, left_out;	   /* in the window */
};

/* ---- the next message ---- */

static void take_message(struct notifier *n, json_t *message, int64_t seq)
{
	n->message = message;
	n->seq = seq;
	n->tries = 0;
	n->begun_us = n->next_us = clock_mono_us();
	memset(n->done, 0, sizeof(n->done));
}

/* Start a new window if the last one is over, with a message of what was left out in it. */
static void turn_window(struct notifier *n)
{
	int64_t now = clock_mono_us();
	char id[64], text[256];

	if (now - n->window_us < n->set->window_us)
		return;
	n->window_us = now;
	n->messages = 0;
	if (!n->left_out)
		return;
	str_must_format(id, sizeof(id), "%s-%" PRId64 "-more", store_reader_generation(n->reader),
			n->since);
	str_must_format(text, sizeof(text),
			"%d further messages were left out within %d minutes. To see what "
			"happened: trainyard list, trainyard runs",
			n->left_out, (int)(NOTIFIER_WINDOW_US / USEC_PER_SEC / 60));
	n->left_out = 0;
	n->key[0] = '\0';
	take_message(n, message_make(NOTIFY_MORE, id, clock_now_us(), false, "more messages", text),
		     n->since);
}

static bool is_old(const json_t *event)
{
	int64_t at;

	return clock_parse(json_get_str(event, "at", ""), &at) >= 0 &&
	       clock_now_us() - at > NOTIFIER_GIVE_UP_US;
}

/* True if the event may have made a condition true. */
static bool changes_conditions(const json_t *event)
{
	const char *kind = json_get_str(event, "kind", "");

	return str_starts(kind, "endpoint_") || str_eq(kind, "money");
}

/* Look at the rest of the page. */
static int message_of_page(struct notifier *n, struct err *reterr)
{
	while (!n->message && n->at < json_array_size(n->page)) {
		const json_t *event = json_array_get(n->page, n->at);
		json_t *message = NULL;
		int r = is_old(event)
				? 0
				: message_of_event(n->set, n->reader, event, &message, reterr);

		if (r < 0)
			return r;
		n->at++;
		n->since = json_get_int(event, "seq", n->since);
		if (changes_conditions(event))
			n->look_us = 0;
		if (message && n->messages >= NOTIFIER_MESSAGES) {
			n->left_out++;
			json_decref(TAKE(message));
		}
		n->key[0] = '\0';
		if (message)
			take_message(n, message, n->since);
	}
	return 0;
}

/* Read the next page. The log may have been cut, or a backup restored: then go on from now. */
static int read_page(struct notifier *n, struct err *reterr)
{
	struct event_filter f = {.since = n->since, .limit = PAGE};
	OWN(json_decrefp) json_t *answer = NULL;
	int r = store_read_events(n->reader, &f, &answer, reterr);

	json_decref(TAKE(n->page));
	n->at = 0;
	if (r == -ERR_GONE) {
		n->since = feed_last_seq(n->mgr->feed);
		return 0;
	}
	if (r < 0)
		return r;
	n->page = json_incref(json_object_get(answer, "items"));
	if (!json_array_size(n->page))
		n->since = json_get_int(answer, "next_since", n->since);
	return 0;
}

static int message_of_conditions(struct notifier *n, struct err *reterr)
{
	json_t *message = NULL;
	int r;

	if (clock_mono_us() < n->look_us)
		return 0;
	r = condition_find(n->mgr->settings, n->reader, clock_now_us(), n->key, &message, reterr);
	if (message)
		take_message(n, message, 0); /* there may be more: look again after it */
	else
		n->look_us = clock_mono_us() + NOTIFIER_LOOK_US;
	return r;
}

static void find_message(struct notifier *n)
{
	struct err err = {0};
	int r = 0;

	turn_window(n);
	if (!n->message)
		r = message_of_page(n, &err);
	if (r >= 0 && !n->message)
		r = read_page(n, &err);
	if (r >= 0 && !n->message)
		r = message_of_page(n, &err);
	if (r >= 0 && !n->message)
		r = message_of_conditions(n, &err);
	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "notifier", "msg=\"%s\"", err.msg);
}

/* ---- delivery ---- */

/* Try the receivers that do not have the message. Returns true if none is left. */
static bool try_receivers(struct notifier *n)
{
	const char *id = json_get_str(n->message, "id", "");
	bool all = true;

	for (int i = 0; i < RECEIVERS_; i++) {
		struct err err = {0};
		int r;

		if (n->done[i] || !receiver_is_given(n->set, (enum receiver)i))
			continue;
		r = receiver_send(n->set, n->mgr->net, (enum receiver)i, n->message, &n->stop,
				  &err);
		n->done[i] = r >= 0 || r == -ERR_INVALID;
		all &= n->done[i];
		if (r >= 0)
			log_event(LOG_LEVEL_INFO, "notified", "receiver=%s id=%s",
				  receiver_name((enum receiver)i), id);
		else
			log_event(LOG_LEVEL_WARNING, "notification_failed",
				  "receiver=%s id=%s try=%d again=%s msg=\"%s\"",
				  receiver_name((enum receiver)i), id, n->tries + 1,
				  n->done[i] ? "no" : "yes", err.msg);
	}
	return all;
}

static void drop_message(struct notifier *n)
{
	json_decref(TAKE(n->message));
	note_done(n->mgr, n->seq, n->key);
	n->key[0] = '\0';
}

static void deliver(struct notifier *n)
{
	int64_t now = clock_mono_us();

	if (now < n->next_us)
		return;
	if (!n->tries)
		n->messages++;
	if (try_receivers(n)) {
		drop_message(n);
		return;
	}
	n->next_us = clock_mono_us() + backoff_us(FIRST_RETRY_US, MAX_RETRY_US, ++n->tries);
	if (now - n->begun_us < NOTIFIER_GIVE_UP_US)
		return;
	log_event(LOG_LEVEL_ERROR, "notification_dropped", "id=%s tries=%d",
		  json_get_str(n->message, "id", ""), n->tries);
	drop_message(n);
}

/* ---- the thread ---- */

static void on_news(struct feed_waiter *w)
{
	struct notifier *n = w->userdata;

	pthread_mutex_lock(&n->lock);
	n->waiting = false;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
}

/* Without an event: the next look at the conditions, or the end of a window with a count. */
static int64_t next_turn(const struct notifier *n)
{
	int64_t window_end = n->window_us + n->set->window_us;

	return n->left_out && window_end < n->look_us ? window_end : n->look_us;
}

/* Wait until a retry is due, or for an event, the next turn, or the stop. */
static void wait_for_work(struct notifier *n)
{
	int64_t until = n->message ? n->next_us : next_turn(n);
	bool news = !n->message;

	pthread_mutex_lock(&n->lock);
	n->waiting = news;
	pthread_mutex_unlock(&n->lock);
	n->waiter = (struct feed_waiter){
		.since = n->since, .deadline_mono_us = USEC_NEVER, .fn = on_news, .userdata = n};
	if (news && !feed_wait(n->mgr->feed, &n->waiter))
		on_news(&n->waiter);
	pthread_mutex_lock(&n->lock);
	while (!n->stop && (!news || n->waiting) && clock_mono_us() < until)
		cond_wait_us(&n->wake, &n->lock, until - clock_mono_us());
	pthread_mutex_unlock(&n->lock);
	if (news && feed_cancel(n->mgr->feed, &n->waiter))
		on_news(&n->waiter);
	pthread_mutex_lock(&n->lock);
	while (n->waiting) /* the feed is calling on_news */
		pthread_cond_wait(&n->wake, &n->lock);
	if (news && !n->stop)
		cond_wait_us(&n->wake, &n->lock, SETTLE_US);
	pthread_mutex_unlock(&n->lock);
}

static void *run(void *arg)
{
	struct notifier *n = arg;

	pthread_setname_np(pthread_self(), "notifier");
	if (n->since < 0) { /* never notified before: begin now */
		n->since = feed_last_seq(n->mgr->feed);
		note_done(n->mgr, n->since, "");
	}
	while (!n->stop) {
		if (!n->message)
			find_message(n);
		if (n->message)
			deliver(n);
		if (!n->message && n->at < json_array_size(n->page))
			continue;
		wait_for_work(n);
	}
	return NULL;
}

static void notifier_free(struct notifier *n)
{
	store_reader_close(n->reader);
	json_decref(n->page);
	json_decref(n->message);
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

int notifier_start(struct manager *mgr, struct notifier **ret, struct err *reterr)
{
	const struct notify_settings *set = &mgr->settings->notify;
	struct notifier *n;
	int r;

	*ret = NULL;
	if (!receiver_any(set))
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return err_errno(reterr, ENOMEM, "start the notifier");
	n->mgr = mgr;
	n->set = set;
	n->window_us = clock_mono_us();
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->wake, NULL);
	r = store_reader_open(mgr->settings->data_dir, &n->reader, reterr);
	if (r >= 0)
		r = store_read_notified(n->reader, &n->since, reterr);
	if (r >= 0 && (r = thread_start(STACK_BYTES, run, n, &n->thread)) < 0)
		err_errno(reterr, -r, "start the notifier");
	if (r < 0) {
		notifier_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void notifier_stop(struct notifier *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	notifier_free(n);
}
