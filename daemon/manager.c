/* SPDX-License-Identifier: MIT */
/*
 * The manager's thread: loop, batches of commands, tick, start and stop. core.h has the rules 1-3;
 * mailbox.c receives the messages of other threads.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/account/account.h"
#include "daemon/backup/backups.h"
#include "daemon/database_check.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/feed.h"
#include "daemon/mailbox.h"
#include "daemon/notification/notifier.h"
#include "daemon/prune/prune.h"
#include "daemon/restore/restore.h"
#include "daemon/run.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/headroom.h"
#include "daemon/schedule/job_state.h"
#include "daemon/systemd.h"

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

/* ---- commands ---- */

/* Run a command without a savepoint. False if it failed after it had written: then only a rollback
 * of the batch undoes it. */
static bool run_plain(struct manager *mgr, struct command *c)
{
	struct txn_action *mark = txn_mark(mgr);

	store_mark(mgr->store);
	c->result = command_run(mgr, c, &c->err);
	if (c->result >= 0) {
		c->result = 0;
		return true;
	}
	if (store_must_undo(mgr->store))
		return false;
	txn_drop_actions(mgr, mark);
	return true;
}

/* Run a command in a savepoint, after run_plain(). If it fails, only it is undone. */
static void run_apart(struct manager *mgr, struct command *c)
{
	struct txn_action *mark = txn_mark(mgr);

	c->result = store_savepoint(mgr->store, &c->err);
	if (c->result < 0) {
		txn_fail(mgr, c->result, &c->err);
		return;
	}
	c->result = command_run(mgr, c, &c->err);
	if (c->result < 0) {
		store_rollback_to(mgr->store);
		txn_drop_actions(mgr, mark);
		return;
	}
	c->result = 0;
	if (store_release(mgr->store, &c->err) < 0)
		c->result = txn_fail(mgr, -ERR_UNAVAILABLE, &c->err);
}

/* A savepoint makes SQLite copy each page that its command touches, so a batch first runs without.
 * If a command must be undone, all commands run again, each in a savepoint. Until the commit a
 * command leaves traces only in rows and in struct command. */
static void run_commands(struct manager *mgr, struct command_list *list)
{
	struct command *c = STAILQ_FIRST(list);
	struct err err = {0};

	while (c && run_plain(mgr, c))
		c = STAILQ_NEXT(c, link);
	if (!c || txn_restart(mgr, &err) < 0)
		return;
	STAILQ_FOREACH(c, list, link) {
		json_decref(TAKE(c->answer));
		free(TAKE(c->submitted));
		c->err = (struct err){0};
		c->result_id[0] = '\0';
		run_apart(mgr, c);
	}
}

