/* SPDX-License-Identifier: MIT */
/*
 * The table of live executions in memory: its entries, their owners, and which of them are polled
 * soon. Manager's thread.
 */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"

#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

/* Links are not followed, because work/ belongs to the job. */
#define WATCH_EVENTS (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DONT_FOLLOW | IN_ONLYDIR)

struct execution *execution_add(struct manager *mgr, const struct execution_row *row, bool planned)
{
	struct execution *ex = calloc(1, sizeof(*ex));

	if (!ex)
		return NULL;
	ex->manager = mgr;
	ex->row = *row;
	ex->planned = planned;
	ex->since_mono_us = clock_mono_us();
	/* before a restart of the daemon */
	if (row->started_us > 0 && row->started_us < clock_now_us())
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
	str_must_format(work, sizeof(work), "%s/" EXECUTION_WORK, ex->row.dir);
	ex->watch_dir = inotify_add_watch(mgr->inotify_fd, ex->row.dir, WATCH_EVENTS);
	ex->watch = inotify_add_watch(mgr->inotify_fd, work, WATCH_EVENTS);
	return 0; /* without a watch the rescan detects changes a little later */
}

void execution_look_soon(struct manager *mgr, struct execution *ex)
{
	ex->look_soon = true;
	sd_event_source_set_enabled(mgr->look_source, SD_EVENT_ONESHOT);
}
