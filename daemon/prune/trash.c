/* SPDX-License-Identifier: MIT */
/*
 * The thread's queue, the moves to the trash folder, the removal in steps, and the measurements
 * between two steps.
 */
#include "daemon/prune/trash.h"

#include "base/beneath.h"
#include "base/fault.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/tree.h"
#include "storage/store.h"
#include "wire/execution.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#define TRASH_STACK_BYTES (512 << 10)

struct trash {
	pthread_t thread;
	int data; /* descriptor of the data directory; constant */
	void (*done)(void *userdata, struct removal *rm);
	void *userdata;

	pthread_mutex_t lock; /* guards all fields below */
	pthread_cond_t news;
	bool stopping;
	bool sweep; /* True if a sweep is requested */
	STAILQ_HEAD(, removal) removals;
	STAILQ_HEAD(, measure) measures;
};

void removal_free(struct removal *rm)
{
	if (!rm)
		return;
	json_decref(rm->executions);
	json_decref(rm->trashed);
	free(rm);
}

static bool is_stopping(struct trash *t)
{
	bool stopping;

	pthread_mutex_lock(&t->lock);
	stopping = t->stopping;
	pthread_mutex_unlock(&t->lock);
	return stopping;
}

/* ---- measure ---- */

static struct measure *take_measure(struct trash *t)
{
	struct measure *m;

	pthread_mutex_lock(&t->lock);
	m = STAILQ_FIRST(&t->measures);
	if (m)
		STAILQ_REMOVE_HEAD(&t->measures, link);
	pthread_mutex_unlock(&t->lock);
	return m;
}

/* Answer measurements between the steps of a long removal. */
static void serve_measures(struct trash *t)
{
	struct measure *m;

	while ((m = take_measure(t)))
		trash_measure_now(t->data, m);
}

int trash_measure(struct trash *t, struct measure *m, struct err *reterr)
{
	bool stopping;

	pthread_mutex_lock(&t->lock);
	stopping = t->stopping;
	if (!stopping) {
		STAILQ_INSERT_TAIL(&t->measures, m, link);
		pthread_cond_signal(&t->news);
	}
	pthread_mutex_unlock(&t->lock);
	return stopping ? err_set(reterr, ERR_UNAVAILABLE, "the daemon is stopping; try again") : 0;
}

/* ---- remove ---- */

/* Remove in small steps, so that a stop and a measurement are noticed. */
static int empty(struct trash *t, int at, const char *name, struct err *reterr)
{
	int r;

	do {
		serve_measures(t);
		r = is_stopping(t) ? -ERR_CANCELLED
				   : tree_remove_some(at, name, TRASH_STEP_ENTRIES, reterr);
	} while (r == 1);
	return r;
}

/* Keep the end of the log. If the disk has no room for the copy, everything else goes first. */
static int keep_log(struct trash *t, const struct trash_folders *f, const char *id,
		    struct err *reterr)
{
	int r = kept_log_make(f->executions, f->trash, id, reterr);
	OWN(closep) int dir = -1;

	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	r = tree_open(f->trash, id, &dir, reterr);
	if (r >= 0)
		r = empty(t, dir, EXECUTION_WORK, reterr);
	return r < 0 ? r : kept_log_make(f->executions, f->trash, id, reterr);
}

/* Remove a directory in the trash, after the end of its log was kept if requested. */
static int finish_trashed(struct trash *t, struct removal *rm, const struct trash_folders *f,
			  const char *id)
{
	struct tree_size size = {.budget = MEASURE_ENTRIES_MAX};
	int r = 0;

	tree_measure(f->trash, id, &size);
	if (!rm->rows && !path_exists(f->executions, id))
		r = keep_log(t, f, id, &rm->err);
	FAULT("prune.kept");
	if (r < 0)
		return r;
	r = empty(t, f->trash, id, &rm->err);
	FAULT("prune.removed");
	if (r >= 0)
		rm->bytes += size.bytes;
	return r;
}

static int remove_execution(struct trash *t, struct removal *rm, const struct trash_folders *f,
			    const char *id)
{
	int r;

	if (path_exists(f->trash, id)) { /* an earlier daemon has begun this removal */
		r = finish_trashed(t, rm, f, id);
		if (r < 0 || !rm->rows)
			return r;
	}
	r = trash_move_execution(f, id, &rm->err);
	return r == 1 ? finish_trashed(t, rm, f, id) : r;
}

static int remove_trashed(struct trash *t, struct removal *rm, const struct trash_folders *f,
			  const char *name)
{
	struct tree_size size = {.budget = MEASURE_ENTRIES_MAX};
	int r;

	tree_measure(f->trash, name, &size);
	r = empty(t, f->trash, name, &rm->err);
	if (r >= 0)
		rm->bytes += size.bytes;
	return r;
}

/* A directory that cannot be removed does not block the others. */
static int remove_each(struct trash *t, struct removal *rm, const struct trash_folders *f,
		       const json_t *names,
		       int (*remove)(struct trash *t, struct removal *rm,
				     const struct trash_folders *f, const char *name))
{
	struct err first = {0};
	const json_t *name;
	int worst = 0;
	size_t i;

	json_array_foreach(names, i, name) {
		int r = remove(t, rm, f, json_string_value(name));

		if (r < 0 && worst >= 0) {
			worst = r;
			first = rm->err;
		}
		if (r == -ERR_CANCELLED)
			return r;
	}
	if (worst < 0)
		rm->err = first;
	return worst;
}