static void run_batch(struct manager *mgr)
{
	struct command_list list = STAILQ_HEAD_INITIALIZER(list);
	struct err err = {0};
	struct command *c;
	int r;

	mailbox_take(mgr, &list);
	if (STAILQ_EMPTY(&list))
		return;
	r = txn_begin(mgr, &err);
	if (r >= 0) {
		run_commands(mgr, &list);
		r = txn_end(mgr, &err);
	}
	while ((c = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		if (r < 0) {
			c->result = headroom_code(r);
			err_set(&c->err, -c->result, "%s: %s",
				mgr->broken ? "it is not known whether this was stored"
					    : "nothing was stored",
				err.msg);
		}
		c->done(c);
	}
}

static int on_queue(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct manager *mgr = userdata;
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
	mailbox_deliver(mgr);
	run_batch(mgr);
	return 0;
}

/* ---- scheduling and the tick ---- */

static int on_schedule(sd_event_source *s, void *userdata)
{
	struct manager *mgr = userdata;

	mgr->want_schedule = false;
	schedule_pass(mgr);
	return 0;
}

/* Log that the data directory has moved. Readiness, submits and starts check this themselves. */
static void say_misplaced(struct manager *mgr)
{
	struct err err = {0};
	bool misplaced = store_check_location(mgr->store, &err) < 0;

	if (misplaced && !mgr->misplaced)
		log_event(LOG_LEVEL_ERROR, "data_directory_moved", "msg=\"%s\"", err.msg);
	else if (!misplaced && mgr->misplaced)
		log_event(LOG_LEVEL_WARNING, "data_directory_back", "dir=%s",
			  mgr->settings->data_dir);
	mgr->misplaced = misplaced;
}

static void housekeeping(struct manager *mgr)
{
	int64_t now = clock_mono_us();
	struct err err = {0};

	if (now - mgr->checkpointed_us >= CHECKPOINT_US && mailbox_is_empty(mgr)) {
		mgr->checkpointed_us = now;
		store_checkpoint(mgr->store);
		txn_end_if_broken(mgr);
		malloc_trim(0); /* return memory of a burst to the system */
	}
	if (mgr->settings->events_keep_us > 0 && now - mgr->trimmed_us >= TRIM_US &&
	    txn_begin(mgr, &err) >= 0) {
		int r = store_events_trim(mgr->store,
					  clock_now_us() - mgr->settings->events_keep_us, &err);

		if (r != 1) /* otherwise more events are left to delete at the next tick */
			mgr->trimmed_us = now;
		if (r < 0)
			txn_fail(mgr, r, &err);
		txn_end(mgr, &err);
	}
}

static int on_tick(sd_event_source *s, uint64_t at, void *userdata)
{
	struct manager *mgr = userdata;

	feed_expire(mgr->feed, clock_mono_us());
	clock_step_look(mgr);
	mgr->beat_us = clock_mono_us();
	if (++mgr->ticks % (USEC_PER_SEC / TICK_US) == 0) {
		systemd_watchdog();
		endpoints_tick(mgr);
		if (schedule_is_due(mgr))
			manager_want_schedule(mgr);
		say_misplaced(mgr);
		housekeeping(mgr);
		if (mgr->pruner)
			prune_tick(mgr);
		if (mgr->backups)
			backups_tick(mgr);
	}
	loop_after_us(mgr->loop, &mgr->tick_source, TICK_US, on_tick, mgr);
	return 0;
}

/* ---- life ---- */

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct manager *mgr = userdata;

	log_event(LOG_LEVEL_INFO, "stopping", "signal=%d", (int)si->ssi_signo);
	pthread_mutex_lock(&mgr->queue_lock);
	mgr->stopping = true;
	pthread_mutex_unlock(&mgr->queue_lock);
	systemd_state("STOPPING=1");
	return sd_event_exit(mgr->loop, 0);
}

