/* SPDX-License-Identifier: MIT */
/*
 * Watches live executions. inotify is only a hint; the rescan every MANAGER_RESCAN_US is reliable.
 * Each look determines the state: not started, running, ended or lost. Only exit.json or a free
 * lock ends an execution, never a pid. Manager's thread.
 */
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"
#include "daemon/execution/remains.h"
#include "daemon/feed.h"
#include "daemon/schedule/headroom.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define GATHER_US 50000 /* a busy log wakes the loop at most once in this time */

static void poll_one(struct manager *mgr, struct execution *ex);
static int on_gather(sd_event_source *s, uint64_t at, void *userdata);

static void look_at_all_soon(struct manager *mgr)
{
	loop_after_us(mgr->loop, &mgr->gather_source, GATHER_US, on_gather, mgr);
}

/* Ends the execution in a separate transaction. Afterwards `ex` may be freed. */
static void finish(struct manager *mgr, struct execution *ex, const struct exit_record *exit,
		   enum reason_code lost)
{
	struct err err = {0};
	int r;

	if (txn_begin(mgr, &err) < 0)
		return; /* the rescan tries again */
	r = execution_end(mgr, ex, exit, lost, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	txn_end(mgr, NULL);
}

/* ---- its start ---- */

/* True if the execution was committed but the daemon died before its shim ran. */
static bool never_started(const struct execution *ex)
{
	return ex->row.state == EXECUTION_STARTING && !path_exists(ex->dirfd, EXECUTION_EXIT_TMP) &&
	       !path_exists(ex->dirfd, EXECUTION_EXIT);
}

static void mark_running(struct manager *mgr, struct execution *ex)
{
	struct err err = {0};
	int r;

	if (txn_begin(mgr, &err) < 0)
		return;
	r = execution_mark_running(mgr, ex, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	if (txn_end(mgr, NULL) >= 0)
		ex->row.state = EXECUTION_RUNNING;
}

/* End an execution whose stop came before its start. */
static void finish_unstarted(struct manager *mgr, struct execution *ex)
{
	struct exit_record stopped = {.cause = EXIT_STOPPED, .code = -1, .signal = SIGTERM};

	finish(mgr, ex, &stopped, REASON_NONE);
}

/* Start an execution whose row was just committed. */
static void start_first(struct manager *mgr, struct execution *ex)
{
	ex->planned = false;
	ex->unstarted = true;
	if (ex->stop_wanted)
		finish_unstarted(mgr, ex);
	else
		execution_start(mgr, ex);
}

/* Nothing of the execution has run: start it again when resources are free, unless a stop came
 * first. */
static void start_again(struct manager *mgr, struct execution *ex)
{
	if (ex->stop_wanted)
		finish_unstarted(mgr, ex);
	else if (headroom_check(mgr, NULL) >= 0)
		execution_start(mgr, ex);
}

/* ---- lost ---- */

/* The shim is gone without a record. The execution ends only after all its processes are proven to
 * have ended. If that cannot be proven, this is reported and prevents an automatic retry. */
static void lost(struct manager *mgr, struct execution *ex)
{
	struct remains_of of = execution_remains(ex);
	bool here = str_eq(ex->row.boot_id, mgr->boot_id);
	enum remains left = here ? remains_end(mgr, &of) : REMAINS_NONE;

	if (!ex->lost_us)
		ex->lost_us = clock_mono_us();
	if (left == REMAINS_SOME && clock_mono_us() - ex->lost_us < MANAGER_REMAINS_US) {
		look_at_all_soon(mgr);
		return;
	}
	ex->may_live = left != REMAINS_NONE;
	finish(mgr, ex, NULL, here ? REASON_SHIM_LOST : REASON_HOST_LOST);
}

/* A shim that was stopped (SIGSTOP) does not supervise. If its execution should end, the shim is
 * continued, and killed if that has no effect within the grace. */
static void look_at_shim(struct manager *mgr, struct execution *ex)
{
	bool late = ex->stop_wanted ||
		    (ex->row.deadline_us > 0 && clock_now_us() > ex->row.deadline_us);
	struct remains_of of = execution_remains(ex);
	int64_t now = clock_mono_us();

	if (!late || !remains_shim_is_stopped(&of)) {
		ex->late_us = 0;
		return;
	}
	if (!ex->late_us)
		ex->late_us = now;
	remains_signal_shim(&of, now - ex->late_us > mgr->settings->stop_grace_us + MANAGER_SHIM_US
					 ? SIGKILL
					 : SIGCONT);
}

/* True if the lock is free or the job has removed it, and no process is its shim. The name `lock`
 * may mean another file by now, so a daemon that was started later does not rely on the lock
 * alone. */
static bool is_dead(const struct execution *ex, int alive)
{
	if (alive != 0 && alive != -ENOENT && alive != -ERR_INVALID)
		return false;
	return ex->row.pid <= 0 || !proc_has_argument((pid_t)ex->row.pid, 1, ex->row.dir);
}

/* ---- one ---- */

/* Only a missing directory proves a loss. After any other error (no descriptors, a disk that does
 * not answer) the next rescan tries again. */
void execution_reattach(struct manager *mgr, struct execution *ex)
{
	struct err err = {0};
	bool here = str_eq(ex->row.boot_id, mgr->boot_id);
	int alive, r = execution_attach(mgr, ex, &err);

	if (r == -ENOENT) {
		lost(mgr, ex);
		return;
	}
	if (r < 0) {
		log_event(LOG_LEVEL_WARNING, "execution_not_opened",
			  "execution=%s retrying msg=\"%s\"", ex->row.id, err.msg);
		return;
	}
	alive = execution_is_alive(ex->dirfd, &ex->lock_fd, &err);
	log_event(LOG_LEVEL_INFO, "execution_found", "execution=%s state=%s alive=%d same_boot=%d",
		  ex->row.id, execution_state_str(ex->row.state), alive, here);
	if ((alive == 0 || alive == -ENOENT) && here && never_started(ex)) {
		execution_start(mgr, ex);
		return;
	}
	if (alive == 1 && ex->row.state == EXECUTION_STARTING)
		mark_running(mgr, ex);
	poll_one(mgr, ex);
}

static void watch_log(struct manager *mgr, struct execution *ex)
{
	int64_t now = clock_mono_us();
	struct stat st;

	if (now - ex->log_notified_us < MANAGER_LOG_NOTICE_US ||
	    fstatat(ex->dirfd, EXECUTION_LOG, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_size == ex->log_size)
		return;
	ex->log_size = st.st_size;
	ex->log_notified_us = now;
	feed_wake(mgr->feed, ex->row.job);
}

static int on_more(sd_event_source *s, uint64_t at, void *userdata)
{
	struct execution *ex = userdata;

	poll_one(ex->manager, ex);
	return 0;
}

static void want_more(struct manager *mgr, struct execution *ex)
{
	loop_after_us(mgr->loop, &ex->more, 0, on_more, ex);
}

static bool has_more(const struct execution *ex)
{
	int enabled = SD_EVENT_OFF;

	return ex->more && sd_event_source_get_enabled(ex->more, &enabled) >= 0 &&
	       enabled != SD_EVENT_OFF;
}

static void poll_one(struct manager *mgr, struct execution *ex)
{
	struct exit_record exit;
	int alive, r;
	bool dead, ended;

	if (ex->planned)
		return;
	if (ex->unstarted) {
		start_again(mgr, ex);
		return;
	}
	if (ex->dirfd < 0) {
		execution_reattach(mgr, ex);
		return;
	}
	watch_log(mgr, ex);
	if (ex->stop_wanted && !ex->stop_sent)
		execution_stop(mgr, ex);
	alive = execution_is_alive(ex->dirfd, &ex->lock_fd, NULL); /* before exit.json is read */
	r = exit_record_read(ex->dirfd, &exit, NULL);
	if (headroom_look_failed(r) || headroom_look_failed(alive))
		return; /* the record may exist: the next rescan reads again */
	dead = is_dead(ex, alive);
	if (!dead)
		look_at_shim(mgr, ex);
	ended = dead && r >= 0 && proof_holds(ex, &exit);
	r = events_drain(mgr, ex, dead);
	if (r > 0)
		want_more(mgr, ex); /* other work runs between the chunks */
	if (r != 0)
		return;
	if (ended)
		finish(mgr, ex, &exit, REASON_NONE);
	else if (dead && !shim_is_ours(mgr, ex->row.id))
		lost(mgr, ex); /* a shim of this daemon is reaped first */
}

/* ---- all ---- */

static void poll_all(struct manager *mgr)
{
	struct execution *ex, *next;

	for (ex = mgr->executions; ex; ex = next) {
		next = ex->next;
		if (!has_more(ex))	   /* otherwise another transaction follows anyway */
			poll_one(mgr, ex); /* may drop ex, never another one */
	}
}

static int on_gather(sd_event_source *s, uint64_t at, void *userdata)
{
	struct manager *mgr = userdata;

	sd_event_source_set_enabled(mgr->inotify_source, SD_EVENT_ON);
	poll_all(mgr);
	return 0;
}

/* The execution that was added first; NULL if there is none. */
static struct execution *next_soon(struct manager *mgr)
{
	struct execution *found = NULL;

	for (struct execution *ex = mgr->executions; ex; ex = ex->next)
		if (ex->look_soon)
			found = ex;
	return found;
}

static int on_soon(sd_event_source *s, void *userdata)
{
	struct manager *mgr = userdata;
	struct execution *ex;

	while ((ex = next_soon(mgr))) {
		ex->look_soon = false;
		if (ex->planned)
			start_first(mgr, ex);
		else
			poll_one(mgr, ex);
	}
	return 0;
}

static int on_inotify(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct manager *mgr = userdata;
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		; /* the file does not matter: polling all is cheap */
	sd_event_source_set_enabled(s, SD_EVENT_OFF); /* until the delayed poll */
	look_at_all_soon(mgr);
	return 0;
}

static int on_rescan(sd_event_source *s, uint64_t at, void *userdata)
{
	struct manager *mgr = userdata;

	poll_all(mgr);
	shims_reap(mgr);
	remains_reap(mgr);
	strays_step(mgr);
	loop_after_us(mgr->loop, &mgr->rescan_source, MANAGER_RESCAN_US, on_rescan, mgr);
	return 0;
}

int executions_watch(struct manager *mgr, struct err *reterr)
{
	int r;

	mgr->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	r = mgr->inotify_fd < 0 ? -errno
				: sd_event_add_io(mgr->loop, &mgr->inotify_source, mgr->inotify_fd,
						  EPOLLIN, on_inotify, mgr);
	if (r >= 0)
		r = sd_event_add_defer(mgr->loop, &mgr->look_source, on_soon, mgr);
	if (r >= 0)
		r = sd_event_source_set_enabled(mgr->look_source, SD_EVENT_OFF);
	if (r >= 0)
		r = loop_after_us(mgr->loop, &mgr->rescan_source, MANAGER_RESCAN_US, on_rescan,
				  mgr);
	return r < 0 ? err_errno(reterr, -r, "watch executions") : 0;
}
