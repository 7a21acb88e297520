/* SPDX-License-Identifier: MIT */
/*
 * Lists the folder, marks the checkpoints that stay, and removes the others: first by a rename out
 * of the folder. Runs on a thread of its own.
 */
#include "worker/script/checkpoints.h"

#include "base/beneath.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER	  "checkpoints"
#define PREFIX	  "checkpoint-"
#define STATE	  "trainer_state.json"
/* Beside FOLDER: a rename moves a checkpoint here, then it is removed. */
#define THINNED	  ".thinned"
#define LOOK_US	  USEC_PER_SEC
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

struct checkpoint {
	char name[NAME_MAX + 1];
	int64_t step;
	dev_t dev;
	ino_t ino;
	int64_t saved_us; /* time of its state file */
	bool complete, kept;
};

/* The checkpoints of the folder, the greatest step first. */
struct listing {
	struct checkpoint *items;
	size_t n;
	bool too_many;
	uint64_t signature; /* changes with the folder */
};

struct checkpoints {
	int work_dirfd; /* borrowed */
	int keep;
	struct listing first; /* at the script's start */
	uint64_t signature;   /* of the last look */
	bool seen_any, seen_complete, seen_too_many;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop; /* protected by lock */
};

static void listing_done(struct listing *l)
{
	free(l->items);
}

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

/* Parse checkpoint-STEP as transformers writes it: digits only. */
static bool step_of(const char *name, int64_t *ret)
{
	const char *digits = name + sizeof(PREFIX) - 1;

	return str_starts(name, PREFIX) && isdigit((unsigned char)*digits) &&
	       str_to_i64(digits, ret) >= 0;
}

/* Read one entry of the folder. True if it is a directory of that name, not a link. */
static bool read_entry(int folder, const char *name, struct checkpoint *ret, uint64_t *signature)
{
	OWN(closep) int fd = -1;
	struct stat st, state = {0};

	*ret = (struct checkpoint){0};
	if (!step_of(name, &ret->step) || beneath_open_dir(folder, name, 0, &fd, NULL) < 0 ||
	    fstat(fd, &st) < 0)
		return false;
	str_must_copy(ret->name, sizeof(ret->name), name);
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	if (fstatat(fd, STATE, &state, AT_SYMLINK_NOFOLLOW) == 0)
		ret->saved_us =
			(int64_t)state.st_mtim.tv_sec * USEC_PER_SEC + state.st_mtim.tv_nsec / 1000;
	*signature = mix(*signature, name, strlen(name) + 1);
	*signature = mix(*signature, &ret->ino, sizeof(ret->ino));
	*signature = mix(*signature, &state.st_size, sizeof(state.st_size));
	*signature = mix(*signature, &state.st_mtim, sizeof(state.st_mtim));
	return true;
}

static int by_step(const void *a, const void *b)
{
	const struct checkpoint *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int list(int folder, struct listing *ret)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWN(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	size_t seen = 0;

	*ret = (struct listing){.signature = FNV_BASIS};
	ret->items = d ? calloc(CHECKPOINT_ENTRIES_MAX, sizeof(*ret->items)) : NULL;
	if (!ret->items)
		return -ENOMEM;
	while ((e = readdir(d))) {
		if (++seen > CHECKPOINT_ENTRIES_MAX) {
			ret->too_many = true;
			return 0;
		}
		ret->n += read_entry(folder, e->d_name, &ret->items[ret->n], &ret->signature);
	}
	qsort(ret->items, ret->n, sizeof(*ret->items), by_step);
	return 0;
}

/* Read the state of a complete checkpoint. NULL: it is not complete. */
static json_t *state_of(int folder, const struct checkpoint *c)
{
	json_t *state = NULL;
	char path[NAME_MAX + sizeof(STATE) + 2];

	if (!path_join(path, sizeof(path), c->name, STATE) ||
	    beneath_read_json(folder, path, CHECKPOINT_STATE_MAX, &state, NULL) < 0)
		return NULL;
	if (!json_is_object(state)) {
		json_decref(state);
		return NULL;
	}
	return state;
}

static bool is_in(const struct listing *l, const struct checkpoint *c)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].ino == c->ino && l->items[i].dev == c->dev)
			return true;
	return false;
}

/* True if load_best_model_at_end reads this checkpoint at the end of the training. */
static bool is_best(const json_t *newest, const struct checkpoint *c)
{
	const char *path = json_get_str(newest, "best_model_checkpoint", "");
	const char *slash = strrchr(path, '/');

	return str_eq(slash ? slash + 1 : path, c->name) ||
	       json_get_int(newest, "best_global_step", -1) == c->step;
}

/* Mark the checkpoints that stay: the newest `keep` by step, the last saved, and the best. True if
 * the script has completed one since its start. */