static int open_loop(struct manager *mgr, struct err *reterr)
{
	int r;

	mgr->queue_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = mgr->queue_fd < 0 ? -errno : sd_event_new(&mgr->loop);
	if (r >= 0)
		r = sd_event_add_io(mgr->loop, NULL, mgr->queue_fd, EPOLLIN, on_queue, mgr);
	if (r >= 0)
		r = sd_event_add_signal(mgr->loop, NULL, SIGTERM, on_signal, mgr);
	if (r >= 0)
		r = sd_event_add_signal(mgr->loop, NULL, SIGINT, on_signal, mgr);
	if (r >= 0)
		r = sd_event_add_defer(mgr->loop, &mgr->schedule_source, on_schedule, mgr);
	if (r >= 0)
		r = sd_event_source_set_enabled(mgr->schedule_source, SD_EVENT_OFF);
	if (r >= 0) /* lower priority than I/O, so that one pass serves a burst */
		r = sd_event_source_set_priority(mgr->schedule_source, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = loop_after_us(mgr->loop, &mgr->tick_source, TICK_US, on_tick, mgr);
	if (r < 0)
		return err_errno(reterr, -r, "make the manager's event loop");
	return executions_watch(mgr, reterr);
}

/* Open the database, the loop and the SageMaker controller. *ret is set even on failure. */
static int open_core(const struct settings *settings, struct manager **ret, struct err *reterr)
{
	struct manager *mgr = *ret = calloc(1, sizeof(*mgr));
	int r;

	if (!mgr)
		return err_errno(reterr, ENOMEM, "make the manager");
	mgr->settings = settings;
	mgr->adopts = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
	mgr->clock_offset_us = clock_now_us() - clock_mono_us();
	mgr->queue_fd = mgr->inotify_fd = -1;
	STAILQ_INIT(&mgr->queue);
	STAILQ_INIT(&mgr->inbox);
	TAILQ_INIT(&mgr->actions);
	figures_init(&mgr->figures);
	pthread_mutex_init(&mgr->queue_lock, NULL);
	pthread_mutex_init(&mgr->live_lock, NULL);
	r = proc_boot_id(mgr->boot_id, reterr);
	if (r >= 0)
		r = store_open(settings->data_dir, &mgr->store, reterr);
	if (r >= 0)
		restore_begin(mgr);
	if (r >= 0)
		r = feed_new(store_last_seq(mgr->store), &mgr->feed, reterr);
	if (r >= 0)
		r = open_loop(mgr, reterr);
	return r < 0 ? r : sagemaker_open(mgr, reterr);
}

int manager_new(const struct settings *settings, struct manager **ret, struct err *reterr)
{
	struct manager *mgr;
	int r = open_core(settings, &mgr, reterr);

	roots_set(settings->roots, settings->data_dir);
	if (r >= 0)
		r = devices_open(settings->nvml_library, &mgr->devices, reterr);
	if (r >= 0)
		r = account_open(mgr, &mgr->account, reterr);
	if (r >= 0)
		r = manager_recover(mgr, reterr);
	if (r >= 0)
		r = prune_open(mgr, reterr);
	if (r >= 0)
		r = backups_open(mgr, reterr);
	if (r < 0) {
		manager_free(mgr);
		return r;
	}
	mgr->beat_us = clock_mono_us();
	if (database_check_start(settings->data_dir, &mgr->database_check, reterr) < 0)
		log_event(LOG_LEVEL_WARNING, "database_not_checked", "msg=\"%s\"", reterr->msg);
	mgr->ready = true;
	sagemaker_reconcile_soon(mgr);
	manager_want_schedule(mgr);
	*ret = mgr;
	return 0;
}

int manager_new_ending(const struct settings *settings, struct manager **ret, struct err *reterr)
{
	struct manager *mgr;
	int r = open_core(settings, &mgr, reterr);

	if (r < 0) {
		manager_free(mgr);
		return r;
	}
	loop_drop(&mgr->tick_source);
	mgr->ends_only = mgr->ready = true;
	*ret = mgr;
	return 0;
}

int manager_run(struct manager *mgr, struct err *reterr)
{
	struct notifier *notifier = NULL;
	int r = mgr->ends_only ? 0 : notifier_start(mgr, &notifier, reterr);

	if (r < 0)
		return r;
	r = sd_event_loop(mgr->loop);
	do /* commands queued before the stop are still answered */
		run_batch(mgr);
	while (!mailbox_is_empty(mgr));
	net_stop(mgr->net);
	notifier_stop(notifier);
	backups_stop(mgr);
	if (r < 0)
		return err_errno(reterr, -r, "run the event loop");
	feed_expire(mgr->feed, USEC_NEVER);
	return 0;
}

void manager_free(struct manager *mgr)
{
	if (!mgr)
		return;
	database_check_stop(mgr->database_check);
	prune_close(mgr);
	backups_free(mgr->backups);
	sagemaker_stop(mgr);
	if (mgr->net)
		net_stop(mgr->net);
	if (mgr->store)
		mailbox_deliver(mgr);
	predicts_free(mgr);
	account_free(mgr->account);
	sagemaker_free(mgr);
	net_free(mgr->net);
	while (mgr->executions)
		execution_drop(mgr, mgr->executions);
	shims_forget(mgr);
	strays_free(mgr);
	live_free(mgr);
	loop_drop(&mgr->schedule_source);
	loop_drop(&mgr->tick_source);
	loop_drop(&mgr->rescan_source);
	loop_drop(&mgr->gather_source);
	loop_drop(&mgr->look_source);
	loop_drop(&mgr->inotify_source);
	sd_event_unref(mgr->loop);
	closep(&mgr->queue_fd);
	closep(&mgr->inotify_fd);
	devices_close(mgr->devices);
	feed_free(mgr->feed);
	store_close(mgr->store);
	spare_release(&mgr->spare);
	pthread_mutex_destroy(&mgr->queue_lock);
	pthread_mutex_destroy(&mgr->live_lock);
	free(mgr);
}

struct feed *manager_feed(struct manager *mgr)
{
	return mgr->feed;
}
