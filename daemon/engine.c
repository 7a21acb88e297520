/* SPDX-License-Identifier: MIT */
/*
 * The engine thread: its loop, the command queue, the tick, start and stop. Invariants 1-3 are in
 * core.h.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/account/account.h"
#include "daemon/database_check.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/feed.h"
#include "daemon/notify.h"
#include "daemon/prune/prune.h"
#include "daemon/run.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/headroom.h"
#include "daemon/schedule/lifecycle.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#define TICK_US	      250000
#define CHECKPOINT_US (30 * USEC_PER_SEC)
#define TRIM_US	      (3600 * USEC_PER_SEC)
#define TURN_RETRY_US USEC_PER_SEC

/* ---- the command queue ---- */

static void wake(struct engine *e)
{
	uint64_t one = 1;

	(void)!write(e->queue_fd, &one, sizeof(one));
}

int engine_queue(struct engine *e, struct command *c, struct err *reterr)
{
	bool full, stopping;

	c->next = NULL;
	pthread_mutex_lock(&e->queue_lock);
	stopping = e->stopping;
	full = e->queue_n >= ENGINE_QUEUE_MAX;
	if (!full && !stopping) {
		*e->queue_tail = c;
		e->queue_tail = &c->next;
		e->queue_n++;
	}
	pthread_mutex_unlock(&e->queue_lock);
	if (stopping)
		return err_set(reterr, ERR_UNAVAILABLE, "the daemon is stopping; try again");
	if (full)
		return err_set(reterr, ERR_LIMIT, "%d requests are waiting; try again later",
			       ENGINE_QUEUE_MAX);
	wake(e);
	return 0;
}

void engine_post(struct engine *e, struct engine_message *m)
{
	m->next = NULL;
	pthread_mutex_lock(&e->queue_lock);
	*e->inbox_tail = m;
	e->inbox_tail = &m->next;
	pthread_mutex_unlock(&e->queue_lock);
	wake(e);
}

static struct command *take_commands(struct engine *e)
{
	struct command *first, **at;
	size_t n = 0;

	pthread_mutex_lock(&e->queue_lock);
	first = e->queue_head;
	for (at = &first; *at && n < ENGINE_BATCH_MAX; at = &(*at)->next)
		n++;
	e->queue_head = *at;
	*at = NULL;
	e->queue_n -= n;
	if (!e->queue_head)
		e->queue_tail = &e->queue_head;
	else
		wake(e); /* the rest: the next round */
	pthread_mutex_unlock(&e->queue_lock);
	return first;
}

static void run_one(struct engine *e, struct command *c)
{
	struct turn_action **mark = e->actions_tail;

	c->result = store_savepoint(e->store, &c->err);
	if (c->result < 0) {
		turn_fail(e, c->result, &c->err);
		return;
	}
	c->result = command_run(e, c, &c->err);
	if (c->result < 0) {
		store_rollback_to(e->store);
		turn_drop_actions(e, mark);
		return;
	}
	c->result = 0;
	if (store_release(e->store, &c->err) < 0)
		c->result = turn_fail(e, -ERR_UNAVAILABLE, &c->err);
}

static void run_batch(struct engine *e)
{
	struct command *list = take_commands(e), *c;
	struct err why = {0};
	int r;

	if (!list)
		return;
	r = turn_begin(e, &why);
	if (r >= 0) {
		for (c = list; c; c = c->next)
			run_one(e, c);
		r = turn_end(e, &why);
	}
	while (list) {
		c = list;
		list = c->next;
		c->next = NULL;
		run_spec_free(TAKE(c->run));
		if (r < 0) {
			c->result = headroom_code(r);
			err_set(&c->err, -c->result, "nothing was stored: %s", why.msg);
		}
		c->done(c);
	}
}

static void run_inbox(struct engine *e)
{
	struct engine_message *list;

	pthread_mutex_lock(&e->queue_lock);
	list = TAKE(e->inbox_head);
	e->inbox_tail = &e->inbox_head;
	pthread_mutex_unlock(&e->queue_lock);
	while (list) {
		struct engine_message *m = list;

		list = m->next;
		m->fn(e, m);
	}
}

