/* SPDX-License-Identifier: MIT */
/*
 * Strays: executions that run but have no live row, as after a backup of the database was restored.
 * Found at the start by their locks, told to stop, ended after the grace, and said in the log and
 * as an event. Until one has ended its job does not start: that would be the same work twice.
 */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution.h"
#include "daemon/lifecycle.h"
#include "daemon/remains.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>

struct stray {
	char id[ID_LEN], job[ID_LEN], run[ID_LEN];
	char name[SPEC_NAME_MAX + 1];
	int dirfd, lock_fd;
	int64_t since_us; /* found, on clock_mono_us */
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

void strays_free(struct engine *e)
{
	while (e->strays) {
		struct stray *s = e->strays;

		e->strays = s->next;
		stray_free(s);
	}
}

const char *stray_of_job(const struct engine *e, const char *job)
{
	for (const struct stray *s = e->strays; s; s = s->next)
		if (str_eq(s->job, job))
			return s->id;
	return NULL;
}

static struct remains_of remains_of(const struct stray *s)
{
	return (struct remains_of){.id = s->id, .dirfd = s->dirfd, .lock_fd = s->lock_fd};
}

/* ---- said ---- */

/* The event is the job's only if the database has the job. */
static void say(struct engine *e, const struct stray *s, const char *what)
{
	OWN(job_row_done) struct job_row job = {0};
	char text[REASON_MSG_MAX];
	struct err why = {0};
	bool known;
	int r;

	snprintf(text, sizeof(text),
		 "execution %s of job '%s' (%s, run %s) runs without a row in the database, as "
		 "after "
		 "a restored backup: %s",
		 s->id, s->name, s->job[0] ? s->job : "unknown", s->run[0] ? s->run : "unknown",
		 what);
	log_event(LOG_LEVEL_WARNING, "execution_without_row", "execution=%s job=%s msg=\"%s\"",
		  s->id, s->job, text);
	if (turn_begin(e, &why) < 0)
		return;
	known = store_job_get(e->store, s->job, &job, NULL) >= 0;
	r = store_event(e->store, "warning", NULL, known ? s->job : NULL, NULL,
			json_pack("{ss ss}", "code", "execution_without_row", "detail", text),
			clock_now_us(), &why);
	if (r < 0)
		turn_fail(e, r, &why);
	turn_end(e, NULL);
}

/* What may still run must not run twice: somebody looks, and releases the job. */
static void hold_job(struct engine *e, const struct stray *s)
{
	struct err why = {0};
	int r;

	if (turn_begin(e, &why) < 0)
		return;
	r = store_job_set_held(e->store, s->job, true, clock_now_us(), &why);
	if (r < 0 && r != -ERR_NOT_FOUND)
		turn_fail(e, r, &why);
	turn_end(e, NULL);
}

/* ---- found ---- */

static void read_names(struct stray *s)
{
	OWN(json_decrefp) json_t *spec = NULL;

	if (beneath_read_json(s->dirfd, EXECUTION_SPEC, EXECUTION_SPEC_MAX, &spec, NULL) < 0)
		return;
	str_copy(s->job, sizeof(s->job), json_get_str(spec, "job", ""));
	str_copy(s->run, sizeof(s->run), json_get_str(spec, "run", ""));
	str_copy(s->name, sizeof(s->name), json_get_str(spec, "name", ""));
}

/* A held lock, whose execution is in no live row. */
static void look_in(struct engine *e, int folder, const char *name)
{
	OWN(stray_freep) struct stray *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->dirfd = s->lock_fd = -1;
	str_copy(s->id, sizeof(s->id), name);
	if (beneath_open_dir(folder, name, 0, &s->dirfd, NULL) < 0 ||
	    execution_is_alive(s->dirfd, &s->lock_fd, NULL) != 1)
		return;
	s->since_us = clock_mono_us();
	read_names(s);
	say(e, s, "it is told to stop");
	s->next = e->strays;
	e->strays = TAKE(s);
}

void strays_find(struct engine *e)
{
	char path[SPEC_PATH_MAX + 16];
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "%s/executions", e->settings->data_dir);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		if (id_valid('x', entry->d_name) && !execution_find(e, entry->d_name))
			look_in(e, dirfd(d), entry->d_name);
	if (d)
		closedir(d);
	strays_step(e);
}

/* ---- ended ---- */

/* True if it is over. */
static bool end_one(struct engine *e, struct stray *s)
{
	struct remains_of of = remains_of(s);
	int64_t age_us = clock_mono_us() - s->since_us;
	enum remains left;

	if (execution_is_alive(s->dirfd, &s->lock_fd, NULL) == 1) {
		if (remains_shim_is_stopped(&of))
			remains_signal_shim(&of, SIGCONT);
		if (!s->stop_sent)
			s->stop_sent = remains_stop_shim(&of);
		if (age_us > e->settings->stop_grace_us + ENGINE_SHIM_US)
			remains_signal_shim(&of, SIGKILL);
		return false;
	}
	left = path_exists(s->dirfd, EXECUTION_EXIT) ? REMAINS_NONE : remains_end(e, &of);
	if (left == REMAINS_SOME &&
	    age_us < e->settings->stop_grace_us + ENGINE_SHIM_US + ENGINE_REMAINS_US)
		return false;
	if (left != REMAINS_NONE)
		hold_job(e, s);
	say(e, s,
	    left == REMAINS_NONE
		    ? "it has ended now"
		    : "it was killed, but processes of it may still run; its job is held");
	return true;
}

void strays_step(struct engine *e)
{
	for (struct stray **at = &e->strays; *at;) {
		struct stray *s = *at;

		if (!end_one(e, s)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		stray_free(s);
		engine_want_schedule(e);
	}
}
