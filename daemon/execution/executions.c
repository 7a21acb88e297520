/* SPDX-License-Identifier: MIT */
/*
 * Live executions in memory: watching their directories (inotify is the hint, a rescan every
 * MANAGER_RESCAN_US the truth), stopping them, and noticing their end. Only exit.json or a free
 * lock ends one; a pid never does.
 */
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/execution/remains.h"
#include "daemon/feed.h"
#include "daemon/schedule/headroom.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* Links are not followed: work/ belongs to the job. */
#define WATCH_EVENTS (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DONT_FOLLOW | IN_ONLYDIR)
#define GATHER_US    50000 /* a chatty log wakes the loop at most this often */

struct execution *execution_add(struct manager *mgr, const struct execution_row *row, bool planned)
{
	struct execution *ex = calloc(1, sizeof(*ex));

	if (!ex)
		return NULL;
	ex->manager = mgr;
	ex->row = *row;
	ex->planned = planned;
	ex->since_mono_us = clock_mono_us();
	if (row->started_us > 0 && row->started_us < clock_now_us()) /* before a restart of ours */
		ex->since_mono_us -= clock_now_us() - row->started_us;
	ex->dirfd = ex->lock_fd = ex->watch = ex->watch_dir = -1;
	ex->next = mgr->executions;
	mgr->executions = ex;
	slots_publish(mgr);
	return ex;
}

void execution_drop(struct manager *mgr, struct execution *ex)
{
	for (struct execution **at = &mgr->executions; *at; at = &(*at)->next) {
		if (*at == ex) {
			*at = ex->next;
			break;
		}
	}
	if (ex->lines_skipped > 1)
		log_event(LOG_LEVEL_WARNING, "event_lines_skipped", "execution=%s n=%lld",
			  ex->row.id, (long long)ex->lines_skipped);
	loop_drop(&ex->more);
	if (ex->watch >= 0)
		inotify_rm_watch(mgr->inotify_fd, ex->watch);
	if (ex->watch_dir >= 0)
		inotify_rm_watch(mgr->inotify_fd, ex->watch_dir);
	closep(&ex->dirfd);
	closep(&ex->lock_fd);
	explicit_bzero(ex->proof, sizeof(ex->proof));
	json_decref(ex->result);
	json_decref(ex->progress);
	free(ex);
	slots_publish(mgr);
	manager_want_schedule(mgr);
}

struct execution *execution_find(struct manager *mgr, const char *id)
{
	struct execution *ex = mgr->executions;

	while (ex && !str_eq(ex->row.id, id))
		ex = ex->next;
	return ex;
}

struct execution *execution_of_job(struct manager *mgr, const char *job)
{
	struct execution *ex = mgr->executions;

	while (ex && (!str_eq(ex->row.job, job) || ex->row.endpoint[0]))
		ex = ex->next;
	return ex;
}

bool execution_updates(const struct execution *ex, const struct endpoint_row *ep)
{
	return str_eq(ex->row.endpoint, ep->id) && !ex->row.retired && ex->row.job[0] &&
	       !str_eq(ex->row.job, ep->job);
}

struct execution *execution_of_endpoint(struct manager *mgr, const struct endpoint_row *ep)
{
	struct execution *ex = mgr->executions;

	while (ex &&
	       (!str_eq(ex->row.endpoint, ep->id) || ex->row.retired || execution_updates(ex, ep)))
		ex = ex->next;
	return ex;
}

int execution_attach(struct manager *mgr, struct execution *ex, struct err *reterr)
{
	char work[SPEC_PATH_MAX + 8];

	if (ex->dirfd < 0)
		ex->dirfd = open(ex->row.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ex->dirfd < 0)
		return err_errno(reterr, errno, "open %s", ex->row.dir);
	snprintf(work, sizeof(work), "%s/" EXECUTION_WORK, ex->row.dir);
	ex->watch_dir = inotify_add_watch(mgr->inotify_fd, ex->row.dir, WATCH_EVENTS);
	ex->watch = inotify_add_watch(mgr->inotify_fd, work, WATCH_EVENTS);
	return 0; /* without a watch the rescan does it, a little later */
}

/* Look at all executions soon. */
static void want_poll(struct manager *mgr);

/* In a transaction of its own. The execution may be gone afterwards. */
static void finish(struct manager *mgr, struct execution *ex, const struct exit_record *exit,
		   enum reason_code lost)
{
	struct err why = {0};
	int r;

	if (txn_begin(mgr, &why) < 0)
		return; /* the rescan tries again */
	r = execution_end(mgr, ex, exit, lost, &why);
	if (r < 0)
		txn_fail(mgr, r, &why);
	txn_end(mgr, NULL);
}

/* ---- watching ---- */

