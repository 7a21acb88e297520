/* SPDX-License-Identifier: MIT */
/*
 * Walks the data directory, sorts each file into a kind, and sums the blocks by kind and by
 * execution.
 */
#include "worker/usage.h"

#include "base/beneath.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/id.h"
#include "base/own.h"
#include "base/str.h"

#include <dirent.h>
#include <search.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define BLOCK_BYTES 512	     /* unit of st_blocks on every file system */
#define TRASH	    ".trash" /* in the executions folder: what a prune removes at the moment */

enum kind {
	KIND_MODELS,
	KIND_CHECKPOINTS,
	KIND_LOGS,
	KIND_DATA,
	KIND_SOURCES,
	KIND_CACHE,
	KIND_DATABASE,
	KIND_TRASH,
	KIND_OTHER,
	KINDS_,
};

static const char *const kind_names[KINDS_] = {
	"models", "checkpoints", "logs", "data", "sources", "cache", "database", "trash", "other",
};

struct file_id {
	dev_t dev;
	ino_t ino;
};

struct walk {
	int64_t until_us;
	json_t *strays;	     /* executions without a row; borrowed */
	bool partial;	     /* True if the time was over, or if something was unreadable */
	void *links;	     /* a tree (search.h) of the counted files with several names */
	int64_t all[KINDS_]; /* bytes */
};

/* The counters for a file: a kind of the whole directory, and of an execution (NULL: of none). */
struct output_dir {
	enum kind kind;
	int64_t *execution;
};

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct file_id));
}

/* True if the file was counted under another name. */
static bool is_counted(struct walk *w, const struct stat *st)
{
	struct file_id *id, **found;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return false;
	id = calloc(1, sizeof(*id));
	if (!id)
		return false;
	id->dev = st->st_dev;
	id->ino = st->st_ino;
	found = tsearch(id, &w->links, by_id);
	if (found && *found == id)
		return false;
	free(id);
	return found != NULL;
}

static void add(struct walk *w, const struct stat *st, struct output_dir to)
{
	int64_t bytes = (int64_t)st->st_blocks * BLOCK_BYTES;

	if (is_counted(w, st))
		return;
	w->all[to.kind] += bytes;
	if (to.execution)
		to.execution[to.kind] += bytes;
}

typedef struct output_dir (*place_fn)(const char *name, struct output_dir above);

static struct output_dir same(const char *name, struct output_dir above)
{
	return above;
}

static DIR *open_dir(struct walk *w, int at, const char *name)
{
	OWN(closep) int fd = -1;
	DIR *d = beneath_open_dir(at, name, 0, &fd, NULL) < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)!TAKE_FD(fd);
	w->partial |= !d;
	return d;
}

/* The next entry. NULL: the end, or the time is over. */
static struct dirent *next_entry(struct walk *w, DIR *d)
{
	struct dirent *e = readdir(d);

	if (!e || clock_mono_us() <= w->until_us)
		return e;
	w->partial = true;
	return NULL;
}

