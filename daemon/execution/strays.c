/* SPDX-License-Identifier: MIT */
/*
 * Strays: running executions without a live row, for instance after a database backup was restored.
 * The start finds them by their locks. A stray is asked to stop, killed after the grace, and
 * reported in the log and as an event. The stray's job does not start before the stray has ended,
 * because the same work would run twice. Manager's thread.
 */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/execution/remains.h"
#include "daemon/schedule/headroom.h"
#include "daemon/schedule/job_state.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>

struct stray {
	char id[ID_LEN], job[ID_LEN], run[ID_LEN];
	char name[SPEC_NAME_MAX + 1];
	int dirfd, lock_fd;
	int64_t since_us; /* when it was found, clock_mono_us */
	bool stop_sent;
	struct stray *next;
};

static void stray_free(struct stray *s)
{
	if (!s)
		return;
	closep(&s->dirfd);
	closep(&s->lock_fd);
	free(s);
}

static void stray_freep(struct stray **s)
{
	stray_free(*s);
}

void strays_free(struct manager *mgr)
{
	while (mgr->strays) {
		struct stray *s = mgr->strays;

		mgr->strays = s->next;
		stray_free(s);
	}
}

const char *stray_of_job(const struct manager *mgr, const char *job)
{
	for (const struct stray *s = mgr->strays; s; s = s->next)
		if (str_eq(s->job, job))
			return s->id;
	return NULL;
}

static struct remains_of remains_of(const struct stray *s)
{
	return (struct remains_of){.id = s->id, .dirfd = s->dirfd, .lock_fd = s->lock_fd};
}

/* ---- reports ---- */