static void watch_log(struct manager *mgr, struct execution *ex)
{
	int64_t now = clock_mono_us();
	struct stat st;

	if (now - ex->log_said_us < MANAGER_LOG_SAID_US ||
	    fstatat(ex->dirfd, EXECUTION_LOG, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_size == ex->log_size)
		return;
	ex->log_size = st.st_size;
	ex->log_said_us = now;
	feed_wake(mgr->feed, ex->row.job);
}

/* Nothing of it has run: the start is tried again when there is room, unless a stop came first. */
static void start_again(struct manager *mgr, struct execution *ex)
{
	struct exit_record stopped = {.cause = EXIT_STOPPED, .code = -1, .signal = SIGTERM};

	if (ex->stop_wanted)
		finish(mgr, ex, &stopped, REASON_NONE);
	else if (headroom_check(mgr, NULL) >= 0)
		execution_start(mgr, ex);
}

static struct remains_of remains_of(const struct execution *ex)
{
	return (struct remains_of){
		.id = ex->row.id,
		.dirfd = ex->dirfd,
		.lock_fd = ex->lock_fd,
		.adopts = ex->adopts,
		.shim = (pid_t)ex->row.pid,
		.dir = ex->row.dir,
	};
}

/* Its shim is gone without a record. It has ended only when all of it is proven to have; what
 * cannot be proven is said, and keeps the job from being tried again. */
void execution_lost(struct manager *mgr, struct execution *ex)
{
	struct remains_of of = remains_of(ex);
	bool here = str_eq(ex->row.boot_id, mgr->boot_id);
	enum remains left = here ? remains_end(mgr, &of) : REMAINS_NONE;

	if (!ex->lost_us)
		ex->lost_us = clock_mono_us();
	if (left == REMAINS_SOME && clock_mono_us() - ex->lost_us < MANAGER_REMAINS_US) {
		want_poll(mgr);
		return;
	}
	ex->may_live = left != REMAINS_NONE;
	finish(mgr, ex, NULL, here ? REASON_SHIM_LOST : REASON_HOST_LOST);
}

/* A stopped shim does nothing of what it should: when its execution should end it is woken, and
 * ended when that has not helped for the grace. */
static void look_at_shim(struct manager *mgr, struct execution *ex)
{
	bool late = ex->stop_wanted ||
		    (ex->row.deadline_us > 0 && clock_now_us() > ex->row.deadline_us);
	struct remains_of of = remains_of(ex);
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

static int on_more(sd_event_source *s, uint64_t at, void *userdata)
{
	struct execution *ex = userdata;

	execution_poll(ex->manager, ex);
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

/* The lock is free, or the job has taken it away; and no process is its shim. The name `lock` may
 * stand for another file by now, so a daemon that was started later does not rest on it alone. */
static bool is_dead(const struct execution *ex, int alive)
{
	if (alive != 0 && alive != -ENOENT && alive != -ERR_INVALID)
		return false;
	return ex->row.pid <= 0 || !proc_has_argument((pid_t)ex->row.pid, 1, ex->row.dir);
}

void execution_poll(struct manager *mgr, struct execution *ex)
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
	alive = execution_is_alive(ex->dirfd, &ex->lock_fd,
				   NULL); /* before looking for exit.json */
	r = exit_record_read(ex->dirfd, &exit, NULL);
	if (headroom_look_failed(r) || headroom_look_failed(alive))
		return; /* it may be there: looked at again at the next rescan */
	dead = is_dead(ex, alive);
	if (!dead)
		look_at_shim(mgr, ex);
	ended = dead && r >= 0 && proof_holds(ex, &exit);
	r = events_drain(mgr, ex, dead);
	if (r > 0)
		want_more(mgr, ex); /* other work comes between the chunks */
	if (r != 0)
		return;
	if (ended)
		finish(mgr, ex, &exit, REASON_NONE);
	else if (dead && !shim_is_ours(mgr, ex->row.id))
		execution_lost(mgr, ex); /* a shim of ours is reaped first: perhaps nothing ran */
}

static void poll_all(struct manager *mgr)
{
	struct execution *ex, *next;

	for (ex = mgr->executions; ex; ex = next) {
		next = ex->next;
		if (!has_more(ex))		 /* else its turn comes anyway */
			execution_poll(mgr, ex); /* may drop ex, never another one */
	}
}

static int on_gather(sd_event_source *s, uint64_t at, void *userdata)
{
	struct manager *mgr = userdata;

	sd_event_source_set_enabled(mgr->inotify_source, SD_EVENT_ON);
	poll_all(mgr);
	return 0;
}

static void want_poll(struct manager *mgr)
{
	loop_after_us(mgr->loop, &mgr->gather_source, GATHER_US, on_gather, mgr);
}

static int on_inotify(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct manager *mgr = userdata;
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		; /* which file it was does not matter: a look at all is cheap */
	sd_event_source_set_enabled(s, SD_EVENT_OFF); /* until the gathered look */
	want_poll(mgr);
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
		r = loop_after_us(mgr->loop, &mgr->rescan_source, MANAGER_RESCAN_US, on_rescan,
				  mgr);
	return r < 0 ? err_errno(reterr, -r, "watch executions") : 0;
}

/* ---- stopping ---- */

void execution_stop(struct manager *mgr, struct execution *ex)
{
	struct remains_of of = remains_of(ex);

	ex->stop_wanted = true;
	if (!ex->planned && ex->dirfd >= 0)
		ex->stop_sent = remains_stop_shim(&of);
}

static void stop_after(struct manager *mgr, void *arg, bool committed)
{
	struct execution *ex = committed ? execution_find(mgr, arg) : NULL;

	if (ex)
		execution_stop(mgr, ex);
	free(arg);
}

int execution_stop_later(struct manager *mgr, const struct execution *ex, struct err *reterr)
{
	char *id = strdup(ex->row.id);

	if (!id)
		return err_errno(reterr, ENOMEM, "stop an execution");
	txn_on_commit(mgr, stop_after, id);
	return 0;
}