/* Count `name` in `at` and everything below. `sort` finds the counters of each entry. */
static void count(struct walk *w, int at, const char *name, struct output_dir to, place_fn sort,
		  int depth)
{
	OWN(closedirp) DIR *d = NULL;
	struct dirent *e;
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* it vanished meanwhile */
	add(w, &st, to);
	if (!S_ISDIR(st.st_mode))
		return;
	d = depth > USAGE_DEPTH_MAX ? NULL : open_dir(w, at, name);
	w->partial |= !d;
	while (d && (e = next_entry(w, d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			count(w, dirfd(d), e->d_name, sort(e->d_name, to), same, depth + 1);
}

/* ---- an execution ---- */

static struct output_dir in_work(const char *name, struct output_dir above)
{
	if (str_eq(name, "model") || str_eq(name, "model.tmp"))
		above.kind = KIND_MODELS;
	else if (str_eq(name, "checkpoints") || str_eq(name, ".checkpoints") ||
		 str_eq(name, ".thinned"))
		above.kind = KIND_CHECKPOINTS;
	else
		above.kind = str_eq(name, "code") ? KIND_SOURCES : KIND_DATA;
	return above;
}

static struct output_dir in_execution(const char *name, struct output_dir above)
{
	if (str_starts(name, "log"))
		above.kind = KIND_LOGS;
	return above;
}

static void count_execution(struct walk *w, int executions, const char *id, int64_t kinds[KINDS_])
{
	struct output_dir other = {KIND_OTHER, kinds};
	OWN(closedirp) DIR *d = NULL;
	struct dirent *e;
	struct stat st;

	if (fstatat(executions, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	add(w, &st, other);
	if (!S_ISDIR(st.st_mode))
		return;
	d = open_dir(w, executions, id);
	while (d && (e = next_entry(w, d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			count(w, dirfd(d), e->d_name, in_execution(e->d_name, other),
			      str_eq(e->d_name, "work") ? in_work : same, 3);
}

/* ---- the answer ---- */

static json_t *kinds_json(const int64_t kinds[KINDS_], int64_t *ret_total)
{
	json_t *out = json_object();

	*ret_total = 0;
	for (int i = 0; i < KINDS_; i++) {
		json_object_set_new(out, kind_names[i], json_integer(kinds[i]));
		*ret_total += kinds[i];
	}
	return out;
}

static void sum_kinds(json_t *item, const int64_t kinds[KINDS_])
{
	json_t *sums = json_object_get(item, "kinds");
	int64_t bytes = json_get_int(item, "bytes", 0);

	for (int i = 0; i < KINDS_; i++) {
		int64_t before = json_get_int(sums, kind_names[i], 0);

		json_object_set_new(sums, kind_names[i], json_integer(before + kinds[i]));
		bytes += kinds[i];
	}
	json_object_set_new(item, "bytes", json_integer(bytes));
}

/* The item of `id`, borrowed. If `index` has none, a new one is appended to the list. */
static json_t *item_of(json_t *index, json_t *list, const char *key, const json_t *whose,
		       const char *name)
{
	const char *id = json_get_str(whose, key, "");
	json_t *item = json_object_get(index, id);

	if (item)
		return item;
	item = json_pack("{ss ss sI s{}}", key, id, "name", json_get_str(whose, name, ""), "bytes",
			 (json_int_t)0, "kinds");
	json_array_append(list, item);
	json_object_set_new(index, id, item);
	return item;
}

static void count_known(struct walk *w, int executions, const json_t *known, json_t *runs)
{
	OWN(json_decrefp) json_t *index = json_object();
	const char *id;
	json_t *whose;

	json_object_foreach((json_t *)known, id, whose) {
		int64_t kinds[KINDS_] = {0};
		json_t *run;

		if (!json_object_get(whose, "job"))
			continue; /* its deploy job was pruned */
		run = item_of(index, runs, "run", whose, "run_name");
		if (!json_object_get(run, "jobs"))
			json_object_set_new(run, "jobs", json_array());
		count_execution(w, executions, id, kinds);
		sum_kinds(run, kinds);
		sum_kinds(item_of(index, json_object_get(run, "jobs"), "job", whose, "name"),
			  kinds);
	}
}

static void count_stray(struct walk *w, int executions, const char *id)
{
	int64_t kinds[KINDS_] = {0}, bytes = 0;

	count_execution(w, executions, id, kinds);
	for (int i = 0; i < KINDS_; i++)
		bytes += kinds[i];
	if (id_valid('x', id) && json_array_size(w->strays) < USAGE_STRAYS_MAX)
		json_array_append_new(w->strays, json_pack("{ss sI}", "execution", id, "bytes",
							   (json_int_t)bytes));
}

/* Count executions of no run, those that the database does not know, and those beyond the most that
 * may be asked for. */
static void count_unknown(struct walk *w, int data, const json_t *known)
{
	OWN(closedirp) DIR *d = open_dir(w, data, "executions");
	struct dirent *e;

	while (d && (e = next_entry(w, d))) {
		const json_t *whose = json_object_get(known, e->d_name);

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
		    json_object_get(whose, "job"))
			continue;
		if (str_eq(e->d_name, TRASH))
			count(w, dirfd(d), TRASH, (struct output_dir){KIND_TRASH, NULL}, same, 2);
		else if (!whose)
			count_stray(w, dirfd(d), e->d_name);
		else
			count_execution(w, dirfd(d), e->d_name, (int64_t[KINDS_]){0});
	}
}

static enum kind kind_of(const char *name)
{
	if (str_starts(name, "trainyard."))
		return KIND_DATABASE;
	if (str_eq(name, "sources"))
		return KIND_SOURCES;
	return str_eq(name, "cache") ? KIND_CACHE : KIND_OTHER;
}

/* Count everything except the executions, which are counted separately. */
static void count_rest(struct walk *w, int data)
{
	OWN(closedirp) DIR *d = open_dir(w, data, ".");
	struct dirent *e;
	struct stat st;

	if (fstat(data, &st) == 0)
		add(w, &st, (struct output_dir){KIND_OTHER, NULL});
	if (fstatat(data, "executions", &st, AT_SYMLINK_NOFOLLOW) == 0)
		add(w, &st, (struct output_dir){KIND_OTHER, NULL});
	while (d && (e = next_entry(w, d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") &&
		    !str_eq(e->d_name, "executions"))
			count(w, dirfd(d), e->d_name, (struct output_dir){kind_of(e->d_name), NULL},
			      same, 1);
}

static json_t *measure(const json_t *question)
{
	struct walk w = {.until_us = clock_mono_us() +
				     json_get_int(question, "budget_ms", 0) * USEC_PER_MSEC};
	const json_t *known = json_object_get(question, "executions");
	OWN(closep)
	int data = open(json_get_str(question, "data_dir", ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWN(closep) int executions = -1;
	json_t *runs = json_array(), *kinds;
	int64_t bytes;

	if (data < 0)
		return NULL;
	w.strays = json_array();
	if (beneath_open_dir(data, "executions", 0, &executions, NULL) >= 0)
		count_known(&w, executions, known, runs);
	if (json_get_bool(question, "all", false)) {
		if (executions >= 0)
			count_unknown(&w, data, known);
		count_rest(&w, data);
	}
	tdestroy(w.links, free);
	kinds = kinds_json(w.all, &bytes);
	return json_pack("{sb sI so so so}", "complete", !w.partial, "bytes", (json_int_t)bytes,
			 "kinds", kinds, "runs", runs, "without_row", w.strays);
}

int usage_main(void)
{
	OWN(buf_done) struct buf text = BUF_INIT(USAGE_INPUT_MAX);
	OWN(json_decrefp) json_t *question = NULL, *answer = NULL;
	OWN(freep) char *line = NULL;
	struct rlimit files;
	struct err e = {0};

	if (fd_read_all(STDIN_FILENO, "the question", &text, &e) < 0 ||
	    json_parse(buf_str(&text), text.len, &question, &e) < 0) {
		fprintf(stderr, "error: %s\n", e.msg);
		return 1;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* one descriptor per directory of a path */
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	answer = measure(question);
	line = answer ? json_text(answer) : NULL;
	return !line || printf("%s\n", line) < 0 || fflush(stdout) != 0;
}