static int on_queue(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct engine *e = userdata;
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
	run_inbox(e);
	run_batch(e);
	return 0;
}

/* ---- scheduling and the tick ---- */

static int on_schedule(sd_event_source *s, void *userdata)
{
	struct engine *e = userdata;

	e->want_schedule = false;
	schedule_pass(e);
	return 0;
}

void engine_want_schedule(struct engine *e)
{
	if (e->want_schedule || e->stopping || !e->ready || e->ends_only)
		return;
	e->want_schedule = true;
	sd_event_source_set_enabled(e->schedule_source, SD_EVENT_ONESHOT);
}

static bool queue_is_empty(struct engine *e)
{
	bool empty;

	pthread_mutex_lock(&e->queue_lock);
	empty = e->queue_n == 0;
	pthread_mutex_unlock(&e->queue_lock);
	return empty;
}

/* Readiness, submits and starts look by themselves; here it is only said. */
static void say_misplaced(struct engine *e)
{
	struct err why = {0};
	bool misplaced = store_check_location(e->store, &why) < 0;

	if (misplaced && !e->misplaced)
		log_event(LOG_LEVEL_ERROR, "data_directory_moved", "msg=\"%s\"", why.msg);
	else if (!misplaced && e->misplaced)
		log_event(LOG_LEVEL_WARNING, "data_directory_back", "dir=%s",
			  e->settings->data_dir);
	e->misplaced = misplaced;
}

static void housekeeping(struct engine *e)
{
	int64_t now = clock_mono_us();
	struct err why = {0};

	if (now - e->checkpointed_us >= CHECKPOINT_US && queue_is_empty(e)) {
		e->checkpointed_us = now;
		store_checkpoint(e->store);
		malloc_trim(0); /* what a burst needed goes back to the machine */
	}
	if (e->settings->events_keep_us > 0 && now - e->trimmed_us >= TRIM_US &&
	    turn_begin(e, &why) >= 0) {
		int r = store_events_trim(e->store, clock_now_us() - e->settings->events_keep_us,
					  &why);

		if (r != 1) /* else there is more to delete: at the next tick */
			e->trimmed_us = now;
		if (r < 0)
			turn_fail(e, r, &why);
		turn_end(e, &why);
	}
}

static int on_tick(sd_event_source *s, uint64_t at, void *userdata)
{
	struct engine *e = userdata;

	feed_expire(e->feed, clock_mono_us());
	clock_step_look(e);
	e->beat_us = clock_mono_us();
	if (++e->ticks % (USEC_PER_SEC / TICK_US) == 0) {
		notify_watchdog();
		endpoints_tick(e);
		if (schedule_is_due(e))
			engine_want_schedule(e);
		say_misplaced(e);
		housekeeping(e);
		if (e->pruner)
			prune_tick(e);
	}
	loop_after_us(e->loop, &e->tick_source, TICK_US, on_tick, e);
	return 0;
}

/* ---- life ---- */

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct engine *e = userdata;

	log_event(LOG_LEVEL_INFO, "stopping", "signal=%d", (int)si->ssi_signo);
	pthread_mutex_lock(&e->queue_lock);
	e->stopping = true;
	pthread_mutex_unlock(&e->queue_lock);
	notify_state("STOPPING=1");
	return sd_event_exit(e->loop, 0);
}