/* The event names the job only if the database has the job. */
static void say(struct manager *mgr, const struct stray *s, const char *what)
{
	OWN(job_row_done) struct job_row job = {0};
	char text[REASON_MSG_MAX];
	struct err err = {0};
	bool known;
	int r;

	str_excerptf(text, sizeof(text),
		     "execution %s of job '%s' (%s, run %s) runs without a row in the database, as "
		     "after "
		     "a restored backup: %s",
		     s->id, s->name, s->job[0] ? s->job : "unknown", s->run[0] ? s->run : "unknown",
		     what);
	log_event(LOG_LEVEL_WARNING, "execution_without_row", "execution=%s job=%s msg=\"%s\"",
		  s->id, s->job, text);
	if (txn_begin(mgr, &err) < 0)
		return;
	known = store_job_get(mgr->store, s->job, &job, NULL) >= 0;
	r = store_event(mgr->store, "warning", NULL, known ? s->job : NULL, NULL,
			json_pack("{ss ss}", "code", "execution_without_row", "detail", text),
			clock_now_us(), &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	txn_end(mgr, NULL);
}

/* Fail the endpoint that the stray serves, if any, so that no second server runs beside it. */
static int fail_endpoint(struct manager *mgr, const struct stray *s, struct err *reterr)
{
	OWN(endpoint_rows_done) struct endpoint_rows live = {0};
	int r = store_endpoints_live(mgr->store, &live, reterr);
	struct reason reason;

	reason_set(&reason, REASON_SHIM_LOST,
		   "execution %s of the job, which the database does not know, was killed, but "
		   "some of its processes may still run",
		   s->id);
	for (size_t i = 0; r >= 0 && i < live.n; i++)
		if (live.rows[i].target == TARGET_LOCAL && str_eq(live.rows[i].job, s->job))
			r = endpoint_gone(mgr, &live.rows[i], ENDPOINT_FAILED, &reason, reterr);
	return r;
}

/* Hold the stray's job, so that its work does not run twice; a user must check and release it.
 * Negative if that could not be written yet. */
static int hold_job(struct manager *mgr, const struct stray *s)
{
	struct err err = {0};
	int r = txn_begin(mgr, &err);

	if (r < 0)
		return r;
	r = store_job_set_held(mgr->store, s->job, true, clock_now_us(), &err);
	if (r == -ERR_NOT_FOUND)
		r = 0;
	if (r >= 0)
		r = fail_endpoint(mgr, s, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	live_changed(mgr);
	return txn_end(mgr, NULL);
}

/* ---- finding ---- */

static int read_names(struct stray *s, struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL;
	int r = beneath_read_json(s->dirfd, EXECUTION_SPEC, EXECUTION_SPEC_MAX, &spec, reterr);

	if (r < 0)
		return r;
	if (!str_copy(s->job, sizeof(s->job), json_get_str(spec, "job", "")))
		s->job[0] = '\0';
	if (!str_copy(s->run, sizeof(s->run), json_get_str(spec, "run", "")))
		s->run[0] = '\0';
	str_excerpt(s->name, sizeof(s->name), json_get_str(spec, "name", ""));
	return 0;
}

/* Look for a held lock whose execution has no live row. */
static int look_in(struct manager *mgr, int folder, const char *name, struct err *reterr)
{
	OWN(stray_freep) struct stray *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_errno(reterr, ENOMEM, "look for executions");
	s->dirfd = s->lock_fd = -1;
	str_must_copy(s->id, sizeof(s->id), name);
	r = beneath_open_dir(folder, name, 0, &s->dirfd, reterr);
	if (r >= 0)
		r = execution_is_alive(s->dirfd, &s->lock_fd, reterr);
	if (r != 1)
		return headroom_look_failed(r) ? r : 0;
	s->since_us = clock_mono_us();
	r = read_names(s, reterr);
	if (headroom_look_failed(r))
		return r;
	say(mgr, s, "the daemon tells it to stop");
	s->next = mgr->strays;
	mgr->strays = TAKE(s);
	return 0;
}

int strays_find(struct manager *mgr, struct err *reterr)
{
	char path[PATH_MAX + sizeof("/executions")];
	struct dirent *entry;
	int r = 0;
	DIR *d;

	str_must_format(path, sizeof(path), "%s/executions", mgr->settings->data_dir);
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : err_errno(reterr, errno, "read %s", path);
	while (r >= 0 && (errno = 0, entry = readdir(d)))
		if (id_valid('x', entry->d_name) && !execution_find(mgr, entry->d_name))
			r = look_in(mgr, dirfd(d), entry->d_name, reterr);
	if (r >= 0 && errno)
		r = err_errno(reterr, errno, "read %s", path);
	closedir(d);
	if (r >= 0)
		strays_step(mgr);
	return r;
}

/* ---- ending ---- */

/* True if the stray has ended. */
static bool end_one(struct manager *mgr, struct stray *s)
{
	struct remains_of of = remains_of(s);
	int64_t age_us = clock_mono_us() - s->since_us;
	enum remains left;

	if (execution_is_alive(s->dirfd, &s->lock_fd, NULL) == 1) {
		if (remains_shim_is_stopped(&of))
			remains_signal_shim(&of, SIGCONT);
		if (!s->stop_sent)
			s->stop_sent = remains_stop_shim(&of);
		if (age_us > mgr->settings->stop_grace_us + MANAGER_SHIM_US)
			remains_signal_shim(&of, SIGKILL);
		return false;
	}
	left = path_exists(s->dirfd, EXECUTION_EXIT) ? REMAINS_NONE : remains_end(mgr, &of);
	if (left == REMAINS_SOME &&
	    age_us < mgr->settings->stop_grace_us + MANAGER_SHIM_US + MANAGER_REMAINS_US)
		return false;
	if (left != REMAINS_NONE && hold_job(mgr, s) < 0)
		return false; /* the stray stays until this is written */
	say(mgr, s,
	    left == REMAINS_NONE ? "it has ended"
				 : "it was killed, but some of its processes may still run; the "
				   "daemon holds its job");
	return true;
}

void strays_step(struct manager *mgr)
{
	for (struct stray **at = &mgr->strays; *at;) {
		struct stray *s = *at;

		if (!end_one(mgr, s)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		stray_free(s);
		manager_want_schedule(mgr);
	}
}