static bool mark(struct checkpoints *c, int folder, struct listing *l)
{
	OWN(json_decrefp) json_t *newest = NULL;
	struct checkpoint *last = NULL;
	bool own = false;
	int kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct checkpoint *item = &l->items[i];
		OWN(json_decrefp) json_t *state = state_of(folder, item);

		item->complete = state != NULL;
		if (!item->complete)
			continue;
		if (!newest)
			newest = json_incref(state);
		item->kept = kept++ < c->keep;
		own |= !is_in(&c->first, item);
		if (!last || item->saved_us > last->saved_us)
			last = item;
	}
	if (last)
		last->kept = true;
	for (size_t i = 0; newest && i < l->n; i++)
		l->items[i].kept |= is_best(newest, &l->items[i]);
	c->seen_any |= l->n > 0;
	c->seen_complete |= newest != NULL;
	return own;
}

/* Rename the checkpoint out of the folder, then remove it. If another directory has taken its name,
 * that one is renamed back. */
static void drop(int folder, int thinned, const struct checkpoint *c)
{
	struct stat st;

	if (tree_remove(thinned, c->name, NULL) < 0 ||
	    renameat2(folder, c->name, thinned, c->name, RENAME_NOREPLACE) < 0)
		return;
	if (fstatat(thinned, c->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != c->ino ||
	    st.st_dev != c->dev) {
		(void)renameat2(thinned, c->name, folder, c->name, RENAME_NOREPLACE);
		return;
	}
	if (tree_remove(thinned, c->name, NULL) < 0)
		printf("[trainyard: %s could not be removed whole]\n", c->name);
	else
		printf("[trainyard: removed %s (checkpoint.keep_last)]\n", c->name);
	fflush(stdout);
}

static void drop_all(struct checkpoints *c, int folder, const struct listing *l)
{
	OWN(closep) int thinned = -1;
	bool synced = false;

	for (size_t i = 0; i < l->n; i++) {
		if (!l->items[i].complete || l->items[i].kept)
			continue;
		if (thinned < 0 &&
		    (dir_make(c->work_dirfd, THINNED, 0700, NULL) < 0 ||
		     beneath_open_dir(c->work_dirfd, THINNED, 0, &thinned, NULL) < 0))
			return;
		/* The checkpoints that stay must be on disk before the first is removed. */
		if (!synced && syncfs(folder) < 0)
			return;
		synced = true;
		drop(folder, thinned, &l->items[i]);
	}
}

static void look(struct checkpoints *c)
{
	OWN(listing_done) struct listing l = {0};
	OWN(closep) int folder = -1;

	if (beneath_open_dir(c->work_dirfd, FOLDER, 0, &folder, NULL) < 0 || list(folder, &l) < 0)
		return;
	c->seen_too_many |= l.too_many;
	if (l.too_many || l.signature == c->signature)
		return;
	if (mark(c, folder, &l))
		drop_all(c, folder, &l);
	c->signature = l.signature;
}

static void *thread_main(void *arg)
{
	struct checkpoints *c = arg;
	bool stop = false;

	while (!stop) {
		pthread_mutex_lock(&c->lock);
		if (!c->stop)
			cond_wait_us(&c->wake, &c->lock, LOOK_US);
		stop = c->stop;
		pthread_mutex_unlock(&c->lock);
		look(c);
	}
	return NULL;
}

/* The thread blocks all signals: they are for the worker's main thread. */
static int start(struct checkpoints *c)
{
	sigset_t all, was;
	int r;

	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	r = pthread_create(&c->thread, NULL, thread_main, c);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return r;
}

int checkpoints_thin(int work_dirfd, int keep, struct checkpoints **ret, struct err *reterr)
{
	OWN(freep) struct checkpoints *c = calloc(1, sizeof(*c));
	OWN(closep) int folder = -1;
	int r;

	if (!c)
		return err_errno(reterr, ENOMEM, "thin the checkpoints");
	c->work_dirfd = work_dirfd;
	c->keep = keep;
	r = beneath_open_dir(work_dirfd, FOLDER, 0, &folder, reterr);
	if (r < 0)
		return r;
	if (list(folder, &c->first) < 0)
		return err_errno(reterr, ENOMEM, "thin the checkpoints");
	r = start(c);
	if (r) {
		listing_done(&c->first);
		return err_errno(reterr, r, "thin the checkpoints");
	}
	*ret = TAKE(c);
	return 0;
}

void checkpoints_end(struct checkpoints *c, struct report *report)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	if (c->seen_too_many)
		report_warning(report, "checkpoints_not_thinned",
			       "the folder of the checkpoints has more than %d entries: "
			       "checkpoint.keep_last has removed none",
			       CHECKPOINT_ENTRIES_MAX);
	else if (c->seen_any && !c->seen_complete)
		report_warning(
			report, "checkpoints_not_thinned",
			"no checkpoint-STEP in the folder of the checkpoints has a whole " STATE
			" of at most %d MiB: checkpoint.keep_last has removed none",
			CHECKPOINT_STATE_MAX >> 20);
	if (tree_remove(c->work_dirfd, THINNED, NULL) < 0)
		report_warning(report, "leftovers", "work/" THINNED " could not be removed");
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	listing_done(&c->first);
	free(c);
}