static int open_loop(struct engine *e, struct err *reterr)
{
	int r;

	e->queue_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = e->queue_fd < 0 ? -errno : sd_event_new(&e->loop);
	if (r >= 0)
		r = sd_event_add_io(e->loop, NULL, e->queue_fd, EPOLLIN, on_queue, e);
	if (r >= 0)
		r = sd_event_add_signal(e->loop, NULL, SIGTERM, on_signal, e);
	if (r >= 0)
		r = sd_event_add_signal(e->loop, NULL, SIGINT, on_signal, e);
	if (r >= 0)
		r = sd_event_add_defer(e->loop, &e->schedule_source, on_schedule, e);
	if (r >= 0)
		r = sd_event_source_set_enabled(e->schedule_source, SD_EVENT_OFF);
	if (r >= 0) /* after I/O, so that one pass serves a burst */
		r = sd_event_source_set_priority(e->schedule_source, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = loop_after_us(e->loop, &e->tick_source, TICK_US, on_tick, e);
	if (r < 0)
		return err_errno(reterr, -r, "make the engine's event loop");
	return executions_watch(e, reterr);
}

/* Database, loop and cloud. *ret is set also when it fails. */
static int open_core(const struct settings *settings, struct engine **ret, struct err *reterr)
{
	struct engine *e = *ret = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return err_errno(reterr, ENOMEM, "make the engine");
	e->settings = settings;
	e->adopts = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
	e->clock_offset_us = clock_now_us() - clock_mono_us();
	e->queue_fd = e->inotify_fd = -1;
	e->queue_tail = &e->queue_head;
	e->inbox_tail = &e->inbox_head;
	e->actions_tail = &e->actions;
	pthread_mutex_init(&e->queue_lock, NULL);
	pthread_mutex_init(&e->live_lock, NULL);
	r = proc_boot_id(e->boot_id, reterr);
	if (r >= 0)
		r = store_open(settings->data_dir, &e->store, reterr);
	if (r >= 0)
		r = feed_new(store_last_seq(e->store), &e->feed, reterr);
	if (r >= 0)
		r = open_loop(e, reterr);
	return r < 0 ? r : sagemaker_open(e, reterr);
}

int engine_new(const struct settings *settings, struct engine **ret, struct err *reterr)
{
	struct engine *e;
	int r = open_core(settings, &e, reterr);

	roots_set(settings->roots, settings->data_dir);
	if (r >= 0)
		r = devices_open(settings->nvml_library, &e->devices, reterr);
	if (r >= 0)
		r = account_open(e, &e->account, reterr);
	if (r >= 0)
		r = engine_recover(e, reterr);
	if (r >= 0)
		r = prune_open(e, reterr);
	if (r < 0) {
		engine_free(e);
		return r;
	}
	e->beat_us = clock_mono_us();
	if (database_check_start(settings->data_dir, &e->database_check, reterr) < 0)
		log_event(LOG_LEVEL_WARNING, "database_not_checked", "msg=\"%s\"", reterr->msg);
	e->ready = true;
	sagemaker_reconcile_soon(e);
	engine_want_schedule(e);
	*ret = e;
	return 0;
}

int engine_new_ending(const struct settings *settings, struct engine **ret, struct err *reterr)
{
	struct engine *e;
	int r = open_core(settings, &e, reterr);

	if (r < 0) {
		engine_free(e);
		return r;
	}
	loop_drop(&e->tick_source);
	e->ends_only = e->ready = true;
	*ret = e;
	return 0;
}

int engine_run(struct engine *e, struct err *reterr)
{
	int r = sd_event_loop(e->loop);

	if (r < 0)
		return err_errno(reterr, -r, "run the event loop");
	do /* what was queued before the stop is still answered */
		run_batch(e);
	while (!queue_is_empty(e));
	net_stop(e->net);
	feed_expire(e->feed, USEC_NEVER);
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	database_check_stop(e->database_check);
	prune_close(e);
	if (e->net)
		net_stop(e->net);
	if (e->store)
		run_inbox(e);
	predicts_free(e);
	account_free(e->account);
	sagemaker_free(e);
	net_free(e->net);
	while (e->executions)
		execution_drop(e, e->executions);
	shims_forget(e);
	strays_free(e);
	live_free(e);
	loop_drop(&e->schedule_source);
	loop_drop(&e->tick_source);
	loop_drop(&e->rescan_source);
	loop_drop(&e->gather_source);
	loop_drop(&e->inotify_source);
	sd_event_unref(e->loop);
	closep(&e->queue_fd);
	closep(&e->inotify_fd);
	devices_close(e->devices);
	feed_free(e->feed);
	store_close(e->store);
	spare_release(&e->spare);
	pthread_mutex_destroy(&e->queue_lock);
	pthread_mutex_destroy(&e->live_lock);
	free(e);
}

struct feed *engine_feed(struct engine *e)
{
	return e->feed;
}