static int remove_all(struct trash *t, struct removal *rm)
{
	struct trash_folders f = {-1, -1};
	int r = trash_folders_open(t->data, &f, &rm->err);

	if (r >= 0)
		r = remove_each(t, rm, &f, rm->executions, remove_execution);
	if (r >= 0)
		r = remove_each(t, rm, &f, rm->trashed, remove_trashed);
	trash_folders_done(&f);
	return r;
}

static struct removal *take_removal(struct trash *t)
{
	struct removal *rm;

	pthread_mutex_lock(&t->lock);
	rm = t->stopping ? NULL : STAILQ_FIRST(&t->removals);
	if (rm)
		STAILQ_REMOVE_HEAD(&t->removals, link);
	pthread_mutex_unlock(&t->lock);
	return rm;
}

void trash_add(struct trash *t, struct removal *rm)
{
	const struct removal *at;
	bool known = false;

	pthread_mutex_lock(&t->lock);
	STAILQ_FOREACH(at, &t->removals, link)
		known |= *rm->run && str_eq(at->run, rm->run) && at->rows == rm->rows;
	if (!known) {
		STAILQ_INSERT_TAIL(&t->removals, rm, link);
		pthread_cond_signal(&t->news);
	}
	pthread_mutex_unlock(&t->lock);
	if (known)
		removal_free(rm);
}

int trash_data(const struct trash *t)
{
	return t->data;
}

void trash_sweep(struct trash *t)
{
	pthread_mutex_lock(&t->lock);
	t->sweep = true;
	pthread_cond_signal(&t->news);
	pthread_mutex_unlock(&t->lock);
}

/* Remove everything that no request names: partial ends of logs, and removals of a database that a
 * backup has replaced. */
static void sweep(struct trash *t)
{
	struct trash_folders f = {-1, -1};
	struct dirent *e;
	struct err err;
	DIR *d = NULL;

	if (path_exists(t->data, STORE_EXECUTIONS "/" TRASH_FOLDER) &&
	    trash_folders_open(t->data, &f, &err) >= 0)
		d = fdopendir(fcntl(f.trash, F_DUPFD_CLOEXEC, 0));
	while (d && !is_stopping(t) && (e = readdir(d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") &&
		    empty(t, f.trash, e->d_name, &err) < 0 && !is_stopping(t))
			log_event(LOG_LEVEL_WARNING, "trash_left", "name=%s msg=\"%s\"", e->d_name,
				  err.msg);
	if (d)
		closedir(d);
	trash_folders_done(&f);
}

static bool wait_for_news(struct trash *t, bool *ret_sweep)
{
	bool goes_on;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping && !t->sweep && STAILQ_EMPTY(&t->removals) &&
	       STAILQ_EMPTY(&t->measures))
		pthread_cond_wait(&t->news, &t->lock);
	goes_on = !t->stopping;
	*ret_sweep = goes_on && t->sweep && STAILQ_EMPTY(&t->removals);
	if (*ret_sweep)
		t->sweep = false;
	pthread_mutex_unlock(&t->lock);
	return goes_on;
}

static void *trash_thread(void *userdata)
{
	struct trash *t = userdata;
	struct removal *rm;
	bool sweeps;

	pthread_setname_np(pthread_self(), "trash");
	while (wait_for_news(t, &sweeps)) {
		serve_measures(t);
		if (sweeps)
			sweep(t);
		while ((rm = take_removal(t))) {
			rm->result = remove_all(t, rm);
			if (rm->result == -ERR_CANCELLED)
				/* its intent is committed: the next start continues */
				removal_free(rm);
			else
				t->done(t->userdata, rm);
		}
	}
	return NULL;
}

/* ---- life ---- */

/* A full disk has no room for this folder when it is needed. */
static void make_folders(int data)
{
	struct trash_folders f = {-1, -1};
	struct err err;

	if (trash_folders_open(data, &f, &err) < 0)
		log_event(LOG_LEVEL_WARNING, "trash_not_made", "msg=\"%s\"", err.msg);
	trash_folders_done(&f);
}

static void trash_free(struct trash *t)
{
	closep(&t->data);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->news);
	free(t);
}

int trash_open(const char *data_dir, void (*done)(void *userdata, struct removal *rm),
	       void *userdata, struct trash **ret, struct err *reterr)
{
	struct trash *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_errno(reterr, ENOMEM, "make the trash");
	t->done = done;
	t->userdata = userdata;
	STAILQ_INIT(&t->removals);
	STAILQ_INIT(&t->measures);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->news, NULL);
	t->data = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = t->data < 0 ? -errno : thread_start(TRASH_STACK_BYTES, trash_thread, t, &t->thread);
	if (r >= 0)
		make_folders(t->data);
	if (r < 0) {
		trash_free(t);
		return err_errno(reterr, -r, "make the trash of %s", data_dir);
	}
	*ret = t;
	return 0;
}

void trash_close(struct trash *t)
{
	struct measure *m;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->news);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	while ((m = take_measure(t))) {
		m->result = err_set(&m->err, ERR_UNAVAILABLE, "the daemon is stopping; try again");
		m->done(m);
	}
	while (!STAILQ_EMPTY(&t->removals)) {
		struct removal *rm = STAILQ_FIRST(&t->removals);

		STAILQ_REMOVE_HEAD(&t->removals, link);
		removal_free(rm);
	}
	trash_free(t);
}
